//! When attachments last asked for their addresses: whoever asks is not gone, whatever the node shows.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use podnet_ipam_core::{Holder, Key};

use super::Actor;
use crate::reconcile::{Assignment, Ledger};

/// When an attachment asked again for what it had already. Where it never did, the assignment was its last question.
#[derive(Debug, Default)]
pub(super) struct Asked(HashMap<Key, Duration>);

impl Asked {
    pub(super) fn note(&mut self, key: Key, at: Duration) {
        self.0.insert(key, at);
    }
}

impl Actor {
    /// Who has what, and which of these addresses the pool knows.
    pub fn ledger(&self, seen: &[IpAddr]) -> Ledger {
        let assignment =
            |holder: &Holder| Some(Assignment { asked: self.asked_by(holder)?, holder: holder.clone() });
        let known: HashSet<IpAddr> =
            seen.iter().copied().filter(|seen| self.pool.get(*seen).is_some()).collect();
        Ledger { assignments: self.pool.holders().filter_map(assignment).collect(), known }
    }

    /// When an attachment last asked for what it holds; none where it holds nothing.
    pub(super) fn last_asked(&self, key: &Key) -> Option<Duration> {
        self.asked_by(self.pool.holder(key)?)
    }

    fn asked_by(&self, holder: &Holder) -> Option<Duration> {
        let assigned = self.pool.get(holder.addresses.iter().next()?)?.since();
        let again = self.asked.0.get(holder.attachment.key()).copied().unwrap_or_default();
        Some(assigned.max(again))
    }

    /// Forgets those that hold nothing any more.
    pub(super) fn forget_askers(&mut self) {
        self.asked.0.retain(|key, _| self.pool.holder(key).is_some());
    }
}
