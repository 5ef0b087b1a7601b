//! The nodes of the cluster, reduced to what routes need: some hundred bytes a node instead of the object's ten thousand.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

/// A node, as far as routes to its pods go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Peer {
    /// `spec.podCIDRs`: where its pods are.
    pub cidrs: Box<[IpNet]>,
    /// Its addresses of type `InternalIP`, in the object's order.
    pub addresses: Box<[IpAddr]>,
}

/// All nodes by name, this one included.
pub type Cluster = BTreeMap<Box<str>, Peer>;
