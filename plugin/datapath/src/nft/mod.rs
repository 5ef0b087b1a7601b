//! nftables over netlink: the rules that belong to pods.
//!
//! ```text
//! rules ──which changes──▶ table, element, expression ──bytes──▶ transaction ──▶ kernel
//!   ├─ masquerade, services, host_ports, reflections, guard, segment: which maps, chains and elements
//! ```
//!
//! - `table` has the messages about a table and its chains, rules, maps and elements; `expression` the
//!   instructions of rules, `key` and `element` what is in maps, `comment` the user data that carries comments.
//!   They are pure, and know nothing of what podnet uses them for.
//! - `transaction` sends them: all take effect together or none does.
//! - `masquerade` (pods that leave with the node's address), `services` (answers of neighbours) and `host_ports` (ports
//!   of the node that lead to a pod), `reflections` (pods that reach themselves), `guard` (what a pod is kept from) and
//!   `segment` (pods on the node's own network) are the uses: pure descriptions. [`PodRules`] brings a pod's part of them about.
//!
//! `duplicates` is about a bridge and no pod, and has a table of the family `bridge`. `reference_masquerade` and
//! `sender_check` are the reference plugins' rules, in their tables.
//!
//! Rules are made once for the node; a pod is elements of maps, whose cost does not grow with the number
//! of pods. An element's comment is its owner's alias, so that the owner's id is enough to find it, and so
//! that `nft list table inet podnet` reads as a list of pods. Only our own tables are ever named in a
//! request.

mod address_map;
pub(crate) mod attribute;
mod chains;
mod comment;
mod duplicates;
mod element;
mod error;
mod expression;
mod finding;
mod guard;
mod host_ports;
mod key;
mod layout;
mod masquerade;
mod message;
mod reading;
pub(crate) mod reference_masquerade;
mod reflections;
mod rules;
mod segment;
pub(crate) mod sender_check;
mod services;
mod table;
#[cfg(test)]
mod tests;
mod transaction;

use ipnet::IpNet;
use nix::errno::Errno;

use crate::netlink::{NetlinkError, Protocol, Socket};

pub use chains::{BaseChain, TableFamily, base_chains};
pub(crate) use duplicates::Duplicates;
pub use error::NftError;
pub use finding::{PortTaken, RuleDifference};
pub(crate) use host_ports::NodePort;
pub(crate) use reading::Seen;
pub use reading::has_foreign_chain;
pub use rules::{PodRules, Uses, owners, remove_all};
pub(crate) use rules::{Removed, remove, see_chains_of_routed, stations};
pub(crate) use segment::UplinkRules;

/// A socket to look for rules by; `None` where the kernel has no netfilter that could hold any.
pub fn open_if_any() -> Result<Option<Socket>, NetlinkError> {
    const UNSUPPORTED: i32 = Errno::EPROTONOSUPPORT as i32;
    match Socket::open(Protocol::Netfilter) {
        Err(NetlinkError::Open { source, .. }) if source.raw_os_error() == Some(UNSUPPORTED) => Ok(None),
        opened => opened.map(Some),
    }
}

/// The name of a pod subnet's chain: `masq-10.244.1.0-24`, `masq-fd00_244__-64`. nft's grammar allows no colon in
/// a name.
fn subnet_chain_name(prefix: &str, subnet: IpNet) -> String {
    let network = subnet.network().to_string().replace(':', "_");
    format!("{prefix}-{network}-{}", subnet.prefix_len())
}
