//! Another node, and what the cloud does for the two: a link between them and a route for each node's pods.

use std::net::IpAddr;
use std::time::Duration;

use crate::failure::Failure;
use crate::netns::{Netns, Place};
use crate::probe;
use crate::subject::{Family, SUBNET_V4, SUBNET_V6};

/// Addresses of the node under test on the link to the other one.
const NODE: (&str, &str) = ("172.31.255.1/24", "fd00:31::1/64");
/// Addresses of the other node on that link.
const OTHER: (&str, &str) = ("172.31.255.2/24", "fd00:31::2/64");
/// A pod on the other node, and that node's pod CIDR.
const OTHER_POD: (&str, &str) = ("10.244.2.7", "fd00:10:244:2::7");
const OTHER_SUBNET: (&str, &str) = ("10.244.2.0/24", "fd00:10:244:2::/64");

/// The other node. Its pod is an address on its loopback link, so that nothing but routing is needed to reach it.
#[derive(Debug)]
pub struct OtherNode {
    netns: Netns,
    family: Family,
}

impl OtherNode {
    /// Makes it and the routes on both sides.
    pub fn create(family: Family) -> Result<Self, Failure> {
        let netns = Netns::create("other-node")?;
        Place::Node.ip(&[
            "link",
            "add",
            "uplink",
            "mtu",
            "1500",
            "type",
            "veth",
            "peer",
            "name",
            "uplink",
            "netns",
            netns.name(),
        ])?;
        let other = Self { netns, family };
        let there = other.place();
        Place::Node.ip(&["link", "set", "uplink", "up"])?;
        there.ip(&["link", "set", "uplink", "up"])?;
        there.ip(&["link", "set", "lo", "up"])?;
        for (address, peer) in family.pick(NODE.0, NODE.1).into_iter().zip(family.pick(OTHER.0, OTHER.1)) {
            // Nobody else is on this link: no waiting for duplicate address detection.
            Place::Node.ip(&["addr", "add", address, "dev", "uplink", "nodad"])?;
            there.ip(&["addr", "add", peer, "dev", "uplink", "nodad"])?;
        }
        let pods = family.pick(OTHER_POD.0, OTHER_POD.1);
        let routes =
            family.pick(OTHER_SUBNET.0, OTHER_SUBNET.1).into_iter().zip(family.pick(OTHER.0, OTHER.1));
        for (pod, (subnet, via)) in pods.into_iter().zip(routes) {
            there.ip(&["addr", "add", pod, "dev", "lo", "nodad"])?;
            Place::Node.ip(&["route", "add", subnet, "via", bare(via)])?;
        }
        for (subnet, via) in family.pick(SUBNET_V4, SUBNET_V6).into_iter().zip(family.pick(NODE.0, NODE.1)) {
            there.ip(&["route", "add", subnet, "via", bare(via)])?;
        }
        // The kernel may take a second and more to act on a new link's carrier; until then packets are lost.
        for address in other.pod_addresses()? {
            probe::reach(Place::Node, there, address, Duration::from_secs(8))?;
        }
        Ok(other)
    }

    /// Where things of this node happen.
    pub fn place(&self) -> Place<'_> {
        Place::from(&self.netns)
    }

    /// Gives it an IPv4 address besides, one of the cloud's, that the node under test reaches by it.
    pub fn serve(&self, address: &str) -> Result<(), Failure> {
        self.place().ip(&["addr", "add", address, "dev", "lo"])?;
        Place::Node.ip(&["route", "add", address, "via", bare(OTHER.0)]).map(drop)
    }

    /// The addresses of its pod.
    pub fn pod_addresses(&self) -> Result<Vec<IpAddr>, Failure> {
        parsed(self.family.pick(OTHER_POD.0, OTHER_POD.1))
    }

    /// The addresses of the node under test on the link between the two: what a masqueraded packet comes from.
    pub fn masquerade_addresses(&self) -> Result<Vec<IpAddr>, Failure> {
        parsed(self.family.pick(bare(NODE.0), bare(NODE.1)))
    }
}

fn bare(cidr: &str) -> &str {
    cidr.split_once('/').map_or(cidr, |(address, _)| address)
}

fn parsed(addresses: Vec<&str>) -> Result<Vec<IpAddr>, Failure> {
    addresses.into_iter().map(|address| Ok(address.parse()?)).collect()
}
