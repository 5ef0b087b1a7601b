//! Addresses for an attachment.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Counts, Pool, first};
use crate::attachment::{Attachment, Key};
use crate::event::Event;
use crate::family::{Addresses, Family};
use crate::holders::{Found, Holder};
use crate::slot::{Holding, State};

/// An attachment asks for addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Who asks.
    pub attachment: Attachment,
    /// Addresses it would rather have, at most one of a family; families without one get any.
    pub desired: Vec<IpAddr>,
    /// When it asked, by `CLOCK_BOOTTIME`, as far as is known: a DEL of the attachment after that wins.
    pub asked: Duration,
}

/// One of the addresses an attachment got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The address.
    pub address: IpAddr,
    /// The network container (or subnet) it belongs to; its prefix length and gateway are the source's to know.
    pub container: Arc<str>,
}

/// An attachment has its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    /// One of each family, IPv4 first.
    pub grants: Vec<Grant>,
    /// Whether it held them before the request.
    pub existing: bool,
    /// How many of them had not cooled down yet.
    pub cool_downs_skipped: usize,
}

/// An attachment gets nothing. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No address of a family is left.
    #[error(
        "no free {family} address among {}: {} assigned, {} cooling down, {} being programmed, {} being given back; {}",
        counts.total(), counts.assigned, counts.cooling_down, counts.pending_programming, counts.pending_release,
        if *growing { "more are on their way" } else { "the pool does not grow" }
    )]
    Exhausted {
        /// The family that ran out.
        family: Family,
        /// Its addresses by state.
        counts: Counts,
        /// Whether more are on their way.
        growing: bool,
    },
    /// The source has not offered any address yet.
    #[error("the pool has no addresses yet")]
    Empty,
    /// The attachment was deleted after the request was made.
    #[error("{key} was deleted while it was being added")]
    Deleted {
        /// The attachment.
        key: Key,
    },
    /// A desired address does not belong to the pool.
    #[error("{address} is not an address of this pool")]
    NotInPool {
        /// The address.
        address: IpAddr,
    },
    /// A desired address is held by another attachment, is on its way back to its source, or is not offered any
    /// more.
    #[error("{address} cannot be assigned: it is {state}{}", holder.as_ref().map(|key| format!(" to {key}")).unwrap_or_default())]
    Unavailable {
        /// The address.
        address: IpAddr,
        /// Its state.
        state: State,
        /// Who holds it.
        holder: Option<Key>,
    },
    /// Two desired addresses are of one family.
    #[error("{address} is the second desired address of its family")]
    OneFamilyTwice {
        /// The second.
        address: IpAddr,
    },
}

impl Refused {
    /// Whether the same request may succeed in a moment without anybody's help.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Exhausted { growing: true, .. } | Self::Empty)
    }
}

impl Pool {
    /// Gives an attachment one address of every family that the source offers, or nothing.
    ///
    /// An attachment that holds addresses keeps them, whatever it desires now. The address that has been unused
    /// longest is taken; one that still cools down only if there is no other.
    pub fn assign(
        &mut self,
        request: Request,
        now: Duration,
        events: &mut Vec<Event>,
    ) -> Result<Assigned, Refused> {
        self.tick(now);
        let key = request.attachment.key();
        if let Found::One(holder) = self.holders.find(key) {
            let addresses = holder.addresses;
            return Ok(Assigned { grants: self.grants(&addresses), existing: true, cool_downs_skipped: 0 });
        }
        if self.tombstones.forbid(key, request.asked) {
            return Err(Refused::Deleted { key: key.clone() });
        }
        let addresses = self.choose(&request.desired)?;
        let skipped = addresses.iter().filter(|address| self.cools_down(*address)).count();
        self.cool_downs_skipped += skipped as u64;

        let holder = Holder { attachment: Arc::new(request.attachment), addresses };
        events.push(Event::Assigned { attachment: Arc::clone(&holder.attachment), addresses, at: now });
        self.hold(holder, now);
        Ok(Assigned { grants: self.grants(&addresses), existing: false, cool_downs_skipped: skipped })
    }

    fn choose(&self, desired: &[IpAddr]) -> Result<Addresses, Refused> {
        let mut addresses = Addresses::default();
        for address in desired {
            self.desirable(*address)?;
            if !addresses.insert(*address) {
                return Err(Refused::OneFamilyTwice { address: *address });
            }
        }
        let families = self.families();
        for family in Family::ALL.into_iter().filter(|family| *families.get(*family)) {
            if addresses.get(family).is_none() {
                addresses.insert(self.longest_unused(family)?);
            }
        }
        if addresses.is_empty() { Err(Refused::Empty) } else { Ok(addresses) }
    }

    /// Whether a desired address may be had. One that is being programmed may: CNS gives it, too.
    fn desirable(&self, address: IpAddr) -> Result<(), Refused> {
        let slot = self.table.get(address).ok_or(Refused::NotInPool { address })?;
        match &slot.holding {
            Holding::PendingProgramming | Holding::Available(_) => Ok(()),
            Holding::CoolingDown(_) if slot.offered => Ok(()),
            Holding::CoolingDown(_) | Holding::Assigned(_) | Holding::PendingRelease => {
                let holder = slot.attachment().map(|attachment| attachment.key().clone());
                Err(Refused::Unavailable { address, state: slot.state(), holder })
            }
        }
    }

    fn longest_unused(&self, family: Family) -> Result<IpAddr, Refused> {
        let index = self.table.index(family);
        let free = first(&index.free).map(|(_, address)| address);
        let cooling = || first(&index.cooling).map(|(_, address)| address);
        free.or_else(cooling).ok_or_else(|| Refused::Exhausted {
            family,
            counts: self.counts(family),
            growing: self.is_growing(family),
        })
    }

    fn cools_down(&self, address: IpAddr) -> bool {
        self.table.get(address).is_some_and(|slot| slot.state() == State::CoolingDown)
    }

    fn grants(&self, addresses: &Addresses) -> Vec<Grant> {
        let grant =
            |address| Some(Grant { address, container: Arc::clone(&self.table.get(address)?.container) });
        addresses.iter().filter_map(grant).collect()
    }
}
