//! What is kept from a pod.

use crate::{LinkName, MacAddr};

/// What a pod is kept from doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Guard {
    /// Sending from other addresses than its own.
    pub spoofing: bool,
    /// Reaching the ports of 168.63.129.16 that hand out the node's secrets (TCP 80 and 32526).
    pub wireserver: bool,
    /// Reaching the node's instance metadata (169.254.169.254, TCP 80).
    pub imds: bool,
}

/// Where what a pod sends comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Station {
    /// The names that the host's end has or may have.
    pub links: Vec<LinkName>,
    /// Whether the host's end is a port of a bridge.
    pub is_bridged: bool,
    /// The pod's Ethernet address.
    pub mac: MacAddr,
}
