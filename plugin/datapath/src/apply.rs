//! Making the kernel agree with a [`PodNetwork`], all or nothing.
//!
//! ```text
//! host   bridge ─ pair ─ alias, port, limits ┐                            ┌ rules ─ forwarding ─ port ready ┐
//! pod                                        └ up, addresses, routes ─────┘       addresses ready ─ announce ─┘
//! ```
//!
//! Each step that makes something notes how to take it back in [`Undo`]. A step that fails takes back what
//! the steps before it made, and only that.

mod alone;
mod bridge;
mod error;
mod network_port;
mod outset;
mod pair;
mod pod;
mod relocation;
mod routed;
mod rules;
mod shaping;
mod taken;
mod undo;
mod uplink;
mod vlan;

use ipnet::IpNet;
use nix::errno::Errno;

pub use bridge::check_bridge;
pub use error::ApplyError;
pub use network_port::check_network_port;
pub(crate) use network_port::port_to_network;
pub use outset::{Known, Outset};
use undo::Undo;
pub use uplink::check_uplink;

use crate::{
    Bridge, Forwarding, HostEnd, LinkName, MacAddr, Netns, PodNetwork,
    netlink::{NetlinkError, Socket},
    rtnl::link::{self, Link},
    sysctl::{self, Tree},
};

/// What a link's MTU is where nothing says otherwise (RFC 894).
const ETHERNET_MTU: u32 = 1500;
/// The least that IPv6 needs (RFC 8200 section 5).
const IPV6_MTU: u32 = 1280;

/// What [`apply`] made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The bridge's Ethernet address, where there is a bridge.
    pub bridge_mac: Option<MacAddr>,
    /// The link that has the host's addresses instead of the bridge, with its Ethernet address.
    pub gateway_link: Option<(LinkName, MacAddr)>,
    /// The host end's name.
    pub host_name: LinkName,
    /// The host end's index.
    pub host_index: u32,
    /// The host end's Ethernet address.
    pub host_mac: MacAddr,
    /// The pod end's Ethernet address.
    pub pod_mac: MacAddr,
    /// Both ends' MTU in bytes.
    pub mtu: u32,
}

/// Makes a pod's network. When it returns, the pod's first packet arrives.
///
/// An error leaves the kernel as it was, but for what other processes did meanwhile.
pub fn apply(wanted: &PodNetwork, netns: &Netns) -> Result<Applied, ApplyError> {
    apply_from(&mut Outset::find(Known::Nothing)?, wanted, netns)
}

/// As [`apply`], from what was found out before the pod's addresses were known.
pub fn apply_from(outset: &mut Outset, wanted: &PodNetwork, netns: &Netns) -> Result<Applied, ApplyError> {
    if let Some(address) = ipv6_needed(wanted).filter(|_| !sysctl::has_ipv6()) {
        return Err(ApplyError::NoIpv6 { address });
    }
    let mut undo = Undo::default();
    let applied = make(wanted, netns, outset, &mut undo);
    if applied.is_err() {
        undo.run();
    }
    applied
}

fn make(
    wanted: &PodNetwork,
    netns: &Netns,
    outset: &mut Outset,
    undo: &mut Undo,
) -> Result<Applied, ApplyError> {
    let Outset { host, visit, ways: ways_seen, rules: rules_seen } = outset;
    let bridge = match wanted.bridge() {
        Some(bridge) => Some((bridge, bridge::ensure(host, bridge, undo)?)),
        None => None,
    };
    let on_network = wanted.network_port().map(|port| network_port::find(host, port)).transpose()?;
    // The first is the one whose MTU the pod has.
    let ways = match &wanted.host_end {
        HostEnd::Transparent { uplink, .. } => match ways_seen.take() {
            Some(seen) => seen,
            None => uplink::look(host, uplink.as_ref())?.into_iter().collect(),
        },
        HostEnd::OnNetwork(_) => on_network.as_ref().map(network_port::Found::links).unwrap_or_default(),
        HostEnd::Port(_) | HostEnd::Routed { .. } => Vec::new(),
    };
    let reached = ways.first().or(bridge.as_ref().map(|(_, made)| &made.link));
    let mtu = wanted.veth.mtu.unwrap_or_else(|| reached.map_or(ETHERNET_MTU, |link| link.mtu));
    if mtu < IPV6_MTU && wanted.has_ipv6() {
        return Err(ApplyError::TooSmallForIpv6 { mtu });
    }
    if wanted.is_transparent() || on_network.is_some() {
        taken::refuse(host, &wanted.addresses, &ways)?;
    }
    let mut joined = on_network.map(|found| found.ensure(host, undo)).transpose()?;
    let network_bridge = joined.as_ref().map(|joined| joined.bridge.clone());
    let there = bridge.as_ref().map(|(_, made)| &made.link).or(network_bridge.as_ref());
    let pair = pair::create(host, wanted, there.map(|bridge| bridge.index), mtu, netns, undo)?;
    shaping::shape(host, wanted, &pair, mtu, undo)?;
    routed::refuse_routers(wanted, &Tree::node(), &pair.host_name)?;
    let mut pod = pod::configure(wanted, netns, visit, pair.pod_index)?;
    routed::configure(host, wanted, &pair)?;
    rules::add(wanted, &pair, joined.as_mut(), rules_seen.as_mut(), undo)?;
    if let Some(bridge) = &network_bridge {
        network_port::fix_neighbours(host, wanted, bridge, undo)?;
    }
    forward(wanted.forwarding)?;
    if wanted.veth.is_up {
        pair::wait_until_forwarding(host, &pair)?;
        if let Some(bridge) = there {
            bridge::wait_until_running(host, bridge.index)?;
        }
        pod.announce(wanted)?;
    }
    let bridge_mac = match &bridge {
        Some((wanted, made)) => Some(bridge_mac(host, wanted, &made.link)?),
        None => joined.map(|joined| joined.mac),
    };
    Ok(Applied {
        bridge_mac,
        gateway_link: bridge.and_then(|(_, made)| made.gateway_link),
        host_name: pair.host_name,
        host_index: pair.host_index,
        host_mac: wanted.owner.mac(),
        pod_mac: wanted.veth.pod_mac,
        mtu,
    })
}

/// The bridge's Ethernet address; one that others made without an address of its own may have a new one
/// from its new port.
fn bridge_mac(host: &mut Socket, wanted: &Bridge, before: &Link) -> Result<MacAddr, ApplyError> {
    if before.mac == Some(wanted.mac) {
        return Ok(wanted.mac);
    }
    let bridge = link::by_index(host, before.index)?;
    let mac = bridge.and_then(|bridge| bridge.mac);
    mac.ok_or_else(|| ApplyError::Vanished { name: wanted.name.clone() })
}

fn ipv6_needed(wanted: &PodNetwork) -> Option<IpNet> {
    let gateways = wanted.bridge().into_iter().flat_map(|bridge| &bridge.gateways);
    wanted.addresses.iter().chain(gateways).find(|address| address.addr().is_ipv6()).copied()
}

/// Lets the host forward. Never undone: other pods need it too.
fn forward(wanted: Forwarding) -> Result<(), ApplyError> {
    for (is_wanted, name) in [(wanted.ipv4, Forwarding::IPV4), (wanted.ipv6, Forwarding::IPV6)] {
        if is_wanted {
            sysctl::ensure(name, "1")?;
        }
    }
    Ok(())
}

/// Takes "it is there already" for success.
fn tolerate(result: Result<(), NetlinkError>, errno: Errno) -> Result<(), ApplyError> {
    match result {
        Err(error) if error.errno() == Some(errno) => Ok(()),
        result => Ok(result?),
    }
}
