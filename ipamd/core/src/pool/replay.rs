//! A pool from its events.

use std::net::IpAddr;

use super::{Pool, Settings};
use crate::attachment::Key;
use crate::block;
use crate::event::Event;
use crate::holders::{Found, Holder};
use crate::slot::{Holding, Slot};

/// A claim that contradicts an earlier one, which stays. The later one is not in the pool.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// Two attachments, one address.
    #[error("{claimant} has {address}, which {holder} holds")]
    TwoOwners {
        /// The address.
        address: IpAddr,
        /// Who came first.
        holder: Key,
        /// Who came second.
        claimant: Key,
    },
    /// One attachment twice, with different addresses.
    #[error("{claimant} has other addresses than those it holds")]
    TwoClaims {
        /// Who.
        claimant: Key,
    },
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
            // What had cooled down by then had gone, or goes.
            Event::Offered { container, block, programmed, at } => {
                self.tick(at);
                for address in block::addresses(&block) {
                    self.take_in(address, &container, programmed, at);
                }
            }
            Event::Withdrawn { block, at } => {
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
        for address in claim.addresses.iter() {
            if let Some(attachment) = self.table.get(address).and_then(Slot::attachment) {
                let holder = attachment.key().clone();
                return Err(Conflict::TwoOwners { address, holder, claimant: claimant.clone() });
            }
        }
        match self.holders.find(claimant) {
            Found::One(holder) if holder.attachment.key() == claimant => {
                Err(Conflict::TwoClaims { claimant: claimant.clone() })
            }
            _ => Ok(()),
        }
    }
}
