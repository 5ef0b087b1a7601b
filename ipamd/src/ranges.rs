//! Whether the ranges around the pods stay clear of each other: pods, services, the VNet, the node's own subnets.
//!
//! ```text
//!  configuration: services, VNet ─┐
//!  source: the pods' subnets ─────┼──▶ nothing, or the first two ranges that share addresses
//!  kernel: the node's addresses ──┘
//! ```
//!
//! Pure, but for [`of_node`]. What is an overlap depends on whose addresses the pods have:
//!
//! | | services | VNet | subnets of the node's links | the node's own addresses |
//! |---|---|---|---|---|
//! | pods of the VNet | never | the pods' subnet is inside | may be the same subnet | not in what pods get |
//! | pods of an overlay | never | never | never | not in what pods get |
//! | services | | never | never | |
//!
//! A link that has the pods' gateway is the pods' own bridge. A subnet of one address is none: service proxies and DNS
//! caches put such addresses on links of their own.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use podnet_daemon_kit::Chain;
use podnet_datapath::LinkAddress;

use crate::inventory::Inventory;

/// Ranges that the configuration names (`ranges`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ranges {
    /// `service`: the cluster's service ranges.
    pub service: Vec<IpNet>,
    /// `vnet`: the address space of the VNet.
    pub vnet: Vec<IpNet>,
}

/// One side of an overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Range {
    /// The pods'.
    Pods(IpNet),
    /// A service range.
    Service(IpNet),
    /// A range of the VNet.
    Vnet(IpNet),
    /// The subnet of the node's primary address, as the source names it.
    Node(IpNet),
    /// The subnet of an address of the node.
    Link(IpNet, String),
}

/// Ranges that share addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// Two ranges.
    #[error("{first} overlaps {second}")]
    Overlap {
        /// The one.
        first: Range,
        /// The other.
        second: Range,
    },
    /// An address of the node is among those that pods get.
    #[error("{pods} contains {address}, the node's own address on link {link}")]
    HoldsNode {
        /// What pods get.
        pods: Range,
        /// The address.
        address: IpAddr,
        /// The link that has it.
        link: String,
    },
}

impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pods(net) => write!(formatter, "pod range {net}"),
            Self::Service(net) => write!(formatter, "service range {net}"),
            Self::Vnet(net) => write!(formatter, "VNet range {net}"),
            Self::Node(net) => write!(formatter, "the node's subnet {net}"),
            Self::Link(net, link) => write!(formatter, "subnet {net} of the node's link {link}"),
        }
    }
}

impl Range {
    fn net(&self) -> IpNet {
        match self {
            Self::Pods(net) | Self::Service(net) | Self::Vnet(net) | Self::Node(net) | Self::Link(net, _) => {
                *net
            }
        }
    }

    fn overlaps(&self, other: &Self) -> bool {
        let (one, other) = (self.net(), other.net());
        one.contains(&other) || other.contains(&one)
    }
}

impl Ranges {
    /// What is wrong between the ranges of the configuration and the node's links, whoever the pods are.
    pub fn check_node(&self, node: &[LinkAddress]) -> Result<(), RangeError> {
        let others = self.vnet().chain(link_subnets(node));
        apart(self.service(), others)
    }

    /// What is wrong with the pods' ranges.
    pub fn check_pods(&self, inventory: &Inventory, node: &[LinkAddress]) -> Result<(), RangeError> {
        apart(pods(inventory), self.service())?;
        apart(inventory.host.subnet.map(Range::Node), self.service())?;
        for pods in pods(inventory) {
            let net = pods.net();
            let is_in_vnet = self.vnet.iter().any(|vnet| vnet.contains(&net));
            if inventory.is_overlay || !is_in_vnet {
                apart([pods.clone()], self.vnet())?;
            }
            if inventory.is_overlay {
                apart([pods.clone()], inventory.host.subnet.map(Range::Node))?;
                let gateways: Vec<IpAddr> =
                    inventory.networks.iter().filter_map(|network| network.gateway).collect();
                let foreign = node.iter().filter(|own| !gateways.contains(&own.address.addr()));
                apart([pods], foreign.filter_map(link_subnet))?;
            }
        }
        let blocks = || inventory.networks.iter().flat_map(|network| &network.blocks);
        let holds = |own: &LinkAddress| {
            let address = own.address.addr();
            let block = blocks().find(|block| block.net.contains(&address))?;
            Some(RangeError::HoldsNode { pods: Range::Pods(block.net), address, link: own.link.clone() })
        };
        node.iter().find_map(holds).map_or(Ok(()), Err)
    }

    fn service(&self) -> impl Iterator<Item = Range> + Clone + '_ {
        self.service.iter().copied().map(Range::Service)
    }

    fn vnet(&self) -> impl Iterator<Item = Range> + Clone + '_ {
        self.vnet.iter().copied().map(Range::Vnet)
    }
}

/// The addresses of the node's links as they are now. Where the kernel does not tell them, nothing can overlap them.
pub fn of_node() -> Vec<LinkAddress> {
    podnet_datapath::addresses().unwrap_or_else(|error| {
        tracing::warn!(error = %Chain(&error), "overlaps with the node's own addresses cannot be seen");
        Vec::new()
    })
}

fn pods(inventory: &Inventory) -> impl Iterator<Item = Range> + '_ {
    inventory.networks.iter().map(|network| Range::Pods(network.subnet))
}

fn link_subnets(node: &[LinkAddress]) -> impl Iterator<Item = Range> + Clone + '_ {
    node.iter().filter_map(link_subnet)
}

fn link_subnet(own: &LinkAddress) -> Option<Range> {
    let is_subnet = own.address.prefix_len() < own.address.max_prefix_len();
    is_subnet.then(|| Range::Link(own.address.trunc(), own.link.clone()))
}

/// The first of some ranges that shares addresses with one of others.
fn apart(
    ranges: impl IntoIterator<Item = Range>,
    others: impl IntoIterator<Item = Range, IntoIter: Clone>,
) -> Result<(), RangeError> {
    let others = others.into_iter();
    for first in ranges {
        if let Some(second) = others.clone().find(|other| first.overlaps(other)) {
            return Err(RangeError::Overlap { first, second });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
