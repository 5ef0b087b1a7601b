//! A pool from its events.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Pool, Settings};
use crate::attachment::Key;
use crate::block;
use crate::event::Event;
use crate::holders::{Found, Holder};
use crate::slot::Holding;

/// Two attachments claim one address. The earlier one keeps it; the later one is not in the pool.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{claimant} has {address}, which {holder} holds")]
pub struct Conflict {
    /// The address.
    pub address: IpAddr,
    /// Who came first.
    pub holder: Key,
    /// Who came second.
    pub claimant: Key,
}

impl Pool {
    /// The pool that events lead to, and the claims in them that contradict each other: a sound journal has
    /// none.
    pub fn replay(settings: Settings, events: impl IntoIterator<Item = Event>) -> (Self, Vec<Conflict>) {
        let mut pool = Self::new(settings);
        let conflicts = events.into_iter().filter_map(|event| pool.apply(event).err()).collect();
        (pool, conflicts)
    }

    fn apply(&mut self, event: Event) -> Result<(), Conflict> {
        match event {
            Event::Offered { container, block, programmed, at } => {
                for address in block::addresses(&block) {
                    self.take_in(address, &container, programmed, at);
                }
            }
            Event::Withdrawn { block, at } => {
                // Whether an address had cooled down decides whether it went at once.
                self.tick(at);
                for address in block::addresses(&block) {
                    self.let_go(address);
                }
            }
            Event::Used { address, at } => self.table.update(address, |slot| {
                slot.holding = Holding::CoolingDown(at);
                slot.since = at;
            }),
            Event::Assigned { attachment, addresses, at } => {
                let holder = Holder { attachment, addresses };
                self.unclaimed(&holder)?;
                self.hold(holder, at);
            }
            Event::Released { key, at } => _ = self.unhold(&key, at),
            Event::Returned { address, at } => self.give_back(address, at),
            Event::Requested(count) => self.requested = count,
        }
        Ok(())
    }

    /// Whether nobody else holds any of the addresses, and the attachment none.
    pub(super) fn unclaimed(&self, claim: &Holder) -> Result<(), Conflict> {
        let claimant = claim.attachment.key();
        let held_by = |address| self.table.get(address)?.attachment().map(Arc::clone);
        for address in claim.addresses.iter() {
            if let Some(holder) = held_by(address) {
                return Err(Conflict { address, holder: holder.key().clone(), claimant: claimant.clone() });
            }
        }
        match self.holders.find(claimant) {
            Found::One(holder) if holder.attachment.key() == claimant => {
                let address = holder.addresses.iter().next();
                address.map_or(Ok(()), |address| {
                    Err(Conflict { address, holder: claimant.clone(), claimant: claimant.clone() })
                })
            }
            _ => Ok(()),
        }
    }
}
