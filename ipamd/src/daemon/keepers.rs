//! What is kept on the node as the configuration in force says: each keeper hears of changes by itself.

use std::sync::Arc;

use podnet_daemon_kit::stop::Stop;
use tokio::sync::watch;

use super::listing;
use super::wires::Wires;
use crate::actor::Handle;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::node_rules;
use crate::reconcile::Reconciler;
use crate::subnet_route;

/// What every keeper needs.
pub(super) struct Keepers {
    /// In force.
    pub config: watch::Receiver<Config>,
    pub actor: Handle,
    pub metrics: Arc<Metrics>,
    pub stop: Stop,
}

impl Keepers {
    /// Starts them all. `cleared`: whether, for all that routes matter, the node may be declared ready.
    pub(super) fn start(self, wires: &Wires, cleared: watch::Receiver<bool>) {
        let Self { config, actor, metrics, stop } = self;
        let Wires { networks, readiness, .. } = wires;
        tokio::spawn(subnet_route::keep(config.clone(), networks.clone(), actor.clone(), stop.clone()));
        let counted = Arc::clone(&metrics);
        tokio::spawn(node_rules::keep(
            config.clone(),
            networks.clone(),
            actor.clone(),
            counted,
            stop.clone(),
        ));
        tokio::spawn(Reconciler::new(actor.clone(), metrics).run(config.clone(), stop.clone()));
        let seen =
            listing::Seen { config, readiness: readiness.clone(), cleared, networks: networks.clone() };
        tokio::spawn(listing::keep_conflist(seen, actor, stop));
    }
}
