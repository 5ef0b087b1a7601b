//! The HTTP side: which path is answered by what.
//!
//! | listener | contract of CNS | `/debug/…` | `/healthz`, `/readyz`, `/metrics` | the status page `/` |
//! |---|---|---|---|---|
//! | unix socket, loopback TCP | yes | yes | yes | no |
//! | metrics | no | yes | yes | yes |

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode};
use podnet_daemon_kit::http::{self, Answer, Arrival};
use podnet_daemon_kit::operations::Operations;
use podnet_ipam_api::{ASKED_HEADER, CONTENT_TYPE, RETURN_CODE_HEADER, Response, ReturnCode, encode, path};
use serde::Serialize;

use crate::actor::{Actor, Handle};
use crate::clock;
use crate::metrics::{Metrics, RequestLabels};

mod addresses;
mod debug;
mod endpoints;
mod guard;
mod listen;
mod page;

pub use listen::{ListenError, Listeners, serve_metrics, serve_requests};

/// What every handler needs.
#[derive(Debug, Clone)]
pub struct Server {
    /// The way to the pool.
    pub actor: Handle,
    /// The figures.
    pub metrics: Arc<Metrics>,
    /// Health.
    pub operations: Operations,
    notes: Arc<endpoints::Notes>,
}

/// An answer, and what the figures call its request and its outcome.
struct Answered {
    answer: Answer,
    url: &'static str,
    outcome: &'static str,
}

impl Answered {
    fn new(url: &'static str, code: ReturnCode, body: &impl Serialize) -> Self {
        let mut answer = http::answer(StatusCode::OK, CONTENT_TYPE, encode(body));
        if let Ok(name) = HeaderName::from_bytes(RETURN_CODE_HEADER.as_bytes()) {
            answer.headers_mut().insert(name, HeaderValue::from_static(code.name()));
        }
        Self { answer, url, outcome: code.name() }
    }

    fn plain(url: &'static str, status: StatusCode, text: String) -> Self {
        let outcome = status.canonical_reason().unwrap_or("Unknown");
        Self { answer: http::text(status, text), url, outcome }
    }

    /// The path does not take this method.
    fn wrong_verb(url: &'static str, method: &Method) -> Self {
        let code = ReturnCode::UNSUPPORTED_VERB;
        Self::new(url, code, &Response::failure(code, format!("{url} does not take {method}")))
    }

    /// A body that is none.
    fn undecodable(url: &'static str, error: &podnet_ipam_api::WireError) -> Self {
        let says = format!("Failed to decode request: {}\n", podnet_daemon_kit::Chain(error));
        Self::plain(url, StatusCode::BAD_REQUEST, says)
    }

    /// The daemon cannot do it now, whoever asks.
    fn unavailable(url: &'static str, reason: &impl std::fmt::Display) -> Self {
        Self::plain(url, StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n"))
    }
}

impl Server {
    /// A server without notes.
    pub fn new(actor: Handle, metrics: Arc<Metrics>, operations: Operations) -> Self {
        Self { actor, metrics, operations, notes: Arc::default() }
    }

    /// Answers a request of the contract.
    async fn answer(self, request: Request<Bytes>) -> Answer {
        let began = began(&request);
        let verb = verb(request.method());
        let Answered { answer, url, outcome } = self.route(request, began).await;
        self.metrics.note_request(RequestLabels { url, verb, cns_return_code: outcome }, began.elapsed());
        answer
    }

    async fn route(&self, request: Request<Bytes>, began: Instant) -> Answered {
        let whole = request.uri().path();
        let path =
            whole.strip_prefix(path::VERSION_PREFIX).filter(|rest| rest.starts_with('/')).unwrap_or(whole);
        match path {
            path::REQUEST_IP_CONFIGS => addresses::request(self, request.body(), began).await,
            path::RELEASE_IP_CONFIGS => addresses::release(self, request.body()).await,
            path::REQUEST_IP_CONFIG => addresses::request_one(self, request.body(), began).await,
            path::RELEASE_IP_CONFIG => addresses::release_one(self, request.body()).await,
            _ if path.starts_with(path::ENDPOINTS) => endpoints::answer(self, &request).await,
            _ if path.starts_with("/debug/") => {
                debug::answer(self, path, &request).await.unwrap_or_else(unknown)
            }
            _ => match self.operate(request.method(), path).await {
                Some(answer) => Answered { answer, url: "operations", outcome: "Success" },
                None => unknown(),
            },
        }
    }

    /// Health and figures; the pool's are those of this moment.
    async fn operate(&self, method: &Method, path: &str) -> Option<Answer> {
        if path == "/metrics"
            && let Ok(figures) = self.actor.look(Actor::figures).await
        {
            self.metrics.set_figures(figures);
        }
        self.operations.answer(method, path)
    }

    /// Answers what is for operators.
    async fn answer_operator(self, request: Request<Bytes>) -> Answer {
        let path = request.uri().path();
        if path == "/" {
            return page::answer(&self, request.method()).await;
        }
        if let Some(answer) = self.operate(request.method(), path).await {
            return answer;
        }
        match debug::answer(&self, path, &request).await {
            Some(answered) => answered.answer,
            None => http::not_found(),
        }
    }
}

/// When the client asked, so far as that is known: this daemon may have been held up since.
fn began(request: &Request<Bytes>) -> Instant {
    /// A request does not wait for longer: whoever says so has another clock.
    const LONGEST: Duration = Duration::from_mins(1);
    let arrived = request.extensions().get::<Arrival>().map_or_else(Instant::now, |arrival| arrival.0);
    let header = request.headers().get(ASKED_HEADER).and_then(|value| value.to_str().ok()?.parse().ok());
    let age = header.map(|asked| clock::since_boot().saturating_sub(Duration::from_nanos(asked)));
    let asked = age.filter(|age| *age < LONGEST).and_then(|age| Instant::now().checked_sub(age));
    asked.map_or(arrived, |asked| asked.min(arrived))
}

fn unknown() -> Answered {
    Answered { answer: http::not_found(), url: "unknown", outcome: "Not Found" }
}

fn verb(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn age(asked: Option<Duration>, arrived: Duration) -> Duration {
        let mut request = Request::new(Bytes::new());
        let now = Instant::now();
        request.extensions_mut().insert(Arrival(now.checked_sub(arrived).unwrap()));
        if let Some(asked) = asked {
            let nanos = clock::since_boot().saturating_sub(asked).as_nanos();
            request.headers_mut().insert(ASKED_HEADER, nanos.to_string().parse().unwrap());
        }
        began(&request).elapsed()
    }

    #[test]
    fn a_request_began_when_its_client_says_but_never_later_than_it_came() {
        let (second, minute) = (Duration::from_secs(1), Duration::from_mins(1));
        assert!((second..2 * second).contains(&age(None, second)));
        assert!((5 * second..6 * second).contains(&age(Some(5 * second), second)));
        assert!((5 * second..6 * second).contains(&age(Some(second), 5 * second)));
        // A clock of its own.
        assert!((second..2 * second).contains(&age(Some(2 * minute), second)));
    }
}
