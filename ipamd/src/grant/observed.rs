//! A node and its `NodeNetworkConfig`, as far as a grant depends on them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use podnet_ipam_core::PerFamily;

use super::subnet::Unit;

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its UID.
    pub uid: String,
    /// Its `InternalIP`s.
    pub addresses: PerFamily<Option<IpAddr>>,
}

/// A `NodeNetworkConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// `metadata.resourceVersion`.
    pub version: String,
    /// `metadata.uid`.
    pub uid: String,
    /// The UID of the node that owns it: its controller.
    pub owner: Option<String>,
    /// `metadata.deletionTimestamp` is set.
    pub is_deleting: bool,
    /// `spec.requestedIPCount`.
    pub requested: u32,
    /// `spec.ipsNotInUse`.
    pub not_in_use: BTreeSet<String>,
    /// `status`; where it is malformed, what could be read of it.
    pub granted: Granted,
    /// What is malformed, with its field. Such an object is not changed.
    pub fault: Option<String>,
    /// The object's status is word for word what [`granted`](Self::granted) is written as.
    pub is_current: bool,
}

/// How far a status is from what its node asked for (`status.status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Condition {
    /// Something is awaited.
    #[default]
    Updating,
    /// All is granted.
    Updated,
    /// Not all could be granted.
    Error,
}

/// A status: what its node has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Granted {
    /// `status`.
    pub condition: Condition,
    /// `networkContainers`, which are one.
    pub container: Option<Container>,
}

impl Granted {
    /// All units in it.
    pub fn units(&self) -> impl Iterator<Item = Unit> + '_ {
        self.container.iter().flat_map(Container::units)
    }
}

/// A network container: units of one subnet for each family.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Container {
    /// `id`.
    pub id: String,
    /// `version`: grows with each change.
    pub version: i64,
    /// `nodeIP`.
    pub node_ip: Option<IpAddr>,
    /// `status`: `NCUpdateSubnetFullError` rather than `NCUpdateSuccess`.
    pub is_short: bool,
    /// `primaryIP` and `primaryIPV6`.
    pub primary: BTreeSet<Unit>,
    /// `ipAssignments`, with their names.
    pub assigned: BTreeMap<Unit, String>,
}

impl Container {
    /// All units in it.
    pub fn units(&self) -> impl Iterator<Item = Unit> + '_ {
        self.primary.iter().chain(self.assigned.keys()).copied()
    }

    /// Whether a unit is in it.
    pub fn has(&self, unit: Unit) -> bool {
        self.primary.contains(&unit) || self.assigned.contains_key(&unit)
    }
}
