//! What a pod's network is to be: plain data.
//!
//! [`apply`](crate::apply()) makes the kernel agree with it and [`verify`](crate::verify()) says where the
//! kernel does not. Each member is one concern and has one file in each of them.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;

use crate::{HostPorts, LinkName, LinkPrefix, MacAddr, Owner, Shaping, nft::PodRules};

/// A pod's network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodNetwork {
    /// Whose network this is.
    pub owner: Owner,
    /// The pair of links between host and pod.
    pub veth: Veth,
    /// The bridge that the host's end is a port of.
    pub bridge: Bridge,
    /// Whether the bridge sends a frame back to the pod that it came from, which a pod that reaches itself
    /// through a service needs.
    pub hairpin: bool,
    /// The pod's addresses, each with its subnet's prefix length.
    pub addresses: Vec<IpNet>,
    /// The pod's routes, besides those to the subnets of its addresses.
    pub routes: Vec<Route>,
    /// The address families that the host is to forward.
    pub forwarding: Forwarding,
    /// Whether what a pod sends to anywhere but its own subnet leaves with the node's address.
    pub masquerade: bool,
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
    /// The rules that the pod needs.
    pub fn rules(&self) -> PodRules {
        let masqueraded: &[IpNet] = if self.masquerade { &self.addresses } else { &[] };
        let unfiltered = self.unfiltered.of(&self.addresses);
        PodRules::new(&self.owner, masqueraded, &unfiltered, &self.host_ports)
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
    /// Both ends' MTU in bytes; `None`: the bridge's.
    pub mtu: Option<u32>,
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
    /// The addresses of the host on the bridge.
    pub gateways: Vec<IpNet>,
    /// Whether an address in the way of a gateway's is replaced instead of refused.
    pub force_address: bool,
    /// Whether the bridge takes every frame for the node's, too; the duplicates that come of it are dropped.
    pub promiscuous: bool,
}

/// A route of the pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The destination.
    pub dst: IpNet,
    /// The next hop; `None`: the destination is on the link.
    pub via: Option<IpAddr>,
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
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dst, via, mtu, advmss, priority, table, scope } = self;
        write!(f, "{dst}")?;
        if let Some(via) = via {
            write!(f, " via {via}")?;
        }
        let numbers = [
            ("mtu", *mtu),
            ("advmss", *advmss),
            ("metric", *priority),
            ("table", *table),
            ("scope", scope.map(u32::from)),
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
