//! What connects the actor to the rest of the daemon.

use std::sync::Arc;

use podnet_daemon_kit::Readiness;
use podnet_ipam_api::debug::RoutesStatus;
use tokio::sync::{mpsc, watch};

use crate::actor::Ends;
use crate::metrics::Metrics;
use crate::networks::Networks;
use crate::source::{Needs, Report};

/// Reports that may wait for the actor.
const REPORTS: usize = 4;

/// The ends that are not the actor's ([`Ends`] has the others).
pub(super) struct Wires {
    /// From the source.
    pub reports: mpsc::Sender<Report>,
    /// To the source.
    pub needs: watch::Receiver<Needs>,
    /// To whoever tells others of it.
    pub readiness: watch::Receiver<Readiness>,
    /// From whoever works at the routes.
    pub routes: watch::Sender<Option<RoutesStatus>>,
    /// To all that depends on where the node is.
    pub networks: watch::Receiver<Arc<Networks>>,
}

/// Both ends of everything.
pub(super) fn lay(metrics: Arc<Metrics>) -> (Ends, Wires) {
    let (reports, reports_heard) = mpsc::channel(REPORTS);
    let (needs, needs_seen) = watch::channel(Needs::default());
    let (readiness, readiness_seen) = watch::channel(Readiness::NotReady("starting".to_owned()));
    let (routes, routes_seen) = watch::channel(None);
    let (networks, networks_seen) = watch::channel(Arc::default());
    let ends = Ends { reports: reports_heard, needs, readiness, routes: routes_seen, networks, metrics };
    let (needs, readiness, networks) = (needs_seen, readiness_seen, networks_seen);
    (ends, Wires { reports, needs, readiness, routes, networks })
}
