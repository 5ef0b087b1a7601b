//! What is wrong, or odd, with a configuration file: the line and the range, and whether the file can be used.

use std::fmt;

use ipnet::IpNet;

use crate::cidr::CidrError;

/// A problem and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The line, from 1; 0: the file as a whole.
    pub line: u64,
    /// What it is.
    pub problem: Problem,
}

/// What can be wrong. Where [`Problem::is_fatal`] says so the file is set aside; else it is a warning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Larger than any `ConfigMap`.
    #[error("the file has more than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// Bytes that are no UTF-8.
    #[error("the file is not UTF-8 after {valid} bytes")]
    NotUtf8 {
        /// Bytes that are.
        valid: usize,
    },
    /// Neither YAML nor JSON.
    #[error("not {language}: {says}")]
    Syntax {
        /// By whose rules the file was read.
        language: &'static str,
        /// The reader's words.
        says: String,
    },
    /// A list or a word at the top level.
    #[error("wanted keys and values, found {found}")]
    NotAMapping {
        /// What was found.
        found: &'static str,
    },
    /// A value of another type than the key's.
    #[error("{key} has to be {wanted}, found {found}")]
    WrongType {
        /// The key.
        key: &'static str,
        /// What it has to be.
        wanted: &'static str,
        /// What was found.
        found: &'static str,
    },
    /// No range.
    #[error(transparent)]
    Cidr(#[from] CidrError),
    /// An item of the list without a value.
    #[error("an item of nonMasqueradeCIDRs is empty (null): remove it or give it a range")]
    NullItem,
    /// An IPv6 range in a run for IPv4 alone.
    #[error(
        "ipv6 is not enabled, but ipv6 cidr {range} provided. Enable ipv6 using --enable-ipv6 agent flag"
    )]
    Ipv6Disabled {
        /// The range.
        range: IpNet,
    },
    /// More ranges than `cidrLimit`.
    #[error(
        "the daemon can only accept up to {limit} CIDRs (excluding link-local), but got {found} CIDRs (excluding link local)"
    )]
    TooMany {
        /// The limit: `cidrLimit`, or upstream's default of 64.
        limit: u64,
        /// How many the file lists.
        found: u64,
    },
    /// The key that matters, mistyped: without it the ranges would be others than were meant.
    #[error("unknown key {key:?}: was nonMasqueradeCIDRs meant? The file has no ranges without it")]
    MistypedRanges {
        /// The key as it is written.
        key: String,
    },
    /// Another unknown key.
    #[error("unknown key {key:?} is ignored{}", meant(*nearest))]
    UnknownKey {
        /// The key as it is written.
        key: String,
        /// The known key that is near to it.
        nearest: Option<&'static str>,
    },
    /// The same key again, in whatever case: the last one holds.
    #[error("key {key:?} is there more than once: the last one holds")]
    RepeatedKey {
        /// The key as it is written.
        key: String,
    },
    /// `[]` or null: everything is masqueraded.
    #[error(
        "nonMasqueradeCIDRs is empty: everything but link-local addresses is masqueraded, pods' included"
    )]
    NoRanges,
    /// The same range again.
    #[error("range {range} is there more than once")]
    Duplicate {
        /// The range.
        range: IpNet,
    },
    /// A range inside another: it changes nothing.
    #[error("range {range} is inside {outer}, which exempts it already")]
    Overlap {
        /// The inner range.
        range: IpNet,
        /// The outer one.
        outer: IpNet,
    },
    /// `0.0.0.0/0` or `::/0`.
    #[error("range {range} is every address: nothing is masqueraded")]
    DefaultRoute {
        /// The range.
        range: IpNet,
    },
    /// Not a duration of Go's.
    #[error("resyncInterval {found} is no duration, as \"60s\": ignored")]
    NoDuration {
        /// What was found.
        found: String,
    },
    /// An interval that would keep the processor busy.
    #[error("resyncInterval is below one second: one second is used")]
    TooShort,
}

impl Problem {
    /// Whether the file cannot be used.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::TooLarge { .. }
            | Self::NotUtf8 { .. }
            | Self::Syntax { .. }
            | Self::NotAMapping { .. }
            | Self::WrongType { .. }
            | Self::Cidr(_)
            | Self::NullItem
            | Self::Ipv6Disabled { .. }
            | Self::TooMany { .. }
            | Self::MistypedRanges { .. } => true,
            Self::UnknownKey { .. }
            | Self::RepeatedKey { .. }
            | Self::NoRanges
            | Self::Duplicate { .. }
            | Self::Overlap { .. }
            | Self::DefaultRoute { .. }
            | Self::NoDuration { .. }
            | Self::TooShort => false,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        write!(f, "{}", self.problem)
    }
}

fn meant(nearest: Option<&'static str>) -> String {
    nearest.map(|name| format!("; was {name} meant?")).unwrap_or_default()
}
