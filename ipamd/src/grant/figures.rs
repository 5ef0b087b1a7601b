//! The controller's figures for Prometheus.

use std::sync::atomic::AtomicI64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::state::State;
use crate::cluster::Traffic;

/// What is counted.
#[derive(Debug, Default)]
pub struct Figures {
    /// Rounds that wrote something.
    pub rounds: Counter,
    /// Statuses that were written.
    pub statuses: Counter,
    /// Writes that somebody else was faster than.
    pub conflicts: Counter,
    leading: Gauge,
    objects: Gauge,
    faults: Gauge,
    units: Family<UnitLabels, Gauge<i64, AtomicI64>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UnitLabels {
    subnet: String,
    state: &'static str,
}

impl Figures {
    /// The figures, and the registry that tells them and `traffic`.
    pub fn new(traffic: &Traffic) -> (Self, Registry) {
        let figures = Self::default();
        let mut registry = Registry::default();
        let own = registry.sub_registry_with_prefix("podnet_grant");
        own.register("leading", "1 while this controller grants", figures.leading.clone());
        own.register("rounds", "Rounds that wrote something", figures.rounds.clone());
        own.register("statuses_written", "Statuses that were written", figures.statuses.clone());
        own.register("conflicts", "Writes that somebody else was faster than", figures.conflicts.clone());
        own.register("objects", "NodeNetworkConfigs that are known", figures.objects.clone());
        own.register(
            "faulty_objects",
            "NodeNetworkConfigs with which something is wrong",
            figures.faults.clone(),
        );
        own.register("units", "Addresses or blocks of each subnet, claimed and free", figures.units.clone());
        traffic.register(&mut registry);
        (figures, registry)
    }

    /// Whether this controller leads.
    pub fn set_leading(&self, leads: bool) {
        self.leading.set(leads.into());
    }

    /// What the state shows.
    pub fn show(&self, state: &State) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.objects.set(number(state.objects()));
        self.faults.set(number(state.notices().len()));
        for (place, subnet) in state.settings().places() {
            let claimed = number(state.ledger().claimed(place));
            let free = i64::from(subnet.capacity()).saturating_sub(claimed);
            for (state, count) in [("claimed", claimed), ("free", free)] {
                let labels = UnitLabels { subnet: subnet.name.to_string(), state };
                self.units.get_or_create(&labels).set(count);
            }
        }
    }
}
