//! Who is asked: a path or a URL, and what can be wrong with it.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// The address of a daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    /// A unix socket; it must be root's alone.
    Socket(PathBuf),
    /// A TCP address, as `localhost:10090`.
    Tcp(String),
}

/// Why a server cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The socket is somebody else's, or somebody else can connect to it.
    #[error("the socket belongs to uid {uid} with mode {mode:o}: it must be root's alone")]
    NotPrivate {
        /// Its owner.
        uid: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is no socket.
    #[error("the file is no socket")]
    NoSocket,
    /// The host's name has no address.
    #[error("{host} has no address")]
    NoAddress {
        /// Host and port.
        host: String,
    },
    /// The system's word.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl ServerError {
    /// Whether it is a server that is away, rather than one that is not to be trusted.
    pub(super) fn is_absence(&self) -> bool {
        match self {
            Self::Io(error) => {
                !matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput)
            }
            Self::NotPrivate { .. } | Self::NoSocket | Self::NoAddress { .. } => false,
        }
    }
}

impl Server {
    /// Reads a URL as `http://localhost:10090`. `None`: no such URL.
    pub fn from_url(url: &str) -> Option<Self> {
        let authority = url.strip_prefix("http://")?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let is_host = |letter: char| letter.is_ascii_alphanumeric() || "-._:[]".contains(letter);
        if authority.is_empty() || !authority.chars().all(is_host) {
            return None;
        }
        let has_port = authority.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && (!host.contains(':') || host.ends_with(']')) && port.parse::<u16>().is_ok()
        });
        let bare = !authority.contains(':') || authority.ends_with(']');
        match (has_port, bare) {
            (true, _) => Some(Self::Tcp(authority.to_owned())),
            (false, true) => Some(Self::Tcp(format!("{authority}:80"))),
            (false, false) => None,
        }
    }

    /// What the header `Host` says.
    pub(super) fn host(&self) -> &str {
        match self {
            Self::Socket(_) => "localhost",
            Self::Tcp(authority) => authority,
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "{}", path.display()),
            Self::Tcp(authority) => write!(f, "http://{authority}"),
        }
    }
}
