//! What the rest of the daemon hears from the actor.

use std::sync::Arc;

use podnet_daemon_kit::Readiness;
use podnet_ipam_core::Family;

use super::Actor;

impl Actor {
    /// Tells the rest of the daemon what has changed.
    pub(super) fn publish(&mut self) {
        let readiness = self.readiness();
        self.ends.readiness.send_if_modified(|last| {
            let changed = *last != readiness;
            if changed {
                match &readiness {
                    Readiness::Ready => tracing::info!("ready"),
                    Readiness::NotReady(reason) => tracing::warn!(%reason, "not ready"),
                }
                *last = readiness;
            }
            changed
        });
        self.ends.networks.send_if_modified(|last| {
            let changed = !Arc::ptr_eq(last, &self.networks);
            last.clone_from(&self.networks);
            changed
        });
        let needs = self.needs();
        self.ends.needs.send_if_modified(|last| {
            let changed = *last != needs;
            *last = needs;
            changed
        });
    }

    pub(super) fn readiness(&self) -> Readiness {
        if let Some(reason) = &self.trouble {
            return Readiness::NotReady(reason.clone());
        }
        if self.pool.can_assign() {
            return Readiness::Ready;
        }
        let families = self.pool.families();
        let empty = Family::ALL.into_iter().filter(|family| *families.get(*family)).find(|family| {
            let counts = self.pool.counts(*family);
            counts.available + counts.cooling_down == 0
        });
        Readiness::NotReady(match empty {
            Some(family) => {
                let counts = self.pool.counts(family);
                format!("no free {family} address: {} of {} are assigned", counts.assigned, counts.total())
            }
            None => match self.source.error() {
                Some(error) => format!("no addresses yet: {error}"),
                None => "no addresses yet".to_owned(),
            },
        })
    }
}
