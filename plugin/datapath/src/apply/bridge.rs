//! The bridge: made where it is missing, checked where it exists, never reset.
//!
//! Many processes may do this at once on a fresh node. A bridge that is up is complete: it gets its MTU and
//! addresses while it is down. Whoever finds it down completes it, whether its creator is still at work or was
//! killed; every step is the same for all, so that it does not matter who is first.

use ipnet::IpNet;
use nix::errno::Errno;

use super::{ApplyError, Undo, tolerate, uplink, vlan};
use crate::{
    Bridge, LinkName, MacAddr, Promiscuity,
    netlink::{Protocol, Socket},
    nft::Duplicates,
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
        None => create(host, wanted, undo)?,
    };
    let is_unfinished = is_unfinished(&bridge, wanted);
    if is_unfinished {
        bridge.mtu = match wanted.mtu {
            Some(mtu) => mtu,
            None => uplink::mtu(host, None)?,
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

/// Whether [`apply`](crate::apply) would take the bridge as it is or make it; changes nothing.
pub fn check_bridge(wanted: &Bridge) -> Result<(), ApplyError> {
    let mut host = Socket::open(Protocol::Route)?;
    let Some(bridge) = link::by_name(&mut host, &wanted.name)? else { return Ok(()) };
    if !is_unfinished(&bridge, wanted) {
        refuse_other_settings(&bridge, wanted)?;
    }
    let holder = match &wanted.gateway_link {
        Some(link) => link::by_name(&mut host, &link.name)?,
        None => Some(bridge),
    };
    let Some(holder) = holder else { return Ok(()) };
    let present = address::list(&mut host, holder.index)?;
    wanted.gateways.iter().try_for_each(|gateway| refuse_conflict(&present, wanted, *gateway))
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

fn create(host: &mut Socket, wanted: &Bridge, undo: &mut Undo) -> Result<Link, ApplyError> {
    let echoed = match host.query(&change::create_bridge(&wanted.name, wanted.mac, wanted.filters_vlans)) {
        Ok(replies) => replies.iter().find_map(Link::parse),
        Err(error) if error.errno() == Some(Errno::EEXIST) => {
            let others = link::by_name(host, &wanted.name)?;
            return others.ok_or_else(|| ApplyError::Vanished { name: wanted.name.clone() });
        }
        Err(error) => {
            // A lost answer does not say whether the bridge was made.
            undo.bridge(wanted);
            return Err(error.into());
        }
    };
    undo.bridge(wanted);
    let bridge = match echoed {
        Some(bridge) => Some(bridge),
        None => link::by_name(host, &wanted.name)?,
    };
    bridge.ok_or_else(|| ApplyError::Vanished { name: wanted.name.clone() })
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
    present.iter().filter(move |found| !wanted.gateways.contains(found) && conflict(**found, gateway))
}

fn refuse_conflict(present: &[IpNet], wanted: &Bridge, gateway: IpNet) -> Result<(), ApplyError> {
    match in_the_way(present, wanted, gateway).next().filter(|_| !wanted.force_address) {
        Some(&found) => {
            Err(ApplyError::BridgeAddress { name: wanted.holder().clone(), found, wanted: gateway })
        }
        None => Ok(()),
    }
}

/// Whether a bridge with one address cannot take the other too. As in the reference bridge plugin a bridge has
/// one IPv4 subnet, and IPv6 subnets side by side as long as they do not overlap.
fn conflict(found: IpNet, wanted: IpNet) -> bool {
    match (found, wanted) {
        (IpNet::V4(_), IpNet::V4(_)) => true,
        (IpNet::V6(found), IpNet::V6(wanted)) => {
            found.contains(&wanted.addr()) || wanted.contains(&found.addr())
        }
        _ => false,
    }
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
                conflict(found.parse().unwrap(), wanted.parse().unwrap()),
                expected,
                "{found} {wanted}"
            );
        }
    }
}
