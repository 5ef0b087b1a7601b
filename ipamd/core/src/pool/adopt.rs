//! What the kernel and the plugin's records say is held, brought into a pool whose own memory is lost or in doubt.

use std::sync::Arc;
use std::time::Duration;

use super::Pool;
use super::replay::Conflict;
use crate::event::Event;
use crate::holders::Holder;

impl Pool {
    /// Makes an attachment the holder of addresses that it was seen to have. An address that the source has not
    /// offered (yet) counts as orphaned until it is. A claim that is in the pool already changes nothing; one
    /// that contradicts the pool neither: where its holder turns out to be gone, release that and claim again.
    pub fn adopt(&mut self, claim: Holder, now: Duration, events: &mut Vec<Event>) -> Result<(), Conflict> {
        self.tick(now);
        let held = self.holder(claim.attachment.key());
        if held.is_some_and(|held| held.addresses == claim.addresses) {
            return Ok(());
        }
        self.unclaimed(&claim)?;
        let Holder { attachment, addresses } = &claim;
        events.push(Event::Assigned { attachment: Arc::clone(attachment), addresses: *addresses, at: now });
        self.hold(claim, now);
        Ok(())
    }
}
