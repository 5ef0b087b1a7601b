//! Attachments that were deleted: an ADD asked for earlier and served later must not bring them back.
//!
//! A runtime that gives an ADD up kills the plugin and calls DEL. The daemon may read the dead plugin's request
//! after that, and would assign an address to nobody. Only the process needs this memory: a request does not
//! outlive the daemon that its connection leads to.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::attachment::Key;

/// How long a request may be under way.
const LIFETIME: Duration = Duration::from_mins(1);

/// How many are remembered; the oldest go first.
const MOST: usize = 4096;

#[derive(Debug, Clone, Default)]
pub(crate) struct Tombstones {
    deleted_at: HashMap<Key, Duration>,
    by_age: VecDeque<(Duration, Key)>,
}

impl Tombstones {
    pub(crate) fn leave(&mut self, key: Key, now: Duration) {
        self.forget_before(now.saturating_sub(LIFETIME));
        if self.by_age.len() >= MOST {
            self.forget_oldest();
        }
        self.deleted_at.insert(key.clone(), now);
        self.by_age.push_back((now, key));
    }

    /// Whether the attachment was deleted after a request for it was made.
    pub(crate) fn forbid(&self, key: &Key, asked: Duration) -> bool {
        let deleted_later = |key: &Key| self.deleted_at.get(key).is_some_and(|deleted| asked < *deleted);
        deleted_later(key) || (!key.is_vague() && deleted_later(&key.vague()))
    }

    fn forget_before(&mut self, time: Duration) {
        while self.by_age.front().is_some_and(|(at, _)| *at < time) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((at, key)) = self.by_age.pop_front() {
            // A later DEL of the same attachment has its own place in the queue.
            if self.deleted_at.get(&key) == Some(&at) {
                self.deleted_at.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
