//! How the routes are, for people and for the conflist.

use podnet_daemon_kit::Chain;
use podnet_daemon_kit::prometheus::metrics::gauge::Gauge;
use podnet_ipam_api::debug::RoutesStatus;
use tokio::sync::watch;

use crate::cluster::ClusterError;
use crate::config::Routes;
use crate::metrics::RouteMetrics;

/// The routes in a few words.
pub fn summary(status: &RoutesStatus) -> String {
    match (&status.awaits, status.kind == Routes::Cloud.kind()) {
        (Some(awaits), _) => format!("waiting for {awaits}"),
        (None, true) => "the cloud has made them".to_owned(),
        (None, false) => format!("{} to the pods of {} other nodes", status.routes, status.nodes),
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

    /// Sets one of the errors, or takes it back; whether that is news.
    pub(super) fn note(
        &self,
        which: fn(&mut RoutesStatus) -> &mut Option<String>,
        error: Option<&str>,
    ) -> bool {
        let mut is_news = false;
        self.update(|status| {
            let slot = which(status);
            is_news = slot.as_deref() != error;
            *slot = error.map(str::to_owned);
        });
        is_news
    }

    /// The API server was not heard.
    pub(super) fn unheard(&self, error: &ClusterError) {
        let error = Chain(error).to_string();
        if self.note(|status| &mut status.cluster_error, Some(&error)) {
            tracing::warn!(%error, "of nodes and routes the last word holds");
        }
    }

    /// The API server was heard.
    pub(super) fn heard(&self) {
        if self.note(|status| &mut status.cluster_error, None) {
            tracing::info!("the API server is heard again");
        }
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
