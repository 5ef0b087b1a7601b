//! The figures for Prometheus: our own under `podnet_ipamd_`, and those of CNS that dashboards already show.
//!
//! The pool's figures are collected at each scrape; what happens in between is counted as it happens.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::actor::Figures;
use crate::cluster::Traffic;

mod pool;
mod routes;

pub use routes::RouteMetrics;

/// What is counted as it happens.
#[derive(Debug)]
pub struct Metrics {
    /// Requests for addresses, by outcome.
    pub assignments: Assignments,
    /// Attachments that gave their addresses up.
    pub releases: Counter,
    /// Failed questions to the source.
    pub source_errors: Counter,
    /// Failed writes of the journal.
    pub journal_errors: Counter,
    /// Release intents that were applied.
    pub intents: Counter,
    /// Configurations that were refused.
    pub config_errors: Counter,
    /// From a request's arrival to its answer, by path, method and return code. Seconds.
    pub requests: Family<RequestLabels, Histogram, fn() -> Histogram>,
    /// From an assignment's request to its answer. Seconds.
    pub latency: Histogram,
    /// Routes to other nodes' pods.
    pub routes: RouteMetrics,
    figures: Arc<Mutex<Figures>>,
}

/// Requests for addresses, by outcome.
#[derive(Debug, Default)]
pub struct Assignments {
    /// New ones.
    pub made: Counter,
    /// Those that had been made before.
    pub repeated: Counter,
    /// Those that got nothing.
    pub refused: Counter,
}

/// The labels of CNS's `http_request_latency_seconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// The path, without what follows it.
    pub url: &'static str,
    /// The HTTP method.
    pub verb: &'static str,
    /// The name of the return code, or the HTTP status where there is none.
    pub cns_return_code: &'static str,
}

/// 1 ms and up, as CNS has them, and two decades below: our answers are there.
fn buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.000_05, 2.0, 18))
}

impl Metrics {
    /// The metrics, and the registry that tells them and `traffic`.
    pub fn new(traffic: &Traffic) -> (Self, Registry) {
        let figures = Arc::new(Mutex::new(Figures::default()));
        let metrics = Self {
            assignments: Assignments::default(),
            releases: Counter::default(),
            source_errors: Counter::default(),
            journal_errors: Counter::default(),
            intents: Counter::default(),
            config_errors: Counter::default(),
            requests: Family::new_with_constructor(buckets),
            latency: buckets(),
            routes: RouteMetrics::default(),
            figures: Arc::clone(&figures),
        };
        let mut registry = Registry::default();
        registry.register_with_unit(
            "http_request_latency",
            "From a request's arrival to its answer",
            Unit::Seconds,
            metrics.requests.clone(),
        );
        registry.register_with_unit(
            "ip_assignment_latency",
            "From the request for addresses to their durable assignment",
            Unit::Seconds,
            metrics.latency.clone(),
        );
        let own = registry.sub_registry_with_prefix("podnet_ipamd");
        let Assignments { made, repeated, refused } = &metrics.assignments;
        for (name, help, counter) in [
            ("assignments", "Attachments that got addresses", made),
            ("assignments_repeated", "Requests of attachments that had their addresses already", repeated),
            ("assignments_refused", "Requests that got no addresses", refused),
            ("releases", "Attachments that gave their addresses up", &metrics.releases),
            ("source_errors", "Questions to the source that got no usable answer", &metrics.source_errors),
            ("journal_errors", "Writes of the journal that failed", &metrics.journal_errors),
            ("intents_applied", "Releases that were left while the daemon was away", &metrics.intents),
            ("config_errors", "Configurations that were refused", &metrics.config_errors),
        ] {
            own.register(name, help, counter.clone());
        }
        metrics.routes.register(own);
        traffic.register(&mut registry);
        registry.register_collector(Box::new(pool::PoolCollector::new(figures)));
        (metrics, registry)
    }

    /// Replaces the pool's figures.
    pub fn set_figures(&self, figures: Figures) {
        *self.figures.lock().unwrap_or_else(PoisonError::into_inner) = figures;
    }

    /// Notes a request and its answer.
    pub fn note_request(&self, labels: RequestLabels, took: Duration) {
        self.requests.get_or_create(&labels).observe(took.as_secs_f64());
    }
}
