//! The pool in numbers, for metrics.

use podnet_ipam_core::{Counts, Family, PerFamily};
use podnet_ipam_store::Size;

use super::Actor;
use crate::clock;

/// The pool in numbers, at one moment.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Addresses by state, of each family.
    pub counts: PerFamily<Counts>,
    /// Addresses asked of the network in total; of one that cannot be asked, all that there are.
    pub requested: u32,
    /// The network's maximum, where it says one.
    pub max: Option<u32>,
    /// The size of a batch.
    pub batch: u32,
    /// How often an address was assigned before its cool-down ended.
    pub cool_downs_skipped: u64,
    /// Seconds since the source said something good; none: never.
    pub source_age: Option<f64>,
    /// Whether the source's last word was good.
    pub is_source_well: bool,
    /// Bytes on disk.
    pub size: Size,
    /// The names of the networks, and their subnets.
    pub networks: Vec<(String, String)>,
}

impl Actor {
    /// The figures of this moment.
    pub fn figures(&self) -> Figures {
        let now = clock::since_boot();
        let networks = self.networks.all.iter();
        let scaler = self.source.scaler();
        let counts = PerFamily { v4: self.pool.counts(Family::V4), v6: self.pool.counts(Family::V6) };
        let total = u32::try_from(counts.v4.total() + counts.v6.total()).unwrap_or(u32::MAX);
        Figures {
            counts,
            requested: scaler.map_or(total, |_| self.pool.requested()),
            max: self.settings.max.or(scaler.map(|scaler| scaler.max)),
            batch: scaler.map_or(self.settings.batch, |scaler| scaler.batch),
            cool_downs_skipped: self.pool.cool_downs_skipped(),
            source_age: self.source.last_good.map(|at| now.saturating_sub(at).as_secs_f64()),
            is_source_well: self.source.last_good.is_some() && self.source.error().is_none(),
            size: self.store.size(),
            networks: networks.map(|network| (network.id.to_string(), network.subnet.to_string())).collect(),
        }
    }

    /// How many families the source offers, and so an attachment gets an address of.
    pub fn families_offered(&self) -> usize {
        let families = self.pool.families();
        Family::ALL.into_iter().filter(|family| *families.get(*family)).count()
    }

    /// Whether some family that the source offers has no address left that is free and has cooled down.
    pub(super) fn is_dry(&self) -> bool {
        let families = self.pool.families();
        let offered = || Family::ALL.into_iter().filter(|family| *families.get(*family));
        offered().next().is_none() || offered().any(|family| self.pool.counts(family).available == 0)
    }
}
