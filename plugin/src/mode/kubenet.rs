//! Mode kubenet: pods on a bridge that holds the gateway's address.
//!
//! ```text
//!  pod eth0 ══ veth… ─┐
//!  pod eth0 ══ veth… ─┴─ cbr0 (10.244.1.1/24) ── forwarding ── other nodes, by the cloud's routes
//! ```

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use podnet_cni::{AddResult, Interface, IpConfig, Route};
use podnet_datapath::{
    self as datapath, Applied, Bridge, Families, Forwarding, HostEnd, LinkName, LinkPrefix, MacAddr,
    Masquerade, PodNetwork, Port, Promiscuity, Veth, Vlans,
};
use sha2::{Digest, Sha256};

use crate::mode::PodFacts;
use crate::netconf::{Hairpin, Kubenet, PodOptions};
use crate::record::{Lease, addresses};

/// What the pod's network is to be.
pub(crate) fn plan(config: &Kubenet, pod: PodFacts<'_>) -> PodNetwork {
    let PodFacts { owner, ifname, leases, routes, filtered } = pod;
    let forwards = |ipv4: bool| config.is_gateway && gateway_of(ipv4, leases).is_some();
    PodNetwork {
        veth: Veth {
            prefix: LinkPrefix::VETH,
            pod_name: ifname,
            pod_mac: pod_mac(&config.pod, leases),
            mtu: config.pod.mtu,
            is_up: true,
        },
        host_end: HostEnd::Port(Port {
            bridge: bridge(config, gateways(leases)),
            hairpin: match config.hairpin {
                Hairpin::None => false,
                Hairpin::Veth => true,
                Hairpin::Promiscuous => filtered != Families::default(),
            },
            isolated: false,
            vlans: Vlans::default(),
        }),
        addresses: addresses(leases),
        detects_duplicates: false,
        routes: routes.iter().map(|route| installed(route, leases)).collect(),
        unfiltered: unfiltered(config, leases, filtered),
        forwarding: Forwarding { ipv4: forwards(true), ipv6: forwards(false) },
        masquerade: if config.pod.ip_masq { Masquerade::Podnet } else { Masquerade::No },
        guard: config.pod.guard,
        checks_sender: false,
        host_ports: config.pod.host_ports.plan(leases),
        shaping: config.pod.bandwidth.plan(),
        owner,
    }
}

/// The pod's Ethernet address: the one that the caller names, else one that follows from its addresses.
pub(crate) fn pod_mac(pod: &PodOptions, leases: &[Lease]) -> MacAddr {
    let of_addresses = || mac_of(&leases.iter().map(|lease| lease.address.addr()).collect::<Vec<_>>());
    pod.mac.unwrap_or_else(of_addresses)
}

/// The families whose packets the node routes, but does not see on their way from one pod of the subnet to another.
fn unfiltered(config: &Kubenet, leases: &[Lease], filtered: Families) -> Families {
    let routed = if config.is_gateway { Families::among(&addresses(leases)) } else { Families::default() };
    routed.without(filtered)
}

/// The gateways, each with its subnet's prefix length.
pub(crate) fn gateways(leases: &[Lease]) -> Vec<IpNet> {
    leases.iter().filter_map(Lease::gateway_net).collect()
}

/// What the bridge is to be.
///
/// # Arguments
/// `gateways`: the gateways' addresses with their subnets' prefix lengths.
pub(crate) fn bridge(config: &Kubenet, gateways: Vec<IpNet>) -> Bridge {
    let addresses: Vec<IpAddr> = gateways.iter().map(IpNet::addr).collect();
    Bridge {
        name: config.bridge.clone(),
        mac: mac_of(&addresses),
        mtu: config.pod.mtu,
        adopts_mtu: false,
        gateways: if config.is_gateway { gateways } else { Vec::new() },
        gateway_link: None,
        filters_vlans: false,
        others: config.others,
        promiscuity: match config.hairpin {
            Hairpin::Promiscuous => Promiscuity::Deduplicated,
            Hairpin::None | Hairpin::Veth => Promiscuity::Off,
        },
        owns_subnets: config.owns_subnets,
    }
}

/// The routes of the result: those of `ipam.routes`, and a default route through the gateway for each family that
/// lacks one.
pub(crate) fn routes(config: &Kubenet, leases: &[Lease], ipam: Vec<Route>) -> Vec<Route> {
    if config.is_default_gateway { with_defaults(leases, ipam) } else { ipam }
}

/// The routes, and a default route through the gateway for each family that has a gateway and no such route.
pub(super) fn with_defaults(leases: &[Lease], ipam: Vec<Route>) -> Vec<Route> {
    let mut routes = ipam;
    for default in [IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())] {
        let missing = routes.iter().all(|route| route.dst != default);
        let gateway = gateway_of(default.addr().is_ipv4(), leases);
        if missing && gateway.is_some() {
            routes.push(Route::new(default, gateway));
        }
    }
    routes
}

/// What ADD answers.
pub(crate) fn result(
    network: &PodNetwork,
    made: &Applied,
    sandbox: &str,
    leases: &[Lease],
    routes: Vec<Route>,
) -> AddResult {
    let interfaces = interfaces(network, made, sandbox);
    let of_pod = interfaces.iter().position(|interface| interface.sandbox.is_some());
    AddResult { ips: ip_configs(leases, of_pod), interfaces, routes, ..AddResult::default() }
}

/// The interfaces in the order which runtimes and tests rely on: the bridge where there is one, host's end, pod's end, the
/// link with the gateway's addresses where it is not the bridge.
pub(crate) fn interfaces(network: &PodNetwork, made: &Applied, sandbox: &str) -> Vec<Interface> {
    let interface = |name: &LinkName, mac: MacAddr| Interface {
        name: name.as_str().to_owned(),
        mac: Some(mac.to_string()),
        ..Interface::default()
    };
    let bridge = network.bridge_name().zip(made.bridge_mac).map(|(name, mac)| interface(name, mac));
    let pod = interface(&network.veth.pod_name, network.veth.pod_mac);
    let pair =
        [interface(&made.host_name, made.host_mac), Interface { sandbox: Some(sandbox.to_owned()), ..pod }];
    let gateway_link = made.gateway_link.as_ref().map(|(name, mac)| interface(name, *mac));
    bridge.into_iter().chain(pair).chain(gateway_link).collect()
}

/// The addresses, all of this interface.
pub(crate) fn ip_configs(leases: &[Lease], interface: Option<usize>) -> Vec<IpConfig> {
    let ip = |lease: &Lease| IpConfig { address: lease.address, gateway: lease.gateway, interface };
    leases.iter().map(ip).collect()
}

/// A route of the result as the kernel is to have it: one that names no gateway goes through that of its family.
pub(crate) fn installed(route: &Route, leases: &[Lease]) -> datapath::Route {
    let Route { dst, gw, mtu, advmss, priority, table, scope } = *route;
    let via = gw.or_else(|| gateway_of(dst.addr().is_ipv4(), leases));
    datapath::Route { via, mtu, advmss, priority, table, scope, ..datapath::Route::on_link(dst) }
}

/// The gateway of the pod's first address of a family.
fn gateway_of(ipv4: bool, leases: &[Lease]) -> Option<IpAddr> {
    leases.iter().filter_map(|lease| lease.gateway).find(|gateway| gateway.is_ipv4() == ipv4)
}

/// A hardware address that follows from an IP address, of IPv4 where there is one: whoever still has the last holder of
/// the IP address in his neighbour table reaches the next one all the same. 0a:58 is the prefix that kubenet used.
pub(crate) fn mac_of(addresses: &[IpAddr]) -> MacAddr {
    let first = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    let [a, b, c, d] = match first {
        Some(IpAddr::V4(address)) => address.octets(),
        Some(IpAddr::V6(address)) => digest(&address.octets()),
        None => [0; 4],
    };
    MacAddr::new([0x0a, 0x58, a, b, c, d])
}

/// An IPv6 address is longer than what a hardware address has room for.
fn digest(octets: &[u8]) -> [u8; 4] {
    let digest: [u8; 32] = Sha256::digest(octets).into();
    digest.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
