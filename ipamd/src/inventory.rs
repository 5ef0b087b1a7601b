//! What a source says the node may use: networks, and in each of them blocks of addresses.
//!
//! Pure. Every source ends here, so that what is wrong with addresses is found in one place, whoever said them:
//! a range that overlaps another, or that holds the gateway or the node itself, would give a pod somebody else's
//! address.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

mod memory;

pub use memory::Memory;

/// All that a source says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Inventory {
    /// The node itself.
    pub host: Host,
    /// At most one of each family where pods have one address of each; none: nothing may be handed out.
    pub networks: Vec<Network>,
    /// What the network says of its own growth, where it can grow.
    pub scaler: Option<Scaler>,
    /// Whether the addresses are those of an overlay, and not of the VNet that the node is in.
    pub is_overlay: bool,
    /// The names of the addresses that the node was giving back when the network heard of it last.
    pub returned: Vec<String>,
    /// Who says so, as in `NodeNetworkConfig kube-system/n1`; for messages.
    pub origin: String,
    /// Where in that document the networks are, as in `spec.podCIDRs`; empty: it has nothing else.
    pub place: String,
    /// What else is in that document, unknown here and passed over, as in `status.networkContainers[*].zone`.
    pub unknown: Vec<String>,
}

/// The node as the network sees it. On the wire: `HostPrimaryIPInfo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Host {
    /// Its primary address.
    pub address: Option<IpAddr>,
    /// The subnet of that address.
    pub subnet: Option<IpNet>,
    /// That subnet's gateway.
    pub gateway: Option<IpAddr>,
}

impl Host {
    /// The gateway of its subnet. As CNS does, the first address where none is known.
    pub fn next_hop(&self) -> Option<IpAddr> {
        self.gateway.or_else(|| self.subnet.and_then(first_host))
    }
}

/// One subnet whose addresses pods may get. On the wire: a network container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Its name: on the wire, the network container's.
    #[serde(serialize_with = "write_id", deserialize_with = "read_id")]
    pub id: Arc<str>,
    /// The subnet, without host bits.
    pub subnet: IpNet,
    /// The gateway, where the network has one that pods must know.
    pub gateway: Option<IpAddr>,
    /// The addresses, as blocks without host bits; a single address is a block of its full length.
    pub blocks: Vec<Block>,
}

fn write_id<S: Serializer>(id: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(id)
}

fn read_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
    String::deserialize(deserializer).map(Arc::from)
}

/// Some addresses of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// All of them, but for the subnet's own network and broadcast address.
    pub net: IpNet,
    /// What the source calls a single address; none: the address itself.
    pub name: Option<String>,
}

impl Block {
    /// A block without a name of its own.
    pub fn of(net: IpNet) -> Self {
        Self { net, name: None }
    }
}

/// How a network that can grow wants to be asked for more (`NodeNetworkConfig`, `status.scaler`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scaler {
    /// Addresses asked for at a time.
    pub batch: u32,
    /// In per cent of a batch: fewer free ones than this, and more are asked for.
    pub request_percent: u32,
    /// In per cent of a batch: more free ones than this, and some are given back.
    pub release_percent: u32,
    /// The most that the node may have.
    pub max: u32,
    /// The number that was asked for last (`spec.requestedIPCount`).
    pub requested: u32,
}

impl Scaler {
    /// Where [`Self::max`] is said, for messages.
    pub const MAX: &str = "status.scaler.maxIPCount";
}

/// What is wrong with an inventory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InventoryError {
    /// A subnet or block has host bits.
    #[error("{0} has host bits set: the network is {network}", network = .0.trunc())]
    HostBits(IpNet),
    /// The gateway is elsewhere.
    #[error("gateway {gateway} is not in subnet {subnet}")]
    GatewayOutside {
        /// The gateway.
        gateway: IpAddr,
        /// The subnet.
        subnet: IpNet,
    },
    /// A block is elsewhere.
    #[error("range {block} is not in subnet {subnet}")]
    Outside {
        /// The block.
        block: IpNet,
        /// The subnet.
        subnet: IpNet,
    },
    /// Two blocks share addresses.
    #[error("range {block} overlaps range {other}")]
    Overlap {
        /// The later one.
        block: IpNet,
        /// The earlier one.
        other: IpNet,
    },
    /// A block has the gateway's address.
    #[error("range {block} contains the gateway {gateway}")]
    HoldsGateway {
        /// The block.
        block: IpNet,
        /// The gateway.
        gateway: IpAddr,
    },
    /// A block has the node's address.
    #[error("range {block} contains the node's own address {node}")]
    HoldsNode {
        /// The block.
        block: IpNet,
        /// The node's address.
        node: IpAddr,
    },
}

/// A thing that is wrong, and the block it is wrong with: its network's and its own position.
pub type Fault = (Option<(usize, usize)>, InventoryError);

impl Inventory {
    /// Who says what networks there are, and where.
    pub fn whereabouts(&self) -> String {
        let Self { origin, place, .. } = self;
        if place.is_empty() { origin.clone() } else { format!("{origin}: {place}") }
    }

    /// Everything that is wrong.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut seen: Vec<IpNet> = Vec::new();
        for (at, network) in self.networks.iter().enumerate() {
            faults.extend(network.own_fault().map(|error| (None, error)));
            for (index, block) in network.blocks.iter().enumerate() {
                let wrong = self.fault_of(network, block.net);
                faults.extend(wrong.into_iter().map(|error| (Some((at, index)), error)));
            }
            // Sorted, a block that overlaps any other overlaps one next to it: blocks are nested or apart.
            seen.extend(network.blocks.iter().map(|block| block.net));
        }
        if let Some(error) = overlap(seen) {
            let of_error =
                |block: &Block| matches!(error, InventoryError::Overlap { block: it, .. } if it == block.net);
            let networks = self.networks.iter().enumerate();
            let mut places = networks.filter_map(|(at, network)| {
                network.blocks.iter().rposition(of_error).map(|index| (at, index))
            });
            faults.push((places.next_back(), error));
        }
        faults
    }

    /// Itself, if nothing is wrong.
    pub fn checked(self) -> Result<Self, InventoryError> {
        match self.faults().into_iter().next() {
            Some((_, error)) => Err(error),
            None => Ok(self),
        }
    }

    fn fault_of(&self, network: &Network, block: IpNet) -> Option<InventoryError> {
        let gateways = network.gateway.into_iter().chain(self.host.gateway);
        let mut gateways = gateways.filter(|gateway| block.contains(gateway));
        let subnet = network.subnet;
        if block.addr() != block.network() {
            Some(InventoryError::HostBits(block))
        } else if !subnet.contains(&block) {
            Some(InventoryError::Outside { block, subnet })
        } else if let Some(gateway) = gateways.next() {
            Some(InventoryError::HoldsGateway { block, gateway })
        } else {
            let node = self.host.address.filter(|node| block.contains(node));
            node.map(|node| InventoryError::HoldsNode { block, node })
        }
    }
}

impl Network {
    fn own_fault(&self) -> Option<InventoryError> {
        if self.subnet.addr() != self.subnet.network() {
            return Some(InventoryError::HostBits(self.subnet));
        }
        let gateway = self.gateway.filter(|gateway| !self.subnet.contains(gateway))?;
        Some(InventoryError::GatewayOutside { gateway, subnet: self.subnet })
    }
}

fn overlap(mut blocks: Vec<IpNet>) -> Option<InventoryError> {
    let key = |net: &IpNet| (net.network(), net.prefix_len());
    blocks.sort_by_key(key);
    let mut last: Option<IpNet> = None;
    for block in blocks {
        if let Some(other) = last.filter(|other| other.contains(&block)) {
            return Some(InventoryError::Overlap { block, other });
        }
        last = Some(block);
    }
    None
}

/// The first address after the network's own: by custom, a subnet's gateway.
pub fn first_host(net: IpNet) -> Option<IpAddr> {
    match net {
        IpNet::V4(net) if net.prefix_len() < 31 => {
            Some(IpAddr::V4(u32::from(net.network()).checked_add(1)?.into()))
        }
        IpNet::V6(net) if net.prefix_len() < 127 => {
            Some(IpAddr::V6(u128::from(net.network()).checked_add(1)?.into()))
        }
        _ => None,
    }
}

/// A block of one address.
pub fn single(address: IpAddr) -> IpNet {
    IpNet::from(address)
}

/// The addresses of `net` but for one, as the fewest blocks.
pub fn without(net: IpNet, address: IpAddr) -> Vec<IpNet> {
    if !net.contains(&address) {
        return vec![net];
    }
    let mut blocks = Vec::new();
    let mut rest = net;
    while let Some((left, right)) = halves(rest) {
        let (held, free) = if left.contains(&address) { (left, right) } else { (right, left) };
        blocks.push(free);
        rest = held;
    }
    blocks.sort();
    blocks
}

fn halves(net: IpNet) -> Option<(IpNet, IpNet)> {
    let length = net.prefix_len().checked_add(1)?;
    match net {
        IpNet::V4(net) => {
            let upper =
                u32::from(net.network()) | 1_u32.checked_shl(u32::from(32_u8.checked_sub(length)?))?;
            let half = |address| Ipv4Net::new(address, length).ok().map(IpNet::V4);
            Some((half(net.network())?, half(upper.into())?))
        }
        IpNet::V6(net) => {
            let upper =
                u128::from(net.network()) | 1_u128.checked_shl(u32::from(128_u8.checked_sub(length)?))?;
            let half = |address| Ipv6Net::new(address, length).ok().map(IpNet::V6);
            Some((half(net.network())?, half(upper.into())?))
        }
    }
}

#[cfg(test)]
mod tests;
