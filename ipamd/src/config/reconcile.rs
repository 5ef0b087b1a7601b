//! The member `reconcile`: how often the pool is held against the node.

use std::time::Duration;

use super::fields::{self, Fields, Problem};

/// How the pool is held against what lives on the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconcile {
    /// `interval`: between two looks at most; a namespace that is gone leads to one at once.
    pub interval: Duration,
    /// `grace`: how long an attachment may show no sign of life.
    pub grace: Duration,
}

impl Default for Reconcile {
    /// A minute each.
    fn default() -> Self {
        Self { interval: Duration::from_mins(1), grace: Duration::from_mins(1) }
    }
}

impl Reconcile {
    pub(super) fn decode(parent: &mut Fields, problems: &mut Vec<Problem>) -> Self {
        let default = Self::default();
        let Some(node) = parent.node("reconcile") else { return default };
        let mut fields = Fields::of("reconcile", node, problems);
        let mut take = |name| fields.take(name, fields::interval, problems);
        let (interval, grace) = (take("interval"), take("grace"));
        fields.finish(problems);
        Self { interval: interval.unwrap_or(default.interval), grace: grace.unwrap_or(default.grace) }
    }
}
