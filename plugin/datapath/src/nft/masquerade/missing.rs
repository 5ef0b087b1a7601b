//! What verification finds.

use std::{fmt, net::IpAddr};

use super::ruleset::TABLE;

/// Something that masquerading of a pod needs and that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// A chain without its rules, or with others.
    Rules {
        /// The chain's name.
        chain: String,
    },
    /// No element for an address.
    Element {
        /// The pod's address.
        address: IpAddr,
    },
    /// An element for an address that belongs to another owner or is for another subnet.
    OtherElement {
        /// The pod's address.
        address: IpAddr,
        /// The element's comment: its owner's alias.
        comment: String,
        /// The chain that it jumps to, named after its subnet.
        chain: String,
    },
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table inet {}: ", TABLE.name)?;
        match self {
            Self::Rules { chain } => write!(f, "chain {chain} has not the rules that it should have"),
            Self::Element { address } => write!(f, "{address} is not masqueraded"),
            Self::OtherElement { address, comment, chain } => {
                write!(f, "{address} is masqueraded by {chain} for {comment:?}")
            }
        }
    }
}
