//! The instance metadata service's view of the interfaces: `metadata/instance/network`.
//!
//! The first interface is the primary one and its first address the node's own; pods get the others. Prefix lengths are
//! texts. Of IPv6, the document has no subnet: Azure's are all of 64 bits.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;

use super::id_of;
use crate::inventory::{self, Block, Host, Inventory, Network};

#[derive(Deserialize)]
struct Document {
    interface: Vec<Interface>,
}

#[derive(Deserialize)]
struct Interface {
    #[serde(default)]
    ipv4: Family,
    #[serde(default)]
    ipv6: Family,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Family {
    #[serde(default)]
    ip_address: Vec<Address>,
    #[serde(default)]
    subnet: Vec<Subnet>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Address {
    private_ip_address: IpAddr,
}

#[derive(Deserialize)]
struct Subnet {
    address: IpAddr,
    prefix: String,
}

const IPV6_PREFIX: u8 = 64;

/// Reads the document.
pub(super) fn parse(document: &[u8]) -> Result<Inventory, String> {
    let document: Document = serde_json::from_slice(document).map_err(|error| error.to_string())?;
    let interface = document.interface.first().ok_or("it has no interface")?;
    let mut inventory = Inventory::default();
    let [own, pods @ ..] = interface.ipv4.ip_address.as_slice() else {
        return Err("its first interface has no IPv4 address".to_owned());
    };
    let own = own.private_ip_address;
    for subnet in &interface.ipv4.subnet {
        let length =
            subnet.prefix.parse().ok().ok_or_else(|| format!("{:?} is no prefix length", subnet.prefix))?;
        let net = IpNet::new(subnet.address, length).map_err(|error| error.to_string())?;
        let held = pods.iter().filter(|address| net.contains(&address.private_ip_address));
        let network = network(net, held);
        if net.contains(&own) {
            inventory.host = Host { address: Some(own), subnet: Some(net), gateway: network.gateway };
        }
        inventory.networks.push(network);
    }
    if inventory.host.address.is_none() {
        return Err(format!("none of its subnets has the node's address {own}"));
    }
    let placed: usize = inventory.networks.iter().map(|network| network.blocks.len()).sum();
    if placed != pods.len() {
        return Err(format!("{} of its addresses are in no subnet", pods.len().saturating_sub(placed)));
    }
    if let [own, pods @ ..] = interface.ipv6.ip_address.as_slice() {
        let net = IpNet::new(own.private_ip_address, IPV6_PREFIX).map_err(|error| error.to_string())?;
        inventory.networks.push(network(net.trunc(), pods.iter()));
    }
    Ok(inventory)
}

fn network<'a>(subnet: IpNet, addresses: impl Iterator<Item = &'a Address>) -> Network {
    let block = |address: &Address| Block::of(inventory::single(address.private_ip_address));
    Network {
        id: id_of(subnet),
        subnet,
        gateway: inventory::first_host(subnet),
        blocks: addresses.map(block).collect(),
    }
}

#[cfg(test)]
mod tests;
