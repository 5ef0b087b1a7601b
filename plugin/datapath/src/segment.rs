//! A pod on the node's own network.

use std::net::IpAddr;

use crate::{LinkName, MacAddr};

/// A port of a bridge that the node's link to its network is a port of, too: the pod is on that network itself.
///
/// The bridge has the Ethernet address, the MTU, the addresses and the routes of the node's link. They are moved there once,
/// and stay when the pods go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkPort {
    /// The bridge.
    pub bridge: LinkName,
    /// The node's link to its network; `None`: the one of the default route.
    pub uplink: Option<LinkName>,
    /// Whether the bridge sends a frame back to the pod that it came from, as a pod needs that reaches itself through a
    /// service.
    pub hairpin: bool,
    /// Destinations whose packets go to the node instead, which routes them.
    pub diverted: Vec<IpAddr>,
}

/// A pod that is a station of the network that the node itself is on, by a bridge that the node's link is a port of. To the
/// network it has the node's Ethernet address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The names that the host's end has or may have.
    pub links: Vec<LinkName>,
    /// The pod's Ethernet address.
    pub mac: MacAddr,
    /// The node's Ethernet address on the network, where that is known.
    pub node: Option<MacAddr>,
    /// Destinations whose packets the node takes, to route them itself.
    pub diverted: Vec<IpAddr>,
}
