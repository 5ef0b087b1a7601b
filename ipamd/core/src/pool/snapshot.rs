//! The pool as the fewest events that lead to it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Pool;
use crate::block;
use crate::event::Event;
use crate::slot::{Holding, Slot};

impl Pool {
    /// Events that lead to this pool from an empty one, in the order in which they have to be replayed.
    /// Tombstones are not among them: they do not outlive the process.
    pub fn snapshot(&self) -> Vec<Event> {
        let mut events = self.offered_blocks();
        for (address, slot) in self.table.iter() {
            match slot.holding {
                Holding::Available(Some(at)) | Holding::CoolingDown(at) => {
                    events.push(Event::Used { address, at });
                }
                Holding::PendingRelease => events.push(Event::Returned { address, at: slot.since }),
                Holding::PendingProgramming | Holding::Available(None) | Holding::Assigned(_) => {}
            }
        }
        for holder in self.holders.iter() {
            let since = |address| self.table.get(address).map(Slot::since);
            events.push(Event::Assigned {
                attachment: Arc::clone(&holder.attachment),
                addresses: holder.addresses,
                at: holder.addresses.iter().find_map(since).unwrap_or_default(),
            });
        }
        let withdrawn = self.table.iter().filter(|(_, slot)| !slot.offered).map(|(address, _)| address);
        let blocks = block::cover(withdrawn);
        events.extend(blocks.into_iter().map(|block| Event::Withdrawn { block, at: Duration::ZERO }));
        events.push(Event::Requested(self.requested));
        events
    }

    fn offered_blocks(&self) -> Vec<Event> {
        let mut alike: BTreeMap<(&Arc<str>, bool, Duration), Vec<IpAddr>> = BTreeMap::new();
        for (address, slot) in self.table.iter() {
            // Since when a free address is offered matters only while nothing else happened to it.
            let (programmed, at) = match slot.holding {
                Holding::PendingProgramming => (false, slot.since),
                Holding::Available(None) => (true, slot.since),
                _ => (true, Duration::ZERO),
            };
            alike.entry((&slot.container, programmed, at)).or_default().push(address);
        }
        let mut events = Vec::new();
        for ((container, programmed, at), addresses) in alike {
            events.extend(block::cover(addresses).into_iter().map(|block| Event::Offered {
                container: Arc::clone(container),
                block,
                programmed,
                at,
            }));
        }
        events
    }
}
