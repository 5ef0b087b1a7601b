//! A pod on the node's own network.

use std::net::IpAddr;

use crate::{LinkName, MacAddr};

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
