//! What is kept on the node for all of its pods: the nftables table `inet podnet-node`.
//!
//! ```text
//!  configuration (nodeRules) ─┐
//!  source: subnets, the ──────┼─▶ Table (pure) ──▶ keeper ──▶ nothing, or one transaction of nft
//!  node's own address         │                      ▲
//!  kernel: changes, listing ──┴──────────────────────┘
//! ```
//!
//! Azure's host answers requests for the instance metadata, and to its DNS server, that come from the node's primary
//! address; a pod's own address gets no answer. So the node puts its address in their place, once for all pods and not for
//! each. Both services have an IPv4 address only: there is nothing to be done for IPv6.
//!
//! The table is the daemon's alone, and the daemon changes no other one. It stays when the daemon ends: pods go on.

mod keeper;
mod nft;
mod table;

pub use keeper::keep;
pub use nft::{NodeRulesError, remove_left};
pub use table::{NoNodeAddress, Table};
