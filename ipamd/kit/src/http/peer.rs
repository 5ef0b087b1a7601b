//! Who is at the other end of a connection.

use std::io;
use std::net::SocketAddr;

use tokio::net::UnixStream;

/// What the kernel says of the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A unix socket's: the credentials at the time of its connect(2) (`SO_PEERCRED`, unix(7)).
    Unix {
        /// The user.
        uid: u32,
    },
    /// A TCP connection's: its two addresses.
    Tcp {
        /// The other end's.
        remote: SocketAddr,
        /// Ours.
        local: SocketAddr,
    },
}

impl Peer {
    pub(super) fn of_unix(stream: &UnixStream) -> io::Result<Self> {
        Ok(Self::Unix { uid: stream.peer_cred()?.uid() })
    }
}
