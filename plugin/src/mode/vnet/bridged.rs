//! Datapath bridge: pods on the virtual network itself, by a bridge in place of the node's link to it.
//!
//! ```text
//!  pod eth0 10.224.1.5/16 ══ azv… ─┐
//!  pod eth0 10.224.1.6/16 ══ azv… ─┼─ azure0 (10.224.0.4/16, eth0's Ethernet address)
//!  default via 10.224.0.1          └─ eth0 ── the virtual network, which sees one Ethernet address
//! ```
//!
//! The gateway is the network's. What pods send to it and to each other passes the node's rules of IP only with
//! `br_netfilter`, as services need it.

use podnet_datapath::{
    Families, Forwarding, HostEnd, LinkName, LinkPrefix, Masquerade, NetworkPort, PodNetwork, Veth,
};

use crate::mode::{PodFacts, kubenet};
use crate::netconf::{Bridged, Vnet};
use crate::record::addresses;

/// What the pod's network is to be.
pub(super) fn plan(config: &Vnet, bridged: &Bridged, pod: PodFacts<'_>) -> PodNetwork {
    let PodFacts { owner, ifname, leases, routes, filtered } = pod;
    let pod = &config.pod;
    let addresses = addresses(leases);
    let families = Families::among(&addresses);
    PodNetwork {
        veth: Veth {
            prefix: LinkPrefix::AZV,
            pod_name: ifname,
            pod_mac: kubenet::pod_mac(pod, leases),
            mtu: pod.mtu,
            is_up: true,
        },
        host_end: HostEnd::OnNetwork(port(bridged, config.uplink.clone())),
        addresses,
        detects_duplicates: false,
        routes: routes.iter().map(|route| kubenet::installed(route, leases)).collect(),
        unfiltered: families.without(filtered),
        forwarding: Forwarding { ipv4: families.ipv4, ipv6: families.ipv6 },
        masquerade: if pod.ip_masq { Masquerade::Podnet } else { Masquerade::No },
        guard: pod.guard,
        checks_sender: false,
        host_ports: pod.host_ports.plan(leases),
        shaping: pod.bandwidth.plan(),
        owner,
    }
}

/// The host's end.
///
/// # Arguments
/// `uplink`: the node's link to the network; `None`: the one of the default route.
pub(super) fn port(bridged: &Bridged, uplink: Option<LinkName>) -> NetworkPort {
    let Bridged { bridge, hairpin, via_host } = bridged.clone();
    NetworkPort { bridge, uplink, hairpin, diverted: via_host }
}
