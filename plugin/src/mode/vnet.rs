//! Mode vnet: pods hold addresses of the virtual network. By datapath transparent each is behind a link of its own that the
//! node routes to; [`bridged`] is the other one.
//!
//! ```text
//!  pod eth0 10.224.1.5/16 ══ azv… (no address) ── forwarding ── the node's link to the virtual network
//!  default via 169.254.1.1          10.224.1.5 dev azv…
//!  169.254.1.1 = Ethernet address of azv…, for good
//! ```
//!
//! The gateways are addresses that nobody has. The pod sends everything to the host's end, whoever it is for: to its own
//! subnet too, of which none but itself is on the link.

mod bridged;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use podnet_cni::Route;
use podnet_datapath::{
    self as datapath, Families, Forwarding, HostEnd, Known, LinkPrefix, Masquerade, NetworkPort, PodNetwork,
    Veth,
};

use super::{PodFacts, kubenet};
use crate::ipam::Gateways;
use crate::netconf::{Datapath, Vnet};
use crate::record::{Lease, addresses};

/// The pod's gateways, as Azure CNI has them.
const GATEWAYS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 1, 1)),
    IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0x1234, 0x5678, 0x9abc)),
];

/// `RT_SCOPE_LINK`.
const SCOPE_LINK: u8 = 253;

/// What the pod's network is to be.
pub(crate) fn plan(config: &Vnet, pod: PodFacts<'_>) -> PodNetwork {
    match &config.datapath {
        Datapath::Transparent => transparent(config, pod),
        Datapath::Bridge(bridged) => bridged::plan(config, bridged, pod),
    }
}

/// The port of the bridge by which pods are on the network; `None`: they are behind the node.
pub(crate) fn network_port(config: &Vnet) -> Option<NetworkPort> {
    match &config.datapath {
        Datapath::Transparent => None,
        Datapath::Bridge(bridged) => Some(bridged::port(bridged, config.uplink.clone())),
    }
}

/// What is known of a pod's network before its addresses are.
pub(crate) fn known(config: &Vnet) -> Known<'_> {
    match config.datapath {
        Datapath::Transparent => Known::Behind(config.uplink.as_ref()),
        Datapath::Bridge(_) => Known::Nothing,
    }
}

/// What pods need of gateways.
pub(crate) fn gateways_needed(config: &Vnet) -> Gateways {
    match config.datapath {
        Datapath::Transparent => Gateways::Optional,
        Datapath::Bridge(_) => Gateways::Named,
    }
}

/// The routes of the result: those of IPAM and, unless these are all, a default route for each family that lacks one; behind
/// the node all through the host.
pub(crate) fn routes(config: &Vnet, leases: &[Lease], given: Vec<Route>, are_all: bool) -> Vec<Route> {
    let routes = if are_all { given } else { kubenet::with_defaults(&told(config, leases), given) };
    match config.datapath {
        Datapath::Transparent => through_host(routes),
        Datapath::Bridge(_) => routes,
    }
}

/// The addresses as the result tells them: behind the node, one whose network has no gateway has the pod's.
pub(crate) fn told(config: &Vnet, leases: &[Lease]) -> Vec<Lease> {
    let gateway = |lease: &Lease| match config.datapath {
        Datapath::Transparent => lease.gateway.or_else(|| Some(gateway_for(lease.address))),
        Datapath::Bridge(_) => lease.gateway,
    };
    leases.iter().map(|lease| Lease { gateway: gateway(lease), ..*lease }).collect()
}

fn transparent(config: &Vnet, pod: PodFacts<'_>) -> PodNetwork {
    let PodFacts { owner, ifname, leases, routes, filtered: _ } = pod;
    let addresses = addresses(leases);
    let families = Families::among(&addresses);
    let gateways = gateways(families);
    let to_gateways = gateways.iter().map(|gateway| to_gateway(*gateway));
    PodNetwork {
        veth: Veth {
            prefix: LinkPrefix::AZV,
            pod_name: ifname,
            pod_mac: kubenet::pod_mac(&config.pod, leases),
            mtu: config.pod.mtu,
            is_up: true,
        },
        routes: to_gateways.chain(routes.iter().map(installed)).collect(),
        host_end: HostEnd::Transparent { gateways, uplink: config.uplink.clone() },
        addresses,
        detects_duplicates: false,
        forwarding: Forwarding { ipv4: families.ipv4, ipv6: families.ipv6 },
        masquerade: if config.pod.ip_masq { Masquerade::Podnet } else { Masquerade::No },
        guard: config.pod.guard,
        checks_sender: false,
        unfiltered: Families::default(),
        host_ports: config.pod.host_ports.plan(leases),
        shaping: config.pod.bandwidth.plan(),
        owner,
    }
}

fn through_host(routes: Vec<Route>) -> Vec<Route> {
    routes.into_iter().map(|route| Route { gw: Some(gateway_for(route.dst)), scope: None, ..route }).collect()
}

fn gateways(families: Families) -> Vec<IpAddr> {
    let is_wanted = |gateway: &IpAddr| if gateway.is_ipv4() { families.ipv4 } else { families.ipv6 };
    GATEWAYS.into_iter().filter(is_wanted).collect()
}

/// The pod's gateway of a destination's family.
fn gateway_for(net: IpNet) -> IpAddr {
    let [v4, v6] = GATEWAYS;
    if net.addr().is_ipv4() { v4 } else { v6 }
}

fn to_gateway(gateway: IpAddr) -> datapath::Route {
    datapath::Route {
        scope: Some(SCOPE_LINK),
        protocol: Some(datapath::Route::STATIC),
        ..datapath::Route::on_link(gateway.into())
    }
}

fn installed(route: &Route) -> datapath::Route {
    datapath::Route { protocol: Some(datapath::Route::STATIC), ..kubenet::installed(route, &[]) }
}

#[cfg(test)]
mod tests;
