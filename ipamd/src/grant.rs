//! `podnet-ipamd grant`: gives addresses or blocks of configured subnets to nodes, through their `NodeNetworkConfig`s. The open
//! counterpart of the control plane that Azure runs for its clusters.
//!
//! ```text
//!  Nodes, NodeNetworkConfigs ──watch──▶ ┌───────┐ ──plan──▶ Round ──leader──▶ pages, then statuses
//!  ledger (ConfigMaps) ────────────────▶│ State │                               │
//!                                       └───────┘ ◀──────how each write ended───┘
//! ```
//!
//! **No unit is two nodes' at once**, whoever leads, dies or comes too late, because of the order of writes, each of which is
//! refused by the API server unless its object is still in the version that was seen:
//!
//! 1. A unit goes into a node's status only after the ledger has been seen, or made, to say that it is that node's; and the
//!    status is replaced in a version that was read *before* the ledger.
//! 2. A unit is struck out of the ledger only after it was marked there as returning, and then either the node's status was
//!    written without it, or its object was seen to be gone.
//!
//! So if a late controller still wants to write a status with a unit that was struck out: it saw the ledger before the mark,
//! and the status before that; but the status was written after the mark, and its write is refused. [`lease`] only keeps
//! controllers out of each other's way.
//!
//! [`state`], [`round`], [`decide`] and what they use are pure; `tests/model.rs` runs two of them against each other and
//! stops them between any two requests.

pub mod allocator;
pub mod decide;
pub mod election;
pub mod figures;
pub mod leader;
pub mod lease;
pub mod ledger;
pub mod name;
pub mod object;
pub mod observed;
pub mod requests;
pub mod round;
pub mod service;
pub mod settings;
pub mod state;
pub mod status;
pub mod subnet;

#[cfg(test)]
mod tests;
