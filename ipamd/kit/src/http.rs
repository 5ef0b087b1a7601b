//! HTTP/1.1 with limits: every request is complete, small and in time before a handler sees it.
//!
//! ```text
//!  accept ──▶ admit(peer) once a connection ──▶ head, body (limits) ──▶ handler ──▶ answer
//!                    └── refused: 403, with the reason, to whatever is asked
//! ```

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::stop::Stop;

mod peer;

pub use peer::Peer;

/// What is sent back: always complete, so that its length is known.
pub type Answer = Response<Full<Bytes>>;

/// When a request's head was complete; in the request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct Arrival(pub Instant);

/// What a client may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a request's body; more is answered with 413.
    pub body: usize,
    /// The time for a request's head, and again for its body; a slow body is answered with 408.
    pub request: Duration,
    /// Connections at one time; further ones wait in the kernel's queue.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body: 64 * 1024, request: Duration::from_secs(10), connections: 64 }
    }
}

/// Where connections come from.
#[derive(Debug)]
pub enum Listener {
    /// A unix socket.
    Unix(UnixListener),
    /// A TCP address.
    Tcp(TcpListener),
}

/// After an accept that failed for want of something (file descriptors, memory).
const BREATH: Duration = Duration::from_millis(50);

/// How long connections may take to end when the daemon does.
const FAREWELL: Duration = Duration::from_secs(5);

/// Serves until `stop`; requests under way are still answered.
///
/// `admit` is asked once a connection, with what is known of its other end; a refusal is its reason.
pub async fn serve<A, H, F>(listener: Listener, limits: Limits, admit: A, handler: H, mut stop: Stop)
where
    A: Fn(&Peer) -> Result<(), String>,
    H: Fn(Request<Bytes>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(limits.connections));
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = stop.asked() => return,
        };
        match accepted {
            Ok((place, stream, peer)) => {
                let admitted = admit(&peer);
                let (handler, stop) = (handler.clone(), stop.clone());
                tokio::spawn(async move {
                    connection(stream, limits, admitted, handler, stop).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(BREATH).await;
            }
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

type Accepted = (tokio::sync::OwnedSemaphorePermit, Box<dyn Stream>, Peer);

async fn accept(listener: &Listener, places: &Arc<Semaphore>) -> io::Result<Accepted> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    Ok(match listener {
        Listener::Unix(listener) => {
            let (stream, _) = listener.accept().await?;
            let peer = Peer::of_unix(&stream)?;
            (place, Box::new(stream), peer)
        }
        Listener::Tcp(listener) => {
            let (stream, remote) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let peer = Peer::Tcp { remote, local: stream.local_addr()? };
            (place, Box::new(stream), peer)
        }
    })
}

async fn connection<H, F>(
    stream: Box<dyn Stream>,
    limits: Limits,
    admitted: Result<(), String>,
    handler: H,
    mut stop: Stop,
) where
    H: Fn(Request<Bytes>) -> F,
    F: Future<Output = Answer>,
{
    let service = service_fn(|request| async {
        let answer = match &admitted {
            Ok(()) => match complete(request, limits).await {
                Ok(request) => handler(request).await,
                Err(refusal) => refusal,
            },
            Err(reason) => closing(text(StatusCode::FORBIDDEN, format!("{reason}\n"))),
        };
        Ok::<_, Infallible>(answer)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.request).max_buf_size(64 * 1024);
    // As clients of the contract were recorded: `Cns_return_code`.
    builder.title_case_headers(true);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    // A connection that breaks concerns the client alone, and it knows.
    tokio::select! {
        ended = connection.as_mut() => drop(ended),
        () = stop.asked() => {
            connection.as_mut().graceful_shutdown();
            timeout(FAREWELL, connection).await.ok();
        }
    }
}

/// The request with its whole body, or the answer that says why there is none.
async fn complete(request: Request<Incoming>, limits: Limits) -> Result<Request<Bytes>, Answer> {
    let (mut head, body) = request.into_parts();
    head.extensions.insert(Arrival(Instant::now()));
    let is_announced = body.size_hint().lower() > limits.body as u64;
    match timeout(limits.request, collect(body, limits.body)).await {
        Ok(Ok(Some(body))) => Ok(Request::from_parts(head, body)),
        Ok(Err(error)) => {
            let says = format!("the body cannot be read: {error}\n");
            Err(closing(text(StatusCode::BAD_REQUEST, says)))
        }
        Err(_) if !is_announced => {
            let says = "the body did not come in time\n";
            Err(closing(text(StatusCode::REQUEST_TIMEOUT, says)))
        }
        Ok(Ok(None)) | Err(_) => {
            let says = format!("the body is larger than {} bytes\n", limits.body);
            Err(closing(text(StatusCode::PAYLOAD_TOO_LARGE, says)))
        }
    }
}

/// How much of a body that is too large is read all the same: a client that is still sending when the connection ends may
/// never see the answer.
const COURTESY: usize = 1 << 20;

/// The whole body; none: it is larger than `limit`.
async fn collect(mut body: Incoming, limit: usize) -> Result<Option<Bytes>, hyper::Error> {
    let mut whole = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await.transpose()? {
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length <= limit {
            whole.extend_from_slice(&data);
        } else if length > COURTESY {
            break;
        }
    }
    Ok((length <= limit).then(|| whole.into()))
}

/// What is left of the request is not read: the connection is of no further use.
fn closing(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// An answer of the given media type.
pub fn answer(status: StatusCode, media: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    answer
}

/// An answer in plain text.
pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    answer(status, "text/plain; charset=utf-8", body)
}

/// The answer to a path that is not served.
pub fn not_found() -> Answer {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}

#[cfg(test)]
mod tests;
