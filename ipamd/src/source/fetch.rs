//! One document over plain HTTP, small and in time, from the place that was asked and from no other.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::header::{HOST, LOCATION};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The largest document that is read.
const LARGEST: usize = 1 << 20;

/// For all of it: connection, question, answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The configured URL cannot be asked.
    #[error("{0} is no URL that can be asked")]
    Url(String),
    /// Nobody is there.
    #[error("cannot connect to {url}")]
    Connect {
        /// What was asked for.
        url: String,
        /// Why.
        source: std::io::Error,
    },
    /// The conversation broke off.
    #[error("no complete answer from {url}")]
    Broken {
        /// What was asked for.
        url: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The answer is no document.
    #[error("{url} answers {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The status.
        status: StatusCode,
    },
    /// The answer lies elsewhere: not asked, since whoever answers there is not the host.
    #[error("{url} redirects to {location}, which is not followed")]
    Redirect {
        /// What was asked for.
        url: String,
        /// Where it points.
        location: String,
    },
    /// The answer does not end.
    #[error("{url} answers with more than {LARGEST} bytes")]
    TooLarge {
        /// What was asked for.
        url: String,
    },
    /// The answer does not come.
    #[error("{url} did not answer within {} s", PATIENCE.as_secs())]
    TooSlow {
        /// What was asked for.
        url: String,
    },
}

/// The body of the answer to `GET url` with these headers.
pub(super) async fn get(url: &str, headers: &[(&'static str, &'static str)]) -> Result<Bytes, FetchError> {
    match timeout(PATIENCE, exchange(url, headers)).await {
        Ok(answer) => answer,
        Err(_) => Err(FetchError::TooSlow { url: url.to_owned() }),
    }
}

async fn exchange(url: &str, headers: &[(&'static str, &'static str)]) -> Result<Bytes, FetchError> {
    let not_asked = || FetchError::Url(url.to_owned());
    let uri: Uri = url.parse().ok().ok_or_else(not_asked)?;
    let authority = uri.authority().ok_or_else(not_asked)?;
    let port = authority.port_u16().unwrap_or(80);
    let host = authority.host().trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, port)).await;
    let stream = stream.map_err(|source| FetchError::Connect { url: url.to_owned(), source })?;
    let broken = |source: hyper::Error| FetchError::Broken { url: url.to_owned(), source: source.into() };
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(broken)?;
    // It ends with the answer, of which it says itself why there is none.
    let connection = AbortOnDrop(tokio::spawn(async move { connection.await.ok() }));
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::get(path).header(HOST, authority.as_str());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Empty::<Bytes>::new()).ok().ok_or_else(not_asked)?;
    let answer = sender.send_request(request).await.map_err(broken)?;
    let status = answer.status();
    if status.is_redirection() {
        let location = answer.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        let location = location.unwrap_or("an unknown place").to_owned();
        return Err(FetchError::Redirect { url: url.to_owned(), location });
    }
    if status != StatusCode::OK {
        return Err(FetchError::Status { url: url.to_owned(), status });
    }
    let body = Limited::new(answer.into_body(), LARGEST).collect().await;
    drop(connection);
    body.map(http_body_util::Collected::to_bytes).map_err(|source| {
        if source.is::<LengthLimitError>() {
            FetchError::TooLarge { url: url.to_owned() }
        } else {
            FetchError::Broken { url: url.to_owned(), source }
        }
    })
}

/// The task that moves the bytes, ended with the exchange that needs it.
struct AbortOnDrop(tokio::task::JoinHandle<Option<()>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
