//! Every address of the pool, and for each state the addresses in it in the order in which they are wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::family::{Family, PerFamily};
use crate::slot::{Holding, Slot};

/// The addresses of one family by state. Those that the source does not offer any more are in none of the sets
/// that addresses are taken from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) programming: BTreeSet<IpAddr>,
    /// Never used ones first, then by last release.
    pub(crate) free: BTreeSet<(Option<Duration>, IpAddr)>,
    /// By release.
    pub(crate) cooling: BTreeSet<(Duration, IpAddr)>,
    pub(crate) returning: BTreeSet<IpAddr>,
    pub(crate) assigned: usize,
    /// Not offered any more, held by nobody, kept until their cool-down ends lest a source that changes its
    /// mind brings them back at once.
    pub(crate) leaving: BTreeSet<(Duration, IpAddr)>,
    /// Not offered any more, but held.
    pub(crate) orphaned: BTreeSet<IpAddr>,
}

impl Index {
    fn insert(&mut self, address: IpAddr, slot: &Slot) {
        match &slot.holding {
            Holding::PendingProgramming => _ = self.programming.insert(address),
            Holding::Available(last) => _ = self.free.insert((*last, address)),
            Holding::CoolingDown(at) if slot.offered => _ = self.cooling.insert((*at, address)),
            Holding::CoolingDown(at) => _ = self.leaving.insert((*at, address)),
            Holding::PendingRelease => _ = self.returning.insert(address),
            Holding::Assigned(_) if slot.offered => self.assigned += 1,
            Holding::Assigned(_) => _ = self.orphaned.insert(address),
        }
    }

    fn remove(&mut self, address: IpAddr, slot: &Slot) {
        match &slot.holding {
            Holding::PendingProgramming => _ = self.programming.remove(&address),
            Holding::Available(last) => _ = self.free.remove(&(*last, address)),
            Holding::CoolingDown(at) if slot.offered => _ = self.cooling.remove(&(*at, address)),
            Holding::CoolingDown(at) => _ = self.leaving.remove(&(*at, address)),
            Holding::PendingRelease => _ = self.returning.remove(&address),
            Holding::Assigned(_) if slot.offered => self.assigned -= 1,
            Holding::Assigned(_) => _ = self.orphaned.remove(&address),
        }
    }

    /// How many addresses the source offers.
    pub(crate) fn offered(&self) -> usize {
        self.programming.len() + self.free.len() + self.cooling.len() + self.returning.len() + self.assigned
    }
}

/// The addresses. Every change goes through here, so that slots and index cannot differ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Table {
    slots: BTreeMap<IpAddr, Slot>,
    index: PerFamily<Index>,
}

impl Table {
    pub(crate) fn get(&self, address: IpAddr) -> Option<&Slot> {
        self.slots.get(&address)
    }

    pub(crate) fn index(&self, family: Family) -> &Index {
        self.index.get(family)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (IpAddr, &Slot)> {
        self.slots.iter().map(|(address, slot)| (*address, slot))
    }

    /// Sets what is known of an address, whether or not it was there.
    pub(crate) fn put(&mut self, address: IpAddr, slot: Slot) {
        let index = self.index.get_mut(Family::of(address));
        if let Some(before) = self.slots.get(&address) {
            index.remove(address, before);
        }
        index.insert(address, &slot);
        self.slots.insert(address, slot);
    }

    /// Changes what is known of an address; nothing where it is unknown.
    pub(crate) fn update(&mut self, address: IpAddr, change: impl FnOnce(&mut Slot)) {
        let index = self.index.get_mut(Family::of(address));
        if let Some(slot) = self.slots.get_mut(&address) {
            index.remove(address, slot);
            change(slot);
            index.insert(address, slot);
        }
    }

    pub(crate) fn remove(&mut self, address: IpAddr) {
        if let Some(slot) = self.slots.remove(&address) {
            self.index.get_mut(Family::of(address)).remove(address, &slot);
        }
    }
}
