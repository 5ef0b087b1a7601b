//! Asking the source for more addresses, and giving some back.

use std::net::IpAddr;
use std::time::Duration;

use super::Pool;
use crate::event::Event;
use crate::family::Family;
use crate::scaling::{Census, Step};
use crate::slot::{Holding, Slot};

/// What the source has to be told: the new total and every address in state `PendingRelease`
/// ([`Pool::pending_release`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resized {
    /// How many addresses are asked for in total.
    pub requested: u32,
    /// The addresses that are given back by this step; none where the pool grows.
    pub returned: Vec<IpAddr>,
}

impl Pool {
    /// Takes over what the source says was asked for, as after a restart without state.
    pub fn set_requested(&mut self, requested: u32, events: &mut Vec<Event>) {
        if self.requested != requested {
            self.requested = requested;
            events.push(Event::Requested(requested));
        }
    }

    /// Takes over what the source says is on its way back, as after a restart without state. What is held or not there
    /// stays as it is.
    pub fn set_returned(
        &mut self,
        addresses: impl IntoIterator<Item = IpAddr>,
        now: Duration,
        events: &mut Vec<Event>,
    ) {
        for address in addresses {
            let is_free =
                |slot: &Slot| !matches!(slot.holding, Holding::Assigned(_) | Holding::PendingRelease);
            if self.table.get(address).is_some_and(is_free) {
                self.give_back(address, now);
                events.push(Event::Returned { address, at: now });
            }
        }
    }

    /// One step towards the number of addresses that the rule in force wants; none where there is nothing to do
    /// (yet). To be called again until it says so. `pods`: how many on the node need an address, where that is
    /// known.
    ///
    /// The family that is counted, and given back, is the first one that the source offers.
    pub fn resize(&mut self, pods: Option<u32>, now: Duration, events: &mut Vec<Event>) -> Option<Resized> {
        self.tick(now);
        let family = self.scaled_family();
        let step = self.settings.scaling.step(&self.census(family, pods));
        let Step::Shrink { by, all } = step else {
            self.too_many_since = None;
            let Step::Grow { to } = step else { return None };
            self.set_requested(to, events);
            return Some(Resized { requested: to, returned: Vec::new() });
        };
        let since = *self.too_many_since.get_or_insert(now);
        if now < since.saturating_add(self.settings.release_delay) {
            return None;
        }
        self.shrink(family, by, all, now, events)
    }

    fn shrink(
        &mut self,
        family: Family,
        by: u32,
        all: bool,
        now: Duration,
        events: &mut Vec<Event>,
    ) -> Option<Resized> {
        let index = self.table.index(family);
        // What was never usable costs nobody anything; of the rest, what has been unused longest.
        let unused = index.programming.iter().copied().chain(index.free.iter().map(|(_, address)| *address));
        let returned: Vec<_> = unused.take(by as usize).collect();
        let count = u32::try_from(returned.len()).unwrap_or(u32::MAX);
        if count == 0 || (all && count < by) {
            return None;
        }
        for address in &returned {
            self.give_back(*address, now);
            events.push(Event::Returned { address: *address, at: now });
        }
        self.set_requested(self.requested.saturating_sub(count), events);
        Some(Resized { requested: self.requested, returned })
    }

    /// A free address is on its way back to the source from now on.
    pub(super) fn give_back(&mut self, address: IpAddr, at: Duration) {
        let held = |slot: &Slot| matches!(slot.holding, Holding::Assigned(_));
        if self.table.get(address).is_none_or(held) {
            return;
        }
        self.table.update(address, |slot| {
            slot.holding = Holding::PendingRelease;
            slot.since = at;
        });
    }

    fn scaled_family(&self) -> Family {
        if self.families().v4 || !self.families().v6 { Family::V4 } else { Family::V6 }
    }

    fn census(&self, family: Family, pods: Option<u32>) -> Census {
        let index = self.table.index(family);
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Census {
            offered: number(index.offered()),
            assigned: number(index.assigned),
            cooling_down: number(index.cooling.len()),
            pending_release: number(index.returning.len()),
            requested: self.requested,
            pods: pods.unwrap_or_default(),
        }
    }
}
