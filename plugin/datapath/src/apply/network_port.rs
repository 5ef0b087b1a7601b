//! The bridge that pods are on the node's own network by: made once, in place of the node's link to that network.
//!
//! ```text
//!  eth0 10.224.0.4/16        azure0 10.224.0.4/16, eth0's Ethernet address and routes
//!                      ──▶     ├─ eth0, a port without address
//!                              └─ azv… ══ pod eth0 10.224.1.5/16
//! ```
//!
//! The node stays reachable at every step, and whoever finds the work unfinished (its process was killed, or is
//! at it now) does the same again: the bridge is made and dressed up while nothing depends on it, the rules come before the
//! first frame of a pod can leave, and link, addresses and routes change place in one system call
//! ([`relocate`]). What comes to the link later, from a program that takes it for the node's, is moved by the next ADD.
//! Of several first ADDs one does it, and the others wait ([`Alone`]): an Ethernet address that is set again, were it the same,
//! costs the bridge all its neighbours, permanent ones too (`net/core/dev.c`, `NETDEV_CHANGEADDR`).
//!
//! The bridge stays when the pods go: moving back would cost the node a moment of its network each time. Only an ADD that
//! fails, and has moved it, moves it back.

use std::net::IpAddr;

use super::{ApplyError, Undo, alone::Alone, relocation::relocate, uplink};
use crate::{
    Label, LinkName, MacAddr, NetworkPort, PodNetwork,
    netlink::{NetlinkError, Protocol, Socket},
    nft::UplinkRules,
    parameters,
    rtnl::{
        address, change,
        link::{self, Link},
        neighbour,
    },
    sysctl,
};

/// How a bridge says which of its ports leads to the network.
const ALIAS: &str = "podnet uplink ";

/// What there is before anything is changed, found good.
#[derive(Debug)]
pub(super) struct Found<'a> {
    wanted: &'a NetworkPort,
    bridge: Option<Link>,
    uplink: Link,
    uplink_name: LinkName,
    mac: MacAddr,
    /// Held while there is something to be made.
    _alone: Option<Alone>,
}

/// The bridge in the link's place.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) bridge: Link,
    /// The link's Ethernet address: the node's on the network.
    pub(super) mac: MacAddr,
    /// For the pod's rules, too: closing a second one could cost another grace period of the kernel.
    pub(super) netfilter: Socket,
}

/// Whether [`apply`](crate::apply) would take bridge and link as they are or make them so; changes nothing.
pub fn check_network_port(wanted: &NetworkPort) -> Result<(), ApplyError> {
    find(&mut Socket::open(Protocol::Route)?, wanted).map(drop)
}

/// Looks at the bridge and the link to the network; where not all is in its place, once nobody else is at work there.
pub(super) fn find<'a>(host: &mut Socket, wanted: &'a NetworkPort) -> Result<Found<'a>, ApplyError> {
    match look(host, wanted) {
        Ok(found) if found.is_in_place() => Ok(found),
        // A look while another moves the node may see what never was.
        Ok(_) | Err(_) => {
            let alone = Alone::wait()?;
            Ok(Found { _alone: Some(alone), ..look(host, wanted)? })
        }
    }
}

fn look<'a>(host: &mut Socket, wanted: &'a NetworkPort) -> Result<Found<'a>, ApplyError> {
    let bridge = link::by_name(host, &wanted.bridge)?;
    if let Some(link) = bridge.as_ref().filter(|link| !link.is_bridge()) {
        let kind = link.kind.clone().unwrap_or_else(|| "a physical link".to_owned());
        return Err(ApplyError::NotABridge { name: wanted.bridge.clone(), kind });
    }
    let port = match &bridge {
        Some(bridge) => port_to_network(host, bridge)?,
        None => None,
    };
    let uplink = match (&wanted.uplink, port.as_ref()) {
        (Some(name), _) => uplink::find(host, name)?,
        (None, Some(port)) => port.clone(),
        (None, None) => uplink::of_default_route(host)?.ok_or(ApplyError::NoDefaultRoute)?,
    };
    let uplink_name: LinkName = uplink.name.parse().map_err(|_foreign| ApplyError::NoDefaultRoute)?;
    if uplink_name == wanted.bridge {
        return Err(ApplyError::NoUplinkPort { bridge: uplink_name });
    }
    if let Some(port) = port.filter(|port| port.index != uplink.index) {
        let bridge = wanted.bridge.clone();
        return Err(ApplyError::OtherUplink { bridge, found: port.name, wanted: uplink_name });
    }
    if let Some(master) = uplink.master.filter(|master| bridge.as_ref().is_none_or(|it| it.index != *master))
    {
        let by = link::by_index(host, master)?.map(|link| link.name).unwrap_or_default();
        return Err(ApplyError::UplinkTaken { name: uplink_name, by });
    }
    match uplink.mac.filter(|mac| mac.bytes() != [0; 6]) {
        Some(mac) => Ok(Found { wanted, bridge, uplink, uplink_name, mac, _alone: None }),
        None => Err(ApplyError::NotEthernet { name: uplink_name }),
    }
}

/// The port of a bridge that leads to the network: the one that the bridge names, else one that has the bridge's
/// Ethernet address and is no pod's, for instance where another program has made the bridge.
pub(crate) fn port_to_network(host: &mut Socket, bridge: &Link) -> Result<Option<Link>, NetlinkError> {
    let named = bridge.alias.as_deref().and_then(|alias| alias.strip_prefix(ALIAS));
    if let Some(name) = named.and_then(|name| name.parse().ok())
        && let Some(port) = link::by_name(host, &name)?.filter(|port| port.master == Some(bridge.index))
    {
        return Ok(Some(port));
    }
    let is_of_pod = |port: &Link| port.alias.as_deref().and_then(Label::parse).is_some();
    let ports = link::ports(host, bridge.index)?;
    Ok(ports.into_iter().find(|port| port.mac == bridge.mac && !is_of_pod(port)))
}

impl Found<'_> {
    /// The node's links to its network: the one whose MTU is the network's, and the bridge, where there is one.
    pub(super) fn links(&self) -> Vec<Link> {
        [&self.uplink].into_iter().chain(&self.bridge).cloned().collect()
    }

    fn alias(&self) -> String {
        format!("{ALIAS}{}", self.uplink_name)
    }

    /// Whether the bridge stands in for the link.
    fn is_dressed(&self, bridge: &Link) -> bool {
        bridge.is_up && bridge.mac == Some(self.mac) && bridge.alias.as_ref() == Some(&self.alias())
    }

    fn is_in_place(&self) -> bool {
        let bridge = self.bridge.as_ref();
        bridge.is_some_and(|bridge| self.is_dressed(bridge) && self.uplink.master == Some(bridge.index))
    }

    /// Puts the bridge in the link's place, as far as it is not there.
    pub(super) fn ensure(&self, host: &mut Socket, undo: &mut Undo) -> Result<Joined, ApplyError> {
        let Self { wanted: NetworkPort { bridge: name, .. }, uplink, uplink_name, mac, .. } = self;
        let mut bridge = match &self.bridge {
            Some(bridge) => bridge.clone(),
            None => super::bridge::create(host, name, *mac, false, undo)?,
        };
        if !self.is_dressed(&bridge) {
            if !bridge.is_up {
                take_over_parameters(uplink_name, name)?;
            }
            host.execute(&change::stand_in_for(name, bridge.index, *mac, uplink.mtu, self.alias()))?;
            bridge.mtu = uplink.mtu;
        }
        let rules = UplinkRules { bridge: name, link: uplink_name, mac: *mac };
        let mut netfilter = Socket::open(Protocol::Netfilter)?;
        rules.ensure(&mut netfilter)?;
        if uplink.master != Some(bridge.index) {
            undo.joined(&bridge, uplink);
            let join = change::join_bridge(&uplink.name, uplink.index, bridge.index, uplink.makes_link_local);
            relocate(host, uplink, &bridge, vec![join, link::ask(bridge.index)])?;
        } else if !address::list(host, uplink.index)?.is_empty() {
            relocate(host, uplink, &bridge, Vec::new())?;
        }
        Ok(Joined { bridge, mac: *mac, netfilter })
    }
}

/// Moves addresses and routes back to the link, which is then no port any more.
pub(super) fn move_back(host: &mut Socket, bridge: &Link, uplink: &Link) -> Result<(), ApplyError> {
    if link::ports(host, bridge.index)?.iter().any(|port| port.index != uplink.index) {
        // Another ADD has a pod there meanwhile.
        return Ok(());
    }
    let leave = change::leave_bridge(&uplink.name, uplink.index, uplink.makes_link_local);
    relocate(host, bridge, uplink, vec![leave])
}

/// The bridge treats the network as the link did.
fn take_over_parameters(uplink: &LinkName, bridge: &LinkName) -> Result<(), ApplyError> {
    for (of_uplink, of_bridge) in parameters::taken_over(uplink, bridge) {
        if let Some(value) = sysctl::parameter(&of_uplink)?
            && sysctl::parameter(&of_bridge)?.is_some()
        {
            sysctl::ensure(&of_bridge, parameters::of_stand_in(&of_bridge, &value))?;
        }
    }
    Ok(())
}

/// Says for good where the pod is, so that the node never asks the network for it.
pub(super) fn fix_neighbours(
    host: &mut Socket,
    wanted: &PodNetwork,
    bridge: &Link,
    undo: &mut Undo,
) -> Result<(), ApplyError> {
    let addresses: Vec<IpAddr> = wanted.addresses.iter().map(ipnet::IpNet::addr).collect();
    for address in addresses {
        undo.neighbour(bridge.index, address);
        host.execute(&neighbour::fix(bridge.index, address, wanted.veth.pod_mac))?;
    }
    Ok(())
}
