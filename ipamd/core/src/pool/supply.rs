//! What the source offers: addresses come and go.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::Pool;
use crate::block;
use crate::event::Event;
use crate::slot::{Holding, Slot};

/// The most addresses a pool takes: two blocks of 16 bits. A node has some hundred pods.
pub const LARGEST_POOL: usize = 1 << 17;

/// A block (or one address) that the source offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The network container (or subnet) it belongs to.
    pub container: Arc<str>,
    /// Every address of it may be assigned: what must not be is cut out by the source.
    pub block: IpNet,
    /// False while the fabric does not deliver to it yet.
    pub programmed: bool,
}

/// What an offer changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SupplyChange {
    /// So many addresses came.
    pub added: usize,
    /// So many became assignable, having been there before.
    pub programmed: usize,
    /// So many are not offered any more. Those in use stay as long as they are: [`Pool::orphaned`].
    pub withdrawn: usize,
}

/// An offer is not taken. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SupplyError {
    /// More addresses than a pool takes.
    #[error("{block} brings the offered addresses to {offered}, {LARGEST_POOL} at most are taken")]
    TooMany {
        /// The block with which the limit is passed.
        block: IpNet,
        /// How many addresses were offered up to and with it.
        offered: u128,
    },
}

impl Pool {
    /// Takes what the source offers now, all of it: what is not among it is withdrawn. An address in several
    /// offers belongs to the first.
    pub fn supply(
        &mut self,
        offers: &[Offer],
        now: Duration,
        events: &mut Vec<Event>,
    ) -> Result<SupplyChange, SupplyError> {
        within_limit(offers)?;
        self.tick(now);
        let mut change = SupplyChange::default();
        let mut offered = HashSet::new();
        // Changes of one kind go into one event per block, however the source cut it.
        let mut taken: BTreeMap<(Arc<str>, bool), Vec<IpAddr>> = BTreeMap::new();
        for offer in offers {
            for address in block::addresses(&offer.block).filter(|address| offered.insert(*address)) {
                match self.table.get(address) {
                    None => change.added += 1,
                    Some(slot) if slot.holding == Holding::PendingProgramming && offer.programmed => {
                        change.programmed += 1;
                    }
                    Some(slot) if !slot.offered || slot.container != offer.container => {}
                    Some(_) => continue,
                }
                taken.entry((Arc::clone(&offer.container), offer.programmed)).or_default().push(address);
            }
        }
        let gone: Vec<_> = self
            .table
            .iter()
            .filter(|(address, slot)| slot.offered && !offered.contains(address))
            .map(|(address, _)| address)
            .collect();
        change.withdrawn = gone.len();

        for ((container, programmed), addresses) in taken {
            for address in &addresses {
                self.take_in(*address, &container, programmed, now);
            }
            events.extend(block::cover(addresses).into_iter().map(|block| Event::Offered {
                container: Arc::clone(&container),
                block,
                programmed,
                at: now,
            }));
        }
        for address in &gone {
            self.let_go(*address);
        }
        events.extend(block::cover(gone).into_iter().map(|block| Event::Withdrawn { block, at: now }));
        Ok(change)
    }

    /// The source offers an address.
    pub(super) fn take_in(&mut self, address: IpAddr, container: &Arc<str>, programmed: bool, at: Duration) {
        if self.table.get(address).is_none() {
            let holding = if programmed { Holding::Available(None) } else { Holding::PendingProgramming };
            let slot = Slot { container: Arc::clone(container), offered: true, since: at, holding };
            return self.table.put(address, slot);
        }
        self.table.update(address, |slot| {
            slot.container = Arc::clone(container);
            slot.offered = true;
            if programmed && slot.holding == Holding::PendingProgramming {
                slot.holding = Holding::Available(None);
                slot.since = at;
            }
        });
    }

    /// The source offers an address no more. It stays while it is held, and while it cools down: a source that
    /// is wrong for a moment must not shorten that.
    pub(super) fn let_go(&mut self, address: IpAddr) {
        let Some(slot) = self.table.get(address) else { return };
        match slot.holding {
            Holding::Assigned(_) | Holding::CoolingDown(_) => {
                self.table.update(address, |slot| slot.offered = false);
            }
            Holding::PendingProgramming | Holding::Available(_) | Holding::PendingRelease => {
                self.table.remove(address);
            }
        }
    }
}

fn within_limit(offers: &[Offer]) -> Result<(), SupplyError> {
    let mut offered = 0_u128;
    for offer in offers {
        offered = offered.saturating_add(block::size(&offer.block));
        if offered > LARGEST_POOL as u128 {
            return Err(SupplyError::TooMany { block: offer.block, offered });
        }
    }
    Ok(())
}
