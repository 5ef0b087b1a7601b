//! One address and the state it is in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::attachment::Attachment;

/// The states of an address.
///
/// ```text
///                 ┌──────────────────────▶ PendingRelease ──▶ gone
///                 │                             ▲
/// PendingProgramming ──▶ Available ─────────────┘
///                           │  ▲
///                           ▼  │
///                       Assigned ──▶ CoolingDown ──▶ Available
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Offered, but the fabric does not deliver to it yet.
    PendingProgramming,
    /// Free.
    Available,
    /// Held by an attachment.
    Assigned,
    /// Free since less than the cool-down: other nodes may still send to its last holder.
    CoolingDown,
    /// To be given back to its source; never assigned again.
    PendingRelease,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PendingProgramming => "PendingProgramming",
            Self::Available => "Available",
            Self::Assigned => "Assigned",
            Self::CoolingDown => "CoolingDown",
            Self::PendingRelease => "PendingRelease",
        })
    }
}

/// A state with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Holding {
    PendingProgramming,
    /// With the time of the last release, if there was one.
    Available(Option<Duration>),
    Assigned(Arc<Attachment>),
    /// With the time of the release.
    CoolingDown(Duration),
    PendingRelease,
}

/// What the pool knows of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    pub(crate) container: Arc<str>,
    pub(crate) offered: bool,
    pub(crate) since: Duration,
    pub(crate) holding: Holding,
}

impl Slot {
    /// The network container (or subnet) it belongs to; empty where no source has named one since the pool
    /// was rebuilt.
    pub fn container(&self) -> &Arc<str> {
        &self.container
    }

    /// Whether the source offers it. One that it does not stays only while somebody holds it or it cools down.
    pub fn is_offered(&self) -> bool {
        self.offered
    }

    /// Since when it is in its state, by `CLOCK_BOOTTIME`.
    pub fn since(&self) -> Duration {
        self.since
    }

    /// Its state.
    pub fn state(&self) -> State {
        match self.holding {
            Holding::PendingProgramming => State::PendingProgramming,
            Holding::Available(_) => State::Available,
            Holding::Assigned(_) => State::Assigned,
            Holding::CoolingDown(_) => State::CoolingDown,
            Holding::PendingRelease => State::PendingRelease,
        }
    }

    /// Who holds it.
    pub fn attachment(&self) -> Option<&Arc<Attachment>> {
        match &self.holding {
            Holding::Assigned(attachment) => Some(attachment),
            _ => None,
        }
    }
}
