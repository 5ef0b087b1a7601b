//! Of the server's status ([`crate::path::DEBUG_STATUS`]) what says whether the node has what it needs.
//!
//! podnet-ipamd's own: a CNS has no such page.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// What whoever looks at the whole node asks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Health {
    /// Why an ADD could not be served now; none: it could.
    pub not_ready: Option<String>,
    /// How the table `inet podnet-node` is; none: no rules are asked for.
    pub node_rules: Option<Upkeep>,
    /// How the routes to the pods' subnets are; none: none are asked for.
    pub subnet_routes: Option<Upkeep>,
    /// The routes to other nodes' pods; none: they are not the server's business.
    pub routes: Option<RoutesStatus>,
    /// What the last look at the node found; none: it has not been looked at yet.
    pub reconciliation: Option<Findings>,
}

/// How something is that the server keeps on the node for all pods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Upkeep {
    /// Whether it is as it has to be.
    pub in_force: bool,
    /// Why it is not.
    pub error: Option<String>,
}

impl Upkeep {
    /// As it has to be, or not, and why.
    pub fn of(error: Option<String>) -> Self {
        Self { in_force: error.is_none(), error }
    }
}

/// How the routes to other nodes' pods are, where they are somebody's business.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RoutesStatus {
    /// `routes` of the configuration.
    pub kind: String,
    /// What has to happen before the routes are as they should be.
    pub awaits: Option<String>,
    /// The other nodes that are known.
    pub nodes: usize,
    /// The routes that are there.
    pub routes: usize,
    /// The ranges that get no route, each with its node and the reason.
    pub refused: Vec<String>,
    /// Why what the API server says is not known.
    pub cluster_error: Option<String>,
    /// Why the kernel's routes are not as they should be.
    pub kernel_error: Option<String>,
    /// Why the node's condition cannot be written.
    pub condition_error: Option<String>,
}

impl RoutesStatus {
    /// All that is not as it should be, but for single ranges.
    pub fn problems(&self) -> impl Iterator<Item = &str> {
        let errors = [&self.cluster_error, &self.kernel_error, &self.condition_error];
        errors.into_iter().flatten().map(String::as_str)
    }
}

/// What the server found when it held its pool against the node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Findings {
    /// Since the last look.
    pub age_seconds: u64,
    /// Attachments that show no sign of life, and when they lose their addresses.
    pub missing: Vec<Missing>,
    /// How many attachments never showed any: those of other clients without links or routes here.
    pub unseen: usize,
    /// Addresses that two claim, in words.
    pub conflicts: Vec<String>,
}

/// An attachment without a sign of life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Missing {
    /// The sandbox.
    #[serde(rename = "containerID")]
    pub container: String,
    /// What it has.
    pub addresses: Vec<IpAddr>,
    /// When it loses them, unless it shows a sign.
    pub released_in_seconds: u64,
}
