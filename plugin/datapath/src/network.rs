//! What a pod's network is to be: plain data.
//!
//! [`apply`](crate::apply()) makes the kernel agree with it and [`verify`](crate::verify()) says where the
//! kernel does not. Each member is one concern and has one file in each of them.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;
use netlink_packet_route::route::RouteScope;

use crate::{
    Guard, HostPorts, LinkName, LinkPrefix, MacAddr, Owner, Shaping, Station,
    nft::{PodRules, Uses},
};

/// A pod's network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodNetwork {
    /// Whose network this is.
    pub owner: Owner,
    /// The pair of links between host and pod.
    pub veth: Veth,
    /// What the host's end is.
    pub host_end: HostEnd,
    /// The pod's addresses, each with its subnet's prefix length.
    pub addresses: Vec<IpNet>,
    /// Whether the pod probes for others that have its IPv6 addresses before it uses them (RFC 4862 section 5.4).
    pub detects_duplicates: bool,
    /// The pod's routes, besides those to the subnets of its addresses.
    pub routes: Vec<Route>,
    /// The address families that the host is to forward.
    pub forwarding: Forwarding,
    /// Whether what a pod sends to anywhere but its own subnet leaves with the node's address.
    pub masquerade: Masquerade,
    /// What the pod is kept from doing.
    pub guard: Guard,
    /// Whether frames that do not come from the pod's own Ethernet address are dropped.
    pub checks_sender: bool,
    /// The families whose frames between ports of the bridge do not pass the node's rules of IP
    /// ([`filtered_families`](crate::filtered_families) says which do). What is translated from the pod to a
    /// neighbour then gets the bridge's address, so that the answer comes back by the translation.
    pub unfiltered: Families,
    /// The node's ports that lead to the pod.
    pub host_ports: HostPorts,
    /// How fast the pod may send and receive.
    pub shaping: Shaping,
}

impl PodNetwork {
    /// The rules that the pod needs, whose host's end has this name, where that is known.
    pub fn rules(&self, host_name: Option<&LinkName>) -> PodRules {
        let masqueraded: &[IpNet] = if self.masquerade == Masquerade::Podnet { &self.addresses } else { &[] };
        let unfiltered = self.unfiltered.of(&self.addresses);
        let station = self.guard.spoofing.then(|| Station {
            links: host_name.cloned().into_iter().collect(),
            is_bridged: self.bridge().is_some(),
            mac: self.veth.pod_mac,
        });
        let uses = Uses {
            addresses: &self.addresses,
            masqueraded,
            unfiltered: &unfiltered,
            host_ports: &self.host_ports,
            is_routed: self.is_transparent(),
            guard: self.guard,
            station: station.as_ref(),
        };
        PodRules::new(&self.owner, &uses)
    }

    /// The bridge that the host's end is a port of, where it is one.
    pub fn bridge(&self) -> Option<&Bridge> {
        match &self.host_end {
            HostEnd::Port(port) => Some(&port.bridge),
            HostEnd::Routed { .. } | HostEnd::Transparent { .. } => None,
        }
    }

    /// Whether the pod's gateways are nobody's addresses.
    pub(crate) fn is_transparent(&self) -> bool {
        matches!(self.host_end, HostEnd::Transparent { .. })
    }

    /// The next hops that nobody has and for which the pod takes the host's end.
    pub(crate) fn stand_ins(&self) -> &[IpAddr] {
        match &self.host_end {
            HostEnd::Transparent { gateways, .. } => gateways,
            HostEnd::Port(_) | HostEnd::Routed { .. } => &[],
        }
    }

    /// The host's routes to the pod's addresses, where it has one for each.
    pub(crate) fn host_routes(&self) -> Vec<Route> {
        let (scope, protocol) = match &self.host_end {
            HostEnd::Port(_) => return Vec::new(),
            HostEnd::Routed { .. } => (RouteScope::Host, None),
            HostEnd::Transparent { .. } => (RouteScope::Universe, Some(Route::STATIC)),
        };
        let to_pod = |address: &IpNet| Route {
            scope: Some(scope.into()),
            protocol,
            ..Route::on_link(IpNet::from(address.addr()))
        };
        self.addresses.iter().map(to_pod).collect()
    }

    /// Whether the pod has an IPv6 address.
    pub fn has_ipv6(&self) -> bool {
        self.addresses.iter().any(|address| address.addr().is_ipv6())
    }
}

/// A pair of virtual Ethernet links, one end on the host, the other in the pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Veth {
    /// How the host end's name begins; the owner gives the rest.
    pub prefix: LinkPrefix,
    /// The pod end's name.
    pub pod_name: LinkName,
    /// The pod end's address.
    pub pod_mac: MacAddr,
    /// Both ends' MTU in bytes; `None`: the bridge's, that of the node's link to its network where the host's end is
    /// transparent, else 1500.
    pub mtu: Option<u32>,
    /// Whether the pod's end is switched on.
    pub is_up: bool,
}

/// By whose rules a pod's address is hidden behind the node's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Masquerade {
    /// It is not hidden, or not by this program.
    #[default]
    No,
    /// By podnet's, in its own table.
    Podnet,
    /// By those that the reference plugins write with nftables, in their table.
    Reference,
}

/// What the host's end of a pair is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostEnd {
    /// A port of a bridge.
    Port(Port),
    /// A link of its own, with these addresses of the host and a route to each address of the pod's. The pod sends
    /// everything through the host, to its own subnet too.
    Routed {
        /// The host's addresses on the link: the pod's gateways.
        gateways: Vec<IpAddr>,
    },
    /// A link of its own without any address, with a route to each address of the pod's. The pod's gateways are
    /// addresses that nobody has; that the host's end stands for them, the pod knows without asking.
    Transparent {
        /// The gateways, at most one of each family.
        gateways: Vec<IpAddr>,
        /// The node's link to its network, whose MTU the pod has; `None`: the one of the default route.
        uplink: Option<LinkName>,
    },
}

/// A port of a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The bridge.
    pub bridge: Bridge,
    /// Whether the bridge sends a frame back to the pod that it came from, which a pod that reaches itself
    /// through a service needs.
    pub hairpin: bool,
    /// Whether the bridge keeps frames from other such ports away.
    pub isolated: bool,
    /// The VLANs that the pod is in.
    pub vlans: Vlans,
}

/// The VLANs (IEEE 802.1Q) that a port of a bridge is in. Without any, those that the bridge gives every port.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vlans {
    /// That of frames without a tag, 1 to 4094.
    pub untagged: Option<u16>,
    /// Those of frames with a tag.
    pub tagged: Vec<u16>,
    /// Whether the port is in those that the bridge gives every port, too.
    pub keeps_default: bool,
}

/// The node's own link into a VLAN of a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VlanLink {
    /// Its name.
    pub name: LinkName,
    /// The VLAN, as that of its other end, a port of the bridge.
    pub vlans: Vlans,
}

/// A bridge that many pods share. It is created where it is missing and never reset where it exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// The bridge's name.
    pub name: LinkName,
    /// The address that the bridge is created with. Without one of its own it would take the lowest
    /// address among its ports, which changes as pods come and go.
    pub mac: MacAddr,
    /// The MTU in bytes; `None`: that of the default route's link for a new bridge, any for an existing one.
    pub mtu: Option<u32>,
    /// Whether an existing bridge is taken with any MTU.
    pub adopts_mtu: bool,
    /// The addresses of the host on the bridge.
    pub gateways: Vec<IpNet>,
    /// The link that has these addresses instead of the bridge itself.
    pub gateway_link: Option<VlanLink>,
    /// Whether the bridge, where it is made, tells VLANs apart.
    pub filters_vlans: bool,
    /// What becomes of an address that another configuration gave the bridge.
    pub others: OtherGateways,
    /// Whether the bridge takes every frame for the node's, too.
    pub promiscuity: Promiscuity,
    /// Whether a gateway's subnet is refused where another link of the node has an address in it.
    pub owns_subnets: bool,
}

/// What becomes of an address on a bridge that is none of its gateways, and cannot stay beside one of them: of the other
/// IPv4 subnet, or of an IPv6 subnet that overlaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OtherGateways {
    /// It is an error.
    #[default]
    Refused,
    /// It is removed.
    Replaced,
    /// It stays, and its pods with it, as long as the subnets do not overlap.
    Kept,
}

impl Bridge {
    /// The link that has the host's addresses.
    pub(crate) fn holder(&self) -> &LinkName {
        self.gateway_link.as_ref().map_or(&self.name, |link| &link.name)
    }
}

/// Whether a bridge takes every frame for the node's, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Promiscuity {
    /// It does not, unless somebody else says so.
    #[default]
    Off,
    /// It does, and what comes of it twice is left to others.
    On,
    /// It does, and what comes of it twice is dropped.
    Deduplicated,
}

/// A route of the pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The destination.
    pub dst: IpNet,
    /// The next hop; `None`: the destination is on the link.
    pub via: Option<IpAddr>,
    /// The source address of what the pod sends by it; `None`: the kernel's choice.
    pub source: Option<IpAddr>,
    /// `RTAX_MTU` in bytes.
    pub mtu: Option<u32>,
    /// `RTAX_ADVMSS` in bytes.
    pub advmss: Option<u32>,
    /// The metric; `None`: the kernel's default (0 for IPv4, 1024 for IPv6).
    pub priority: Option<u32>,
    /// The table's number; `None`: main.
    pub table: Option<u32>,
    /// `rtm_scope` (RFC 3549 §3.1.1); `None`: universe behind a next hop, link without one.
    pub scope: Option<u8>,
    /// `rtm_protocol` (RFC 3549 §3.1.1), who made it; `None`: boot, as `ip route add` has it.
    pub protocol: Option<u8>,
}

impl Route {
    /// `RTPROT_STATIC`: made by an administrator, so that routing daemons leave it alone.
    pub const STATIC: u8 = 4;

    /// A route to what is on the link.
    pub fn on_link(dst: IpNet) -> Self {
        Self {
            dst,
            via: None,
            source: None,
            mtu: None,
            advmss: None,
            priority: None,
            table: None,
            scope: None,
            protocol: None,
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dst, via, source, mtu, advmss, priority, table, scope, protocol } = self;
        write!(f, "{dst}")?;
        if let Some(via) = via {
            write!(f, " via {via}")?;
        }
        if let Some(source) = source {
            write!(f, " src {source}")?;
        }
        let numbers = [
            ("mtu", *mtu),
            ("advmss", *advmss),
            ("metric", *priority),
            ("table", *table),
            ("scope", scope.map(u32::from)),
            ("proto", protocol.map(u32::from)),
        ];
        for (name, number) in numbers {
            if let Some(number) = number {
                write!(f, " {name} {number}")?;
            }
        }
        Ok(())
    }
}

/// Address families.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Families {
    /// IPv4.
    pub ipv4: bool,
    /// IPv6.
    pub ipv6: bool,
}

impl Families {
    /// Those that the addresses are of.
    pub fn among(addresses: &[IpNet]) -> Self {
        let has = |ipv4| addresses.iter().any(|address| address.addr().is_ipv4() == ipv4);
        Self { ipv4: has(true), ipv6: has(false) }
    }

    /// Those of these that are not among `others`.
    #[must_use]
    pub fn without(self, others: Self) -> Self {
        Self { ipv4: self.ipv4 && !others.ipv4, ipv6: self.ipv6 && !others.ipv6 }
    }

    /// The addresses of these families.
    pub fn of(self, addresses: &[IpNet]) -> Vec<IpNet> {
        let is_of = |address: &IpNet| if address.addr().is_ipv4() { self.ipv4 } else { self.ipv6 };
        addresses.iter().copied().filter(is_of).collect()
    }
}

/// The address families that the host forwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forwarding {
    /// `net.ipv4.ip_forward`.
    pub ipv4: bool,
    /// `net.ipv6.conf.all.forwarding`.
    pub ipv6: bool,
}

impl Forwarding {
    pub(crate) const IPV4: &'static str = "ipv4/ip_forward";
    pub(crate) const IPV6: &'static str = "ipv6/conf/all/forwarding";
}
