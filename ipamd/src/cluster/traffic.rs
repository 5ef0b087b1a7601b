//! What passes between this daemon and the API server: counted, and held up where the server asks for that.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::header::RETRY_AFTER;
use hyper::{Method, Request, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use tower::{Layer, Service};

/// The longest pause that a server may ask for.
const LONGEST_HOLD: Duration = Duration::from_mins(2);

/// The labels of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// As in access rules.
    pub verb: &'static str,
    /// In the plural.
    pub resource: String,
    /// The HTTP status; `none` where no answer came.
    pub outcome: String,
}

/// The account of all requests. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Traffic(Arc<Account>);

#[derive(Debug, Default)]
struct Account {
    requests: Family<RequestLabels, Counter>,
    /// When a watch of each resource heard something last, a bookmark at least.
    heard: Mutex<BTreeMap<String, Instant>>,
    /// Nothing is to be asked before.
    held_until: Mutex<Option<Instant>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Traffic {
    /// Adds its figures to a registry.
    pub fn register(&self, registry: &mut Registry) {
        let help = "Requests to the Kubernetes API server, by verb, resource and HTTP status";
        registry.register("podnet_ipamd_kubernetes_requests", help, self.0.requests.clone());
        registry.register_collector(Box::new(WatchAge(self.clone())));
    }

    /// How long the server wants to be left alone yet.
    pub fn hold(&self) -> Duration {
        let until = *locked(&self.0.held_until);
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    /// A watch of this resource heard something.
    pub(super) fn heard(&self, resource: &str) {
        let mut heard = locked(&self.0.heard);
        match heard.get_mut(resource) {
            Some(at) => *at = Instant::now(),
            None => drop(heard.insert(resource.to_owned(), Instant::now())),
        }
    }

    fn note(&self, verb: &'static str, resource: String, answer: Option<&hyper::http::response::Parts>) {
        let outcome = answer.map_or("none".to_owned(), |answer| answer.status.as_u16().to_string());
        self.0.requests.get_or_create(&RequestLabels { verb, resource, outcome }).inc();
        let Some(answer) = answer.filter(|answer| matches!(answer.status.as_u16(), 429 | 503)) else {
            return;
        };
        let seconds = answer.headers.get(RETRY_AFTER).and_then(|seconds| seconds.to_str().ok()?.parse().ok());
        if let Some(seconds) = seconds {
            let hold = Duration::from_secs(seconds).min(LONGEST_HOLD);
            *locked(&self.0.held_until) = Some(Instant::now() + hold);
        }
    }
}

/// The verb and the resource of a request, as access rules name them.
fn classify(method: &Method, path: &str, query: &str) -> (&'static str, String) {
    let mut parts = path.trim_matches('/').split('/');
    // `api/VERSION/…` and `apis/GROUP/VERSION/…`.
    let skipped = if parts.next() == Some("api") { 1 } else { 2 };
    let mut parts = parts.skip(skipped).peekable();
    let mut resource = parts.next().unwrap_or_default();
    let mut rest: Vec<&str> = parts.collect();
    if let ("namespaces", [_, then, ..]) = (resource, &*rest) {
        resource = then;
        rest.drain(..2);
    }
    let is_watch = query.split('&').any(|pair| pair == "watch=true" || pair == "watch=1");
    let verb = match *method {
        Method::GET if is_watch => "watch",
        Method::GET if rest.is_empty() => "list",
        Method::GET => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        _ => "delete",
    };
    let part = rest.get(1).map(|part| format!("/{part}")).unwrap_or_default();
    (verb, format!("{resource}{part}"))
}

impl<S> Layer<S> for Traffic {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { inner, traffic: self.clone() }
    }
}

/// A service whose requests are counted.
#[derive(Debug, Clone)]
pub struct Counted<S> {
    inner: S,
    traffic: Traffic,
}

impl<S, A, B> Service<Request<A>> for Counted<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let uri = request.uri();
        let (verb, resource) = classify(request.method(), uri.path(), uri.query().unwrap_or_default());
        let traffic = self.traffic.clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await.inspect_err(|_| traffic.note(verb, resource.clone(), None))?;
            let (head, body) = answer.into_parts();
            traffic.note(verb, resource, Some(&head));
            Ok(Response::from_parts(head, body))
        })
    }
}

/// How long ago each watch heard something.
#[derive(Debug)]
struct WatchAge(Traffic);

impl Collector for WatchAge {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Since the watch of this resource heard anything of the API server, a bookmark at least";
        let name = "podnet_ipamd_kubernetes_watch_age_seconds";
        let heard = locked(&self.0.0.heard);
        if heard.is_empty() {
            return Ok(());
        }
        let mut ages = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (resource, at) in &*heard {
            let labels = [("resource", resource.as_str())];
            ConstGauge::new(at.elapsed().as_secs_f64()).encode(ages.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_named_as_access_rules_name_it() {
        let nnc = "/apis/acn.azure.com/v1alpha/namespaces/kube-system/nodenetworkconfigs";
        for (method, path, query, verb, resource) in [
            (Method::GET, "/api/v1/nodes", "&fieldSelector=metadata.name%3Dn1", "list", "nodes"),
            (Method::GET, "/api/v1/nodes", "&watch=true&resourceVersion=1", "watch", "nodes"),
            (Method::PATCH, "/api/v1/nodes/n1/status", "", "patch", "nodes/status"),
            (Method::GET, nnc, "", "list", "nodenetworkconfigs"),
            (Method::PATCH, &format!("{nnc}/n1"), "fieldManager=a", "patch", "nodenetworkconfigs"),
        ] {
            assert_eq!(classify(&method, path, query), (verb, resource.to_owned()), "{path}?{query}");
        }
    }
}
