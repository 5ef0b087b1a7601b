//! What a daemon says about itself: `/healthz`, `/readyz`, `/metrics`.
//!
//! Alive means that this process answers, nothing more: a probe that depended on anything outside would have every
//! node's daemon restarted when that one thing fails. Ready means that the daemon can do its work now, and the reason
//! is said where it cannot.

use std::sync::Arc;

use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::http::{self, Answer, Limits, Listener};
use crate::stop::Stop;

/// Whether the daemon can do its work now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It can.
    Ready,
    /// It cannot, for this reason, in words for an operator.
    NotReady(String),
}

/// What is asked of every daemon, and answered from here.
#[derive(Debug, Clone)]
pub struct Operations {
    /// The metrics; collectors in it are asked at each scrape.
    pub registry: Arc<Registry>,
    /// Kept up to date by the daemon.
    pub readiness: watch::Receiver<Readiness>,
}

impl Operations {
    /// The answer to one of the three paths; None: the path is another.
    pub fn answer(&self, method: &Method, path: &str) -> Option<Answer> {
        let answer = match path {
            "/healthz" => http::text(StatusCode::OK, "ok\n"),
            "/readyz" => self.ready(),
            "/metrics" => self.metrics(),
            _ => return None,
        };
        let is_read = method == Method::GET || method == Method::HEAD;
        Some(if is_read { answer } else { http::text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n") })
    }

    /// Serves the three paths, and nothing else, until `stop`.
    pub async fn serve(self, listener: TcpListener, stop: Stop) {
        let admit = |_: &http::Peer| Ok(());
        let handler = move |request: hyper::Request<Bytes>| {
            let answer = self.answer(request.method(), request.uri().path());
            std::future::ready(answer.unwrap_or_else(http::not_found))
        };
        http::serve(Listener::Tcp(listener), Limits::default(), admit, handler, stop).await;
    }

    fn ready(&self) -> Answer {
        match &*self.readiness.borrow() {
            Readiness::Ready => http::text(StatusCode::OK, "ok\n"),
            Readiness::NotReady(reason) => {
                http::text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n"))
            }
        }
    }

    fn metrics(&self) -> Answer {
        let mut text = String::new();
        if prometheus_client::encoding::text::encode(&mut text, &self.registry).is_err() {
            return http::text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written\n");
        }
        http::answer(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", text)
    }
}
