//! What a journal on disk is worth, state by state.

use std::fmt;

use podnet_ipam_core::Event;

use crate::boot::BootId;
use crate::format::{self, Next};

/// What was found, and the events that can be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// In the order in which they happened.
    pub events: Vec<Event>,
    /// What they are worth.
    pub verdict: Verdict,
}

/// What a journal on disk is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// There is none.
    Missing,
    /// All of it is good.
    Intact,
    /// The last write was cut off, and so not answered to anybody; the rest is good.
    Torn {
        /// How many bytes of it there are.
        bytes: usize,
    },
    /// It is of another boot. Those pods are gone.
    OtherBoot,
    /// It cannot be read, or only up to some point. The first snapshot sets it aside.
    Unreadable(Damage),
}

/// Why a journal cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// It has no bytes.
    Empty,
    /// It does not begin like a journal.
    Header,
    /// It is of a version that is not known here: of a later podnet.
    Version {
        /// Which.
        version: u32,
    },
    /// It ends inside its snapshot, which was complete when the file got its name.
    CutOff,
    /// A record's checksum is wrong, or the record says nothing known.
    Record {
        /// Where in the file it begins, in bytes.
        offset: usize,
    },
    /// It is larger than any journal.
    TooLarge,
    /// It is not a regular file of ours.
    Foreign,
    /// Its records contradict each other: two owners of one address. Found by the pool that replays them.
    Contradictory,
}

impl Recovery {
    /// Whether attachments may exist that the events do not know, or the other way round. The kernel and the
    /// plugin's records have to be asked before anything is assigned.
    pub fn needs_rebuild(&self) -> bool {
        matches!(self.verdict, Verdict::Missing | Verdict::Unreadable(_))
    }

    pub(crate) fn nothing(verdict: Verdict) -> Self {
        Self { events: Vec::new(), verdict }
    }

    /// Reads a journal.
    pub(crate) fn read(bytes: &[u8], boot: BootId) -> Self {
        if bytes.is_empty() {
            return Self::nothing(Verdict::Unreadable(Damage::Empty));
        }
        let header = match format::parse_header(bytes) {
            Ok(header) => header,
            Err(damage) => return Self::nothing(Verdict::Unreadable(damage)),
        };
        if header.boot != boot {
            return Self::nothing(Verdict::OtherBoot);
        }
        let mut events = Vec::new();
        let mut rest = bytes.get(header.length..).unwrap_or_default();
        let verdict = loop {
            let offset = bytes.len() - rest.len();
            match format::next_record(rest) {
                Next::Event(event, after) => {
                    events.push(event);
                    rest = after;
                }
                Next::Damaged => break Verdict::Unreadable(Damage::Record { offset }),
                Next::End | Next::Torn if (bytes.len() as u64) < header.shortest => {
                    break Verdict::Unreadable(Damage::CutOff);
                }
                Next::End => break Verdict::Intact,
                Next::Torn => break Verdict::Torn { bytes: rest.len() },
            }
        };
        Self { events, verdict }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is none"),
            Self::Intact => f.write_str("it is intact"),
            Self::Torn { bytes } => write!(f, "its last write was cut off after {bytes} bytes"),
            Self::OtherBoot => f.write_str("it is of another boot"),
            Self::Unreadable(damage) => damage.fmt(f),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::Header => f.write_str("its header is not that of a journal"),
            Self::Version { version } => {
                write!(f, "it has format version {version}, which is not known here")
            }
            Self::CutOff => f.write_str("it ends inside its snapshot"),
            Self::Record { offset } => write!(f, "the record at byte {offset} is damaged"),
            Self::TooLarge => f.write_str("it is larger than any journal"),
            Self::Foreign => f.write_str("it is not a regular file of ours"),
            Self::Contradictory => f.write_str("it gives one address to two attachments"),
        }
    }
}
