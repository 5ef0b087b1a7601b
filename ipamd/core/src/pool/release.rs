//! An attachment gives its addresses up.

use std::sync::Arc;
use std::time::Duration;

use super::Pool;
use crate::attachment::Key;
use crate::event::Event;
use crate::holders::{Found, Holder};
use crate::slot::Holding;

/// What a release did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Released {
    /// The attachment held these until now.
    Freed(Holder),
    /// Nobody of that key holds anything.
    Unknown,
    /// The key names no interface, and the container has several: nothing was freed, since either may live.
    Ambiguous {
        /// How many.
        attachments: usize,
    },
}

impl Pool {
    /// Frees what an attachment holds, and only that. A request for the same attachment that was made before
    /// now is refused from here on, for a minute.
    pub fn release(&mut self, key: &Key, now: Duration, events: &mut Vec<Event>) -> Released {
        self.tick(now);
        self.tombstones.leave(key.clone(), now);
        let exact = match self.holders.find(key) {
            Found::Nobody => return Released::Unknown,
            Found::Several(attachments) => return Released::Ambiguous { attachments },
            Found::One(holder) => Arc::clone(&holder.attachment),
        };
        let Some(holder) = self.unhold(exact.key(), now) else { return Released::Unknown };
        events.push(Event::Released { key: exact.key().clone(), at: now });
        Released::Freed(holder)
    }

    /// Takes an attachment's addresses back; they begin to cool down.
    pub(super) fn unhold(&mut self, key: &Key, at: Duration) -> Option<Holder> {
        let holder = self.holders.remove(key)?;
        for address in holder.addresses.iter() {
            self.table.update(address, |slot| {
                slot.holding = Holding::CoolingDown(at);
                slot.since = at;
            });
        }
        // Without a cool-down they are free at once.
        self.tick(at);
        Some(holder)
    }
}
