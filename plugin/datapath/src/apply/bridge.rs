//! The bridge: made where it is missing, checked where it exists, never reset.
//!
//! Many processes may do this at once on a fresh node. A bridge that is up is complete: it gets its MTU and
//! addresses while it is down. Whoever finds it down completes it, whether its creator is still at work or was
//! killed; every step is the same for all, so that it does not matter who is first.

use ipnet::IpNet;
use nix::errno::Errno;

use super::{ApplyError, ETHERNET_MTU, Undo, tolerate, uplink, vlan};
use crate::{
    Bridge, LinkName, MacAddr, OtherGateways, Promiscuity,
    netlink::{Protocol, Socket},
    nft::Duplicates,
    patience::wait_until,
    rtnl::{
        address, change,
        link::{self, Link},
        route,
    },
    sysctl,
};

/// The bridge as it is, and the link that has its addresses where it has not.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) link: Link,
    pub(super) gateway_link: Option<(LinkName, MacAddr)>,
}

/// Makes or checks the bridge and returns it as it is.
pub(super) fn ensure(host: &mut Socket, wanted: &Bridge, undo: &mut Undo) -> Result<Made, ApplyError> {
    let mut bridge = match link::by_name(host, &wanted.name)? {
        Some(bridge) => bridge,
        None => create(host, &wanted.name, wanted.mac, wanted.filters_vlans, undo)?,
    };
    let is_unfinished = is_unfinished(&bridge, wanted);
    if is_unfinished {
        bridge.mtu = match wanted.mtu {
            Some(mtu) => mtu,
            None => uplink::look(host, None)?.map_or(ETHERNET_MTU, |link| link.mtu),
        };
    }
    refuse_other_settings(&bridge, wanted)?;
    if is_unfinished && wanted.gateways.iter().any(|gateway| gateway.addr().is_ipv6()) {
        // The gateway's address is ours alone, and a router takes no routes from others.
        sysctl::ensure(&format!("ipv6/conf/{}/accept_dad", wanted.name), "0")?;
        sysctl::ensure(&format!("ipv6/conf/{}/accept_ra", wanted.name), "0")?;
    }
    let vlan_link = match &wanted.gateway_link {
        Some(link) => Some((link, vlan::ensure_link(host, &bridge, link, undo)?)),
        None => None,
    };
    let (name, index) = match &vlan_link {
        Some((wanted, link)) => (&wanted.name, link.index),
        None => (&wanted.name, bridge.index),
    };
    set_gateways(host, wanted, (name, index), undo)?;
    if !bridge.is_up {
        let mtu = is_unfinished.then_some(bridge.mtu);
        host.execute(&change::raise_bridge(&wanted.name, bridge.index, mtu))?;
    }
    for gateway in &wanted.gateways {
        route::wait_until_local(host, gateway.addr())?;
    }
    if wanted.promiscuity != Promiscuity::Off {
        make_promiscuous(host, wanted, &bridge)?;
    } else if bridge.is_promiscuous {
        leave_promiscuity(host, wanted, &bridge)?;
    }
    let gateway_link = vlan_link.and_then(|(wanted, link)| Some((wanted.name.clone(), link.mac?)));
    Ok(Made { link: bridge, gateway_link })
}

/// The rules come first, so that no duplicate slips through. Never undone: other pods need it too.
fn make_promiscuous(host: &mut Socket, wanted: &Bridge, bridge: &Link) -> Result<(), ApplyError> {
    if wanted.promiscuity == Promiscuity::Deduplicated {
        let duplicates = Duplicates {
            bridge: &wanted.name,
            mac: bridge.mac.unwrap_or(wanted.mac),
            gateways: &wanted.gateways,
        };
        duplicates.drop_all(&mut Socket::open(Protocol::Netfilter)?)?;
    }
    if !bridge.is_promiscuous {
        host.execute(&change::make_promiscuous(&wanted.name, bridge.index))?;
    }
    Ok(())
}

/// Takes back what an ADD of another configuration made promiscuous; whoever else did so has no rules of ours. Never
/// undone: the next ADD asks for it again.
fn leave_promiscuity(host: &mut Socket, wanted: &Bridge, bridge: &Link) -> Result<(), ApplyError> {
    let Ok(mut netfilter) = Socket::open(Protocol::Netfilter) else { return Ok(()) };
    if Duplicates::are_seen_at(&wanted.name, &mut netfilter)? {
        // In this order, so that no duplicate slips through.
        host.execute(&change::end_promiscuity(&wanted.name, bridge.index))?;
        Duplicates::forget(&wanted.name, &mut netfilter)?;
    }
    Ok(())
}

/// Waits until the bridge sends what the host has for its pods.
///
/// A bridge without ports has no carrier, and one whose first port comes gets it; until a worker of the kernel, which
/// others may keep waiting for a second, acts on that, it drops what the host sends. Asking makes the kernel act (Linux 6.8 and
/// later).
pub(super) fn wait_until_running(host: &mut Socket, bridge: u32) -> Result<(), ApplyError> {
    Ok(wait_until("the bridge does not send", || {
        Ok(link::by_index(host, bridge)?.is_none_or(|bridge| bridge.is_running))
    })?)
}

/// Whether [`apply`](crate::apply) would take the bridge as it is or make it; changes nothing.
pub fn check_bridge(wanted: &Bridge) -> Result<(), ApplyError> {
    let mut host = Socket::open(Protocol::Route)?;
    let bridge = link::by_name(&mut host, &wanted.name)?;
    if let Some(bridge) = bridge.as_ref().filter(|bridge| !is_unfinished(bridge, wanted)) {
        refuse_other_settings(bridge, wanted)?;
    }
    let holder = match &wanted.gateway_link {
        Some(link) => link::by_name(&mut host, &link.name)?,
        None => bridge,
    };
    let present = match &holder {
        Some(holder) => address::list(&mut host, holder.index)?,
        None => Vec::new(),
    };
    wanted.gateways.iter().filter(|gateway| !present.contains(gateway)).try_for_each(|gateway| {
        refuse_conflict(&present, wanted, *gateway)?;
        refuse_taken_subnet(&mut host, wanted, *gateway)
    })
}

/// Refuses a pod subnet that another link's subnet begins in: the node would look for that link's neighbours at the
/// bridge. A single address has no neighbours. To be asked when the gateway's address is new: later it costs every pod time and changes nothing.
fn refuse_taken_subnet(host: &mut Socket, wanted: &Bridge, gateway: IpNet) -> Result<(), ApplyError> {
    let subnet = gateway.trunc();
    // Every link has an address of fe80::/10.
    if !wanted.owns_subnets || is_link_local(subnet) {
        return Ok(());
    }
    for (index, address) in address::list_all(host)? {
        // Bridges are other networks' of pods, whose subnets their own configurations name.
        if subnet.contains(&address.addr())
            && address.prefix_len() < address.max_prefix_len()
            && let Some(link) = link::by_index(host, index)?.filter(|link| !link.is_bridge())
        {
            return Err(ApplyError::SubnetTaken { gateway, link: link.name, address });
        }
    }
    Ok(())
}

/// A bridge of ours that nobody has completed yet.
fn is_unfinished(bridge: &Link, wanted: &Bridge) -> bool {
    bridge.is_bridge() && !bridge.is_up && bridge.mac == Some(wanted.mac)
}

fn refuse_other_settings(bridge: &Link, wanted: &Bridge) -> Result<(), ApplyError> {
    let name = || wanted.name.clone();
    if !bridge.is_bridge() {
        let kind = bridge.kind.clone().unwrap_or_else(|| "a physical link".to_owned());
        return Err(ApplyError::NotABridge { name: name(), kind });
    }
    match wanted.mtu {
        Some(mtu) if mtu != bridge.mtu && !wanted.adopts_mtu => {
            Err(ApplyError::BridgeMtu { name: name(), found: bridge.mtu, wanted: mtu })
        }
        _ => Ok(()),
    }
}

/// Makes a bridge, which is down.
pub(super) fn create(
    host: &mut Socket,
    name: &LinkName,
    mac: MacAddr,
    filters_vlans: bool,
    undo: &mut Undo,
) -> Result<Link, ApplyError> {
    let echoed = match host.query(&change::create_bridge(name, mac, filters_vlans)) {
        Ok(replies) => replies.iter().find_map(Link::parse),
        Err(error) if error.errno() == Some(Errno::EEXIST) => {
            let others = link::by_name(host, name)?;
            return others.ok_or_else(|| ApplyError::Vanished { name: name.clone() });
        }
        Err(error) => {
            // A lost answer does not say whether the bridge was made.
            undo.bridge(name, mac);
            return Err(error.into());
        }
    };
    undo.bridge(name, mac);
    let bridge = match echoed {
        Some(bridge) => Some(bridge),
        None => link::by_name(host, name)?,
    };
    bridge.ok_or_else(|| ApplyError::Vanished { name: name.clone() })
}

fn set_gateways(
    host: &mut Socket,
    wanted: &Bridge,
    (name, index): (&LinkName, u32),
    undo: &mut Undo,
) -> Result<(), ApplyError> {
    if wanted.gateways.is_empty() {
        return Ok(());
    }
    let name = name.as_str();
    let present = address::list(host, index)?;
    for gateway in wanted.gateways.iter().filter(|gateway| !present.contains(gateway)) {
        refuse_conflict(&present, wanted, *gateway)?;
        refuse_taken_subnet(host, wanted, *gateway)?;
        for found in in_the_way(&present, wanted, *gateway) {
            tolerate(host.execute(&address::delete(name, index, *found)), Errno::EADDRNOTAVAIL)?;
            undo.deleted_address(name, index, *found);
        }
        let added = host.execute(&address::add(name, index, *gateway));
        if added.as_ref().is_err_and(|error| error.errno() == Some(Errno::EEXIST)) {
            continue;
        }
        undo.added_address(name, index, *gateway);
        added?;
    }
    Ok(())
}

/// The bridge's addresses that it cannot have beside the gateway's.
fn in_the_way<'a>(
    present: &'a [IpNet],
    wanted: &'a Bridge,
    gateway: IpNet,
) -> impl Iterator<Item = &'a IpNet> {
    present
        .iter()
        .filter(move |found| !wanted.gateways.contains(found) && conflict(**found, gateway, wanted.others))
}

fn refuse_conflict(present: &[IpNet], wanted: &Bridge, gateway: IpNet) -> Result<(), ApplyError> {
    match in_the_way(present, wanted, gateway).next().filter(|_| wanted.others != OtherGateways::Replaced) {
        Some(&found) => {
            Err(ApplyError::BridgeAddress { name: wanted.holder().clone(), found, wanted: gateway })
        }
        None => Ok(()),
    }
}

/// Whether a bridge with one address cannot take the other too. As in the reference bridge plugin a bridge has
/// one IPv4 subnet, unless others are kept, and IPv6 subnets side by side as long as they do not overlap.
fn conflict(found: IpNet, wanted: IpNet, others: OtherGateways) -> bool {
    let overlap = || found.contains(&wanted.addr()) || wanted.contains(&found.addr());
    match (found, wanted) {
        (IpNet::V4(_), IpNet::V4(_)) => others != OtherGateways::Kept || overlap(),
        (IpNet::V6(_), IpNet::V6(_)) => overlap(),
        _ => false,
    }
}

fn is_link_local(net: IpNet) -> bool {
    matches!(net, IpNet::V6(net) if net.network().is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_conflicts_always_and_ipv6_where_it_overlaps() {
        for (found, wanted, expected) in [
            ("10.0.0.1/24", "10.1.0.1/24", true),
            ("10.0.0.1/24", "10.0.0.1/16", true),
            ("fd00::1/64", "fd00::2/64", true),
            ("fd00::1/48", "fd00:0:0:1::1/64", true),
            ("fd00:0:0:1::1/64", "fd00::1/48", true),
            ("fd00::1/64", "fd00:0:0:1::1/64", false),
            ("fe80::1/64", "fd00::1/64", false),
            ("10.0.0.1/24", "fd00::1/64", false),
        ] {
            assert_eq!(
                conflict(found.parse().unwrap(), wanted.parse().unwrap(), OtherGateways::Refused),
                expected,
                "{found} {wanted}"
            );
        }
    }

    #[test]
    fn kept_subnets_conflict_where_they_overlap() {
        let conflict = |found: &str, wanted: &str| {
            conflict(found.parse().unwrap(), wanted.parse().unwrap(), OtherGateways::Kept)
        };
        assert!(!conflict("10.244.1.1/24", "10.244.2.1/24"));
        assert!(conflict("10.244.1.1/24", "10.244.0.1/16"));
        assert!(conflict("10.244.0.1/16", "10.244.1.1/24"));
    }
}
