//! How the routes are, for people and for the conflist.

use podnet_daemon_kit::prometheus::metrics::gauge::Gauge;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::config::Routes;
use crate::metrics::RouteMetrics;

/// How the routes to other nodes' pods are, where they are somebody's business.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoutesStatus {
    /// `routes` of the configuration.
    pub kind: String,
    /// What has to happen before the routes are as they should be.
    pub awaits: Option<String>,
    /// The other nodes that are known.
    pub nodes: usize,
    /// The routes that are there.
    pub routes: usize,
    /// The ranges that get no route, each with its node and the reason.
    pub refused: Vec<String>,
    /// Why what the API server says is not known.
    pub cluster_error: Option<String>,
    /// Why the kernel's routes are not as they should be.
    pub kernel_error: Option<String>,
    /// Why the node's condition cannot be written.
    pub condition_error: Option<String>,
}

impl RoutesStatus {
    /// In a few words.
    pub fn summary(&self) -> String {
        match (&self.awaits, self.kind == Routes::Cloud.kind()) {
            (Some(awaits), _) => format!("waiting for {awaits}"),
            (None, true) => "the cloud has made them".to_owned(),
            (None, false) => format!("{} to the pods of {} other nodes", self.routes, self.nodes),
        }
    }

    /// All that is not as it should be, but for single ranges.
    pub fn problems(&self) -> impl Iterator<Item = &str> {
        let errors = [&self.cluster_error, &self.kernel_error, &self.condition_error];
        errors.into_iter().flatten().map(String::as_str)
    }
}

/// Where everybody who works at the routes says how it goes.
#[derive(Debug, Clone)]
pub struct Outlet {
    /// The status; none: the routes are nobody's business.
    pub status: watch::Sender<Option<RoutesStatus>>,
    /// Whether, for all that routes matter, the node may be declared ready.
    pub cleared: watch::Sender<bool>,
    /// The figures.
    pub metrics: RouteMetrics,
}

impl Outlet {
    /// Begins anew.
    pub(super) fn begin(&self, status: Option<RoutesStatus>) {
        self.status.send_replace(status);
        self.show();
    }

    /// Changes the status.
    pub(super) fn update(&self, change: impl FnOnce(&mut RoutesStatus)) {
        self.status.send_modify(|status| change(status.get_or_insert_default()));
        self.show();
    }

    fn show(&self) {
        let status = self.status.borrow();
        let count = |gauge: &Gauge, of: fn(&RoutesStatus) -> usize| {
            gauge.set(i64::try_from(status.as_ref().map_or(0, of)).unwrap_or(i64::MAX));
        };
        count(&self.metrics.nodes, |status| status.nodes);
        count(&self.metrics.routes, |status| status.routes);
        count(&self.metrics.refused, |status| status.refused.len());
    }
}
