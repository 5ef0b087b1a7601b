//! What is known of an address beside who holds it: its subnet, its gateway, what its source calls it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use podnet_ipam_api::{HostIpInfo, INFRA_NIC, IpConfiguration, IpSubnet, PodIpInfo};
use podnet_ipam_core::{Family, Grant, Offer};

use crate::inventory::{Host, Inventory, Network, first_host, without};

/// The networks of the last good inventory, for look-ups.
#[derive(Debug, Clone, Default)]
pub struct Networks {
    /// The node itself.
    pub host: Host,
    /// All of them, in the source's order.
    pub all: Vec<Network>,
    names: HashMap<IpAddr, String>,
}

impl Networks {
    /// The networks of an inventory.
    pub fn of(inventory: &Inventory) -> Self {
        let blocks = inventory.networks.iter().flat_map(|network| &network.blocks);
        let named = blocks.filter_map(|block| Some((block.net.addr(), block.name.clone()?)));
        Self { host: inventory.host, all: inventory.networks.clone(), names: named.collect() }
    }

    /// What the source calls an address; without a name of its own, the address.
    pub fn name(&self, address: IpAddr) -> String {
        self.names.get(&address).cloned().unwrap_or_else(|| address.to_string())
    }

    /// The address that the source calls so.
    pub fn address(&self, name: &str) -> Option<IpAddr> {
        let named = self.names.iter().find(|(_, known)| *known == name).map(|(address, _)| *address);
        named.or_else(|| name.parse().ok())
    }

    /// The network that an address is of: that of its container and family, or the first that has room for it.
    pub fn of_address(&self, container: &str, address: IpAddr) -> Option<&Network> {
        let fits = |network: &&Network| network.subnet.contains(&address);
        let mut own = self.all.iter().filter(|network| &*network.id == container);
        own.find(fits).or_else(|| self.all.iter().find(fits))
    }

    /// An address as clients are told of it. A lost network leaves the address alone, with all of its bits.
    pub fn describe(&self, grant: &Grant) -> PodIpInfo {
        let network = self.of_address(&grant.container, grant.address);
        let of_family = |family| {
            let own = network.filter(|network| family_of(network.subnet) == family);
            own.or_else(|| self.all.iter().find(|network| family_of(network.subnet) == family))
        };
        let (v4, v6) = (of_family(Family::V4), of_family(Family::V6));
        let own_bits = IpNet::from(grant.address).prefix_len();
        let bits = v4.or(v6).map_or(own_bits, |network| network.subnet.prefix_len());
        let gateway = |network: Option<&Network>| network.and_then(|network| network.gateway).map(text);
        PodIpInfo {
            pod_ip_config: IpSubnet { ip_address: text(grant.address), prefix_length: bits },
            network_container_primary_ip_config: IpConfiguration {
                ip_subnet: v4.map(|network| subnet(network.subnet)).unwrap_or_default(),
                ip_subnet_v6: v6.map(|network| subnet(network.subnet)).unwrap_or_default(),
                dns_servers: None,
                gateway_ip_address: gateway(v4).unwrap_or_default(),
                gateway_ipv6_address: gateway(v6).unwrap_or_default(),
            },
            host_primary_ip_info: self.host_info(),
            nic_type: INFRA_NIC.to_owned(),
            ..PodIpInfo::default()
        }
    }

    /// As CNS does, the gateway is the first address of the subnet where none is known.
    fn host_info(&self) -> HostIpInfo {
        let gateway = self.host.gateway.or_else(|| self.host.subnet.and_then(first_host));
        HostIpInfo {
            gateway: gateway.map(text).unwrap_or_default(),
            primary_ip: self.host.address.map(text).unwrap_or_default(),
            subnet: self.host.subnet.map(|subnet| subnet.to_string()).unwrap_or_default(),
        }
    }
}

fn text(address: IpAddr) -> String {
    address.to_string()
}

fn subnet(net: IpNet) -> IpSubnet {
    IpSubnet { ip_address: text(net.addr()), prefix_length: net.prefix_len() }
}

fn family_of(net: IpNet) -> Family {
    Family::of(net.addr())
}

/// The addresses of an inventory that pods may get: all but the subnets' network and broadcast addresses, and of each
/// family no more than `max`.
pub fn offers(inventory: &Inventory, max: Option<u32>) -> Vec<Offer> {
    let limit = max.map_or(u128::MAX, u128::from);
    let mut left = HashMap::from([(Family::V4, limit), (Family::V6, limit)]);
    let mut offers = Vec::new();
    for network in &inventory.networks {
        let left = left.entry(family_of(network.subnet)).or_default();
        for block in network.blocks.iter().flat_map(|block| usable(block.net, network.subnet)) {
            for block in at_most(block, left) {
                offers.push(Offer { container: Arc::clone(&network.id), block, programmed: true });
            }
        }
    }
    offers
}

fn usable(block: IpNet, subnet: IpNet) -> Vec<IpNet> {
    let reserved = match subnet {
        IpNet::V4(net) if net.prefix_len() < 31 => vec![subnet.network(), subnet.broadcast()],
        // The anycast address of the subnet's routers (RFC 4291 section 2.6.1); IPv6 has no broadcast address.
        IpNet::V6(net) if net.prefix_len() < 127 => vec![subnet.network()],
        _ => Vec::new(),
    };
    reserved.into_iter().fold(vec![block], |blocks, address| {
        blocks.into_iter().flat_map(|block| without(block, address)).collect()
    })
}

/// The beginning of a block, and what is left of the limit.
fn at_most(block: IpNet, left: &mut u128) -> Vec<IpNet> {
    let bits = u32::from(block.max_prefix_len().saturating_sub(block.prefix_len()));
    let size = 1_u128.checked_shl(bits).unwrap_or(u128::MAX);
    if size <= *left {
        *left -= size;
        return vec![block];
    }
    if *left == 0 {
        return Vec::new();
    }
    let halves = block.subnets(block.prefix_len().saturating_add(1));
    halves.into_iter().flatten().flat_map(|half| at_most(half, left)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Block;

    fn inventory(subnet: &str, blocks: &[&str]) -> Inventory {
        let blocks = blocks.iter().map(|block| Block::of(block.parse().unwrap())).collect();
        let network = Network { id: "nc".into(), subnet: subnet.parse().unwrap(), gateway: None, blocks };
        Inventory { networks: vec![network], ..Inventory::default() }
    }

    fn count(offers: &[Offer]) -> u32 {
        offers.iter().map(|offer| 1 << (offer.block.max_prefix_len() - offer.block.prefix_len())).sum()
    }

    #[test]
    fn a_subnets_own_and_its_broadcast_address_are_not_offered() {
        let whole = inventory("10.1.0.0/24", &["10.1.0.0/24"]);
        assert_eq!(count(&offers(&whole, None)), 254);
        // A block in the middle of a subnet is all usable, its first and last address too.
        assert_eq!(count(&offers(&inventory("10.1.0.0/16", &["10.1.7.0/24"]), None)), 256);
        assert_eq!(count(&offers(&inventory("fd00::/120", &["fd00::/120"]), None)), 255);
    }

    #[test]
    fn no_more_than_the_maximum_is_offered_and_from_the_beginning() {
        for max in [0, 1, 7, 100, 256, 300] {
            let offers = offers(&inventory("10.1.0.0/16", &["10.1.7.0/24"]), Some(max));
            assert_eq!(count(&offers), max.min(256), "{max}");
            assert!(max == 0 || offers[0].block.addr().to_string() == "10.1.7.0");
        }
    }

    #[test]
    fn an_address_is_described_as_cns_does() {
        let mut inventory = inventory("10.244.0.0/16", &["10.244.2.0/24"]);
        inventory.host.subnet = Some("10.224.0.0/16".parse().unwrap());
        let networks = Networks::of(&inventory);
        let grant = Grant { address: "10.244.2.35".parse().unwrap(), container: "nc".into() };
        let info = networks.describe(&grant);
        assert_eq!(
            (info.pod_ip_config.prefix_length, info.host_primary_ip_info.gateway.as_str()),
            (16, "10.224.0.1")
        );
        assert_eq!(info.network_container_primary_ip_config.ip_subnet.ip_address, "10.244.0.0");
        let lost = Grant { address: "192.0.2.1".parse().unwrap(), container: "gone".into() };
        let info = Networks::default().describe(&lost);
        assert_eq!(
            (info.pod_ip_config.ip_address.as_str(), info.pod_ip_config.prefix_length),
            ("192.0.2.1", 32)
        );
    }
}
