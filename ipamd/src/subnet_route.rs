//! Routes of the node to the pods' subnets, by the gateway of the node's own subnet (`nodeRules.subnetRoute`).
//!
//! ```text
//!  source: subnets, the node's gateway ─┐
//!  kernel: the main table ──────────────┼─▶ Change (pure) ──▶ record ──▶ kernel
//!  record: the routes that are ours ────┘
//! ```
//!
//! Azure CNI makes such a route where pods have a subnet of their own in the VNet: the node's default route may lead
//! elsewhere, to a firewall, and pods of other nodes are in the VNet. The route is Azure's to the letter, `proto static` as
//! an administrator's would be; what tells ours from theirs is a record in the state directory, which is written before
//! the kernel is changed. A route that was there before is used and stays.

mod keeper;
mod plan;
mod record;

pub use keeper::{keep, remove};
pub use plan::{Change, NoRoute, wanted};

use podnet_datapath::netlink::NetlinkError;

/// Why the routes are not as they have to be.
#[derive(Debug, thiserror::Error)]
pub enum SubnetRouteError {
    /// Where a subnet is cannot be told.
    #[error(transparent)]
    NoRoute(#[from] NoRoute),
    /// The kernel refused.
    #[error("cannot {doing} the routes to the pods' subnets")]
    Kernel {
        /// What was being done, as a verb.
        doing: &'static str,
        /// The kernel's words.
        source: NetlinkError,
    },
    /// The record of our routes cannot be read or written.
    #[error("cannot {doing} {}", path.display())]
    Record {
        /// What was being done, as a verb.
        doing: &'static str,
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The thread that asked the kernel did not finish.
    #[error("the routes were given up")]
    Interrupted(#[source] tokio::task::JoinError),
}
