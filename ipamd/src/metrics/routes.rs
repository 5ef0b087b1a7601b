//! The figures of the routes to other nodes' pods.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What is counted of the routes. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct RouteMetrics {
    /// The other nodes that are known.
    pub nodes: Gauge,
    /// The routes that are kept.
    pub routes: Gauge,
    /// The ranges of nodes that get no route.
    pub refused: Gauge,
    /// Routes that were added.
    pub added: Counter,
    /// Routes that were removed.
    pub removed: Counter,
    /// Failures to bring the kernel's routes to what they should be.
    pub errors: Counter,
}

impl RouteMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        for (name, help, gauge) in [
            ("route_nodes", "Other nodes that routes are wanted to", &self.nodes),
            ("routes", "Routes to other nodes' pods that are kept", &self.routes),
            ("routes_refused", "Pod ranges of other nodes that get no route", &self.refused),
        ] {
            registry.register(name, help, gauge.clone());
        }
        for (name, help, counter) in [
            ("routes_added", "Routes to other nodes' pods that were added", &self.added),
            ("routes_removed", "Routes to other nodes' pods that were removed", &self.removed),
            ("route_errors", "Failures to bring the node's routes to what they should be", &self.errors),
        ] {
            registry.register(name, help, counter.clone());
        }
    }
}
