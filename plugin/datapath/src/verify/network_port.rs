//! The bridge that pods are on the node's own network by.

use ipnet::IpNet;

use super::{VerifyError, host::find_bridge};
use crate::{
    LinkName, PodNetwork,
    apply::port_to_network,
    difference::Differences,
    netlink::{Protocol, Socket},
    nft::UplinkRules,
    rtnl::{
        address,
        link::Link,
        neighbour::{self, Neighbour},
    },
};

/// Looks at the bridge, at the link in whose place it is, and at what the node knows of the pod there, and returns the
/// bridge; nothing, where the pod is not on the node's own network.
pub(super) fn bridge(
    socket: &mut Socket,
    wanted: &PodNetwork,
    differences: &mut Differences,
) -> Result<Option<Link>, VerifyError> {
    let Some(port) = wanted.network_port() else { return Ok(None) };
    let bridge = match find_bridge(socket, &port.bridge, differences)? {
        Some(bridge) if bridge.is_bridge() => bridge,
        other => return Ok(other),
    };
    let uplink = port_to_network(socket, &bridge)?;
    match uplink.as_ref().and_then(|uplink| Some((uplink, uplink.name.parse().ok()?))) {
        Some((link, name)) => uplink_of(socket, wanted, &bridge, (link, &name), differences)?,
        None => differences.missing(format!("link to the network among the ports of bridge {}", port.bridge)),
    }
    neighbours(socket, wanted, &bridge, differences)?;
    Ok(Some(bridge))
}

fn uplink_of(
    socket: &mut Socket,
    wanted: &PodNetwork,
    bridge: &Link,
    (uplink, name): (&Link, &LinkName),
    differences: &mut Differences,
) -> Result<(), VerifyError> {
    let object = format!("bridge {}", bridge.name);
    let Some(mac) = uplink.mac else { return Ok(()) };
    if let Some(named) = wanted.network_port().and_then(|port| port.uplink.as_ref()) {
        differences.compare(format!("link to the network of {object}"), named, name);
    }
    if bridge.mac != Some(mac) {
        let found = bridge.mac.map(|mac| mac.to_string()).unwrap_or_default();
        differences.note(format!("Ethernet address of {object}"), mac, found);
    }
    for address in address::list(socket, uplink.index)? {
        differences.note(format!("address {address}"), &bridge.name, format!("on its port {name}"));
    }
    if let Ok(bridge) = bridge.name.parse() {
        let rules = UplinkRules { bridge: &bridge, link: name, mac };
        if !rules.are_there(&mut Socket::open(Protocol::Netfilter)?)? {
            differences.missing(format!("nftables rules that give what leaves by {name} its address"));
        }
    }
    Ok(())
}

fn neighbours(
    socket: &mut Socket,
    wanted: &PodNetwork,
    bridge: &Link,
    differences: &mut Differences,
) -> Result<(), VerifyError> {
    let known = neighbour::list(socket)?;
    for address in wanted.addresses.iter().map(IpNet::addr) {
        let (link, mac) = (bridge.index, Some(wanted.veth.pod_mac));
        if !known.contains(&Neighbour { link, address, mac, is_permanent: true }) {
            differences.missing(format!("permanent neighbour {address} of bridge {}", bridge.name));
        }
    }
    Ok(())
}
