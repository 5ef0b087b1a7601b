//! Where the daemon listens, and who may connect there.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use podnet_daemon_kit::http::{self, Limits, Listener, Peer};
use podnet_daemon_kit::stop::Stop;
use podnet_ipam_api::MAX_BODY;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;

use super::{Server, guard};
use crate::config::Config;

/// For requests of the contract: small, and from programs that wait for nothing.
const LIMITS: Limits = Limits { body: MAX_BODY, request: Duration::from_secs(5), connections: 1024 };

/// What cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The unix socket.
    #[error("cannot listen on {}", path.display())]
    Socket {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A TCP address.
    #[error("cannot listen on {address}")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// The open listeners.
#[derive(Debug)]
pub struct Listeners {
    /// The contract, for root.
    pub socket: UnixListener,
    /// The contract, by loopback TCP.
    pub http: Option<TcpListener>,
    /// Figures and the status page.
    pub metrics: Option<TcpListener>,
}

impl Listeners {
    /// Opens all that the configuration names.
    pub async fn open(config: &Config) -> Result<Self, ListenError> {
        let path = &config.listen.socket;
        let socket =
            bind_private(path).map_err(|source| ListenError::Socket { path: path.clone(), source })?;
        Ok(Self { socket, http: bind(config.listen.http).await?, metrics: bind(config.metrics).await? })
    }
}

async fn bind(address: Option<SocketAddr>) -> Result<Option<TcpListener>, ListenError> {
    let Some(address) = address else { return Ok(None) };
    let bound = TcpListener::bind(address).await;
    bound.map(Some).map_err(|source| ListenError::Tcp { address, source })
}

/// A socket that is root's alone from the moment on that it has its name; it takes the place of a dead daemon's. That no
/// living one has it is the state directory's lock to say.
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let mut draft = path.to_owned().into_os_string();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&draft)?;
    std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&draft, path)?;
    Ok(listener)
}

/// Serves the contract on one listener until `stop`.
pub async fn serve_requests(server: Server, listener: Listener, config: watch::Receiver<Config>, stop: Stop) {
    let admit = move |peer: &Peer| guard::admit(peer, &config.borrow().listen.allow_uids);
    let is_tcp = matches!(listener, Listener::Tcp(_));
    let handler = move |request: Request<Bytes>| {
        let server = server.clone();
        async move {
            if is_tcp && !guard::is_for_us(request.uri(), request.headers()) {
                return http::text(StatusCode::FORBIDDEN, "this address serves no other host's name\n");
            }
            server.answer(request).await
        }
    };
    http::serve(listener, LIMITS, admit, handler, stop).await;
}

/// Serves figures and the status page until `stop`.
pub async fn serve_metrics(server: Server, listener: TcpListener, stop: Stop) {
    // Whoever opens it to other hosts wants it asked by other names.
    let is_local = listener.local_addr().is_ok_and(|address| address.ip().is_loopback());
    let handler = move |request: Request<Bytes>| {
        let server = server.clone();
        async move {
            if is_local && !guard::is_for_us(request.uri(), request.headers()) {
                return http::text(StatusCode::FORBIDDEN, "this address serves no other host's name\n");
            }
            server.answer_operator(request).await
        }
    };
    http::serve(Listener::Tcp(listener), Limits::default(), |_| Ok(()), handler, stop).await;
}
