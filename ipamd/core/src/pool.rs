//! The pool: its settings and what can be read from it. What changes it lies in the files beside: [`supply`]
//! (addresses come and go), [`assign`], [`release`], [`adopt`] (rebuilding), [`resize`] (asking for more and
//! giving back), [`replay`] and [`snapshot`] (the durable form).

mod adopt;
mod assign;
mod release;
mod replay;
mod resize;
mod snapshot;
mod supply;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub use assign::{Assigned, Grant, Refused, Request};
pub use release::Released;
pub use replay::Conflict;
pub use resize::Resized;
pub use supply::{LARGEST_POOL, Offer, SupplyChange, SupplyError};

use crate::attachment::Key;
use crate::family::{Family, PerFamily};
use crate::holders::{Found, Holder, Holders};
use crate::scaling::Scaling;
use crate::slot::{Holding, Slot};
use crate::table::Table;
use crate::tombstones::Tombstones;

/// What an operator may choose. Can be changed at any time ([`Pool::set_settings`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long a released address rests before somebody else gets it.
    pub cool_down: Duration,
    /// When to ask for more addresses and when to give some back.
    pub scaling: Scaling,
    /// For how long there must have been too many before any is given back.
    pub release_delay: Duration,
}

impl Default for Settings {
    /// 30 s of cool-down, nothing asked for or given back, a minute's delay.
    fn default() -> Self {
        Self {
            cool_down: Duration::from_secs(30),
            scaling: Scaling::Fixed,
            release_delay: Duration::from_mins(1),
        }
    }
}

/// How many addresses of one family are in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// In state `PendingProgramming`.
    pub pending_programming: usize,
    /// In state `Available`.
    pub available: usize,
    /// In state `Assigned`, orphaned ones too.
    pub assigned: usize,
    /// In state `CoolingDown`, and offered by the source.
    pub cooling_down: usize,
    /// In state `PendingRelease`.
    pub pending_release: usize,
    /// Assigned although the source does not offer them any more.
    pub orphaned: usize,
}

impl Counts {
    /// All of them.
    pub fn total(&self) -> usize {
        self.pending_programming + self.available + self.assigned + self.cooling_down + self.pending_release
    }
}

/// The node's addresses and their holders.
///
/// Every operation that changes something durable appends the [`Event`](crate::Event)s of it to the list it is
/// given; they have to be written before the outcome is told to anybody. `now` is `CLOCK_BOOTTIME`; a clock that
/// stands still is fine, one that goes backwards only prolongs cool-downs.
#[derive(Debug, Clone)]
pub struct Pool {
    settings: Settings,
    table: Table,
    holders: Holders,
    tombstones: Tombstones,
    requested: u32,
    /// Since when there are too many addresses without pause.
    too_many_since: Option<Duration>,
    cool_downs_skipped: u64,
}

impl Pool {
    /// A pool without addresses.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            table: Table::default(),
            holders: Holders::default(),
            tombstones: Tombstones::default(),
            requested: 0,
            too_many_since: None,
            cool_downs_skipped: 0,
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Replaces the settings; running cool-downs follow the new length.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// What is known of an address; none where it is not in the pool.
    pub fn get(&self, address: IpAddr) -> Option<&Slot> {
        self.table.get(address)
    }

    /// Every address in order, IPv4 first.
    pub fn addresses(&self) -> impl Iterator<Item = (IpAddr, &Slot)> {
        self.table.iter()
    }

    /// Every attachment and what it holds, in no order.
    pub fn holders(&self) -> impl Iterator<Item = &Holder> {
        self.holders.iter()
    }

    /// The attachment that a key means, in whatever client's spelling; none where it is unknown or could be one
    /// of several.
    pub fn holder(&self, key: &Key) -> Option<&Holder> {
        match self.holders.find(key) {
            Found::One(holder) => Some(holder),
            Found::Nobody | Found::Several(_) => None,
        }
    }

    /// How many addresses of a family are in each state. Cool-downs that ended count as running until the next
    /// operation; [`Pool::tick`] is one.
    pub fn counts(&self, family: Family) -> Counts {
        let index = self.table.index(family);
        Counts {
            pending_programming: index.programming.len(),
            available: index.free.len(),
            assigned: index.assigned + index.orphaned.len(),
            cooling_down: index.cooling.len(),
            pending_release: index.returning.len(),
            orphaned: index.orphaned.len(),
        }
    }

    /// Which families the source offers, and so an attachment gets.
    pub fn families(&self) -> PerFamily<bool> {
        let offered = |family| self.table.index(family).offered() > 0;
        PerFamily { v4: offered(Family::V4), v6: offered(Family::V6) }
    }

    /// The addresses that somebody holds although the source does not offer them any more, in order.
    pub fn orphaned(&self) -> impl Iterator<Item = IpAddr> {
        self.each_index(|index| &index.orphaned)
    }

    /// The addresses in state `PendingRelease`, in order.
    pub fn pending_release(&self) -> impl Iterator<Item = IpAddr> {
        self.each_index(|index| &index.returning)
    }

    fn each_index(
        &self,
        set: impl Fn(&crate::table::Index) -> &BTreeSet<IpAddr>,
    ) -> impl Iterator<Item = IpAddr> {
        Family::ALL.into_iter().flat_map(move |family| set(self.table.index(family))).copied()
    }

    /// How many addresses are asked for in total; 0 where the source is not asked.
    pub fn requested(&self) -> u32 {
        self.requested
    }

    /// How often an address was assigned before its cool-down ended, since the pool was made.
    pub fn cool_downs_skipped(&self) -> u64 {
        self.cool_downs_skipped
    }

    /// Whether more addresses of a family are on their way.
    pub fn is_growing(&self, family: Family) -> bool {
        let index = self.table.index(family);
        !index.programming.is_empty() || (self.requested as usize) > index.offered()
    }

    /// Whether an attachment could be made now: every offered family, and at least one, has an address left.
    pub fn can_assign(&self) -> bool {
        let families = self.families();
        let mut offered = Family::ALL.into_iter().filter(|family| *families.get(*family)).peekable();
        offered.peek().is_some()
            && offered.all(|family| {
                let index = self.table.index(family);
                !index.free.is_empty() || !index.cooling.is_empty()
            })
    }

    /// Ends the cool-downs that are over. Every other operation does so itself; this is for the figures' sake.
    pub fn tick(&mut self, now: Duration) {
        let over = |at: Duration| at.saturating_add(self.settings.cool_down) <= now;
        for family in Family::ALL {
            while let Some((at, address)) =
                first(&self.table.index(family).cooling).filter(|(at, _)| over(*at))
            {
                let since = at.saturating_add(self.settings.cool_down);
                self.table.update(address, |slot| {
                    slot.holding = Holding::Available(Some(at));
                    slot.since = since;
                });
            }
            while let Some((_, address)) =
                first(&self.table.index(family).leaving).filter(|(at, _)| over(*at))
            {
                self.table.remove(address);
            }
        }
    }

    /// Makes an attachment the holder of addresses that nobody else holds. One that is not in the pool comes
    /// into it, not offered.
    fn hold(&mut self, holder: Holder, at: Duration) {
        for address in holder.addresses.iter() {
            let holding = Holding::Assigned(Arc::clone(&holder.attachment));
            let (container, offered) = match self.table.get(address) {
                Some(slot) => (Arc::clone(&slot.container), slot.offered),
                None => ("".into(), false),
            };
            self.table.put(address, Slot { container, offered, since: at, holding });
        }
        self.holders.insert(holder);
    }
}

/// The first of an ordered set, as a copy.
fn first<T: Copy + Ord>(set: &BTreeSet<T>) -> Option<T> {
    set.first().copied()
}
