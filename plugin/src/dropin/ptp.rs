//! `ptp`: a link of its own for each pod, and everything by way of the host.
//!
//! ```text
//!  pod eth0 10.1.1.2/24 ══ veth… 10.1.1.1/32 ── forwarding
//!  10.1.1.1 dev eth0 · 10.1.1.0/24 via 10.1.1.1       10.1.1.2 dev veth…
//! ```

use std::net::IpAddr;

use ipnet::IpNet;
use podnet_cni::json::decode;
use podnet_cni::{AddResult, Args, Network, Route};
use podnet_datapath::{
    self as datapath, Applied, Bridge, Families, Forwarding, Guard, HostEnd, HostPorts, LinkName, LinkPrefix,
    Masquerade, Owner, PodNetwork, Shaping, Veth,
};
use serde::Deserialize;

use super::interface::{Common, Kind, Wish};
use crate::error::Error;
use crate::ipam::{Gateways, Ipam};
use crate::mode::kubenet;
use crate::netconf::mtu;
use crate::record::{Lease, addresses};

/// `RT_SCOPE_LINK`.
const SCOPE_LINK: u8 = 253;

/// The plugin.
#[derive(Debug)]
pub(super) struct Ptp {
    mtu: Option<u32>,
}

impl Kind for Ptp {
    const NAME: &'static str = "ptp";

    fn read(network: &Network, args: &Args) -> Result<Wish<Self>, Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Conf {
            mtu: u32,
        }
        let conf: Conf = decode(&network.config)?;
        let common = Common::read(network)?;
        let ipam = Ipam::read(&common.asked(), network, args, Gateways::Needed)?;
        Ok(Wish { kind: Self { mtu: mtu(Some(conf.mtu))? }, common, ipam: Some(ipam) })
    }

    fn plan(&self, owner: Owner, ifname: LinkName, leases: &[Lease], routes: &[Route]) -> PodNetwork {
        let own: Vec<IpAddr> = leases.iter().map(|lease| lease.address.addr()).collect();
        let families = Families::among(&addresses(leases));
        let rest = routes.iter().map(|route| kubenet::installed(route, leases));
        PodNetwork {
            veth: Veth {
                prefix: LinkPrefix::VETH,
                pod_name: ifname,
                pod_mac: kubenet::mac_of(&own),
                mtu: self.mtu,
                is_up: true,
            },
            host_end: HostEnd::Routed { gateways: gateways(leases) },
            addresses: addresses(leases),
            detects_duplicates: false,
            routes: leases.iter().flat_map(through_host).chain(rest).collect(),
            forwarding: Forwarding { ipv4: families.ipv4, ipv6: families.ipv6 },
            masquerade: Masquerade::No,
            guard: Guard::default(),
            checks_sender: false,
            unfiltered: Families::default(),
            host_ports: HostPorts::default(),
            shaping: Shaping::default(),
            owner,
        }
    }

    fn routes(&self, _leases: &[Lease], ipam: Vec<Route>) -> Vec<Route> {
        ipam
    }

    fn result(&self, network: &PodNetwork, made: &Applied, netns: &str, leases: &[Lease]) -> AddResult {
        kubenet::result(network, made, netns, leases, Vec::new())
    }

    fn bridge(&self, _ipam: Option<&Ipam>) -> Option<Bridge> {
        None
    }
}

/// Each gateway once.
fn gateways(leases: &[Lease]) -> Vec<IpAddr> {
    let mut gateways: Vec<IpAddr> = leases.iter().filter_map(|lease| lease.gateway).collect();
    gateways.sort_unstable();
    gateways.dedup();
    gateways
}

/// The gateway is on the link, and the subnet behind it.
fn through_host(lease: &Lease) -> Vec<datapath::Route> {
    let source = Some(lease.address.addr());
    let route = |dst, via, scope| datapath::Route { via, source, scope, ..datapath::Route::on_link(dst) };
    let through = |gateway| {
        [
            route(IpNet::from(gateway), None, Some(SCOPE_LINK)),
            route(lease.address.trunc(), Some(gateway), None),
        ]
    };
    lease.gateway.into_iter().flat_map(through).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_sends_to_its_own_subnet_by_way_of_the_host() {
        let leases =
            [("10.1.1.2/24", "10.1.1.1"), ("fd00:1::2/64", "fd00:1::1")].map(|(address, gateway)| Lease {
                address: address.parse().unwrap(),
                gateway: Some(gateway.parse().unwrap()),
            });
        let network = Ptp { mtu: None }.plan(
            Owner::new("net", "c1", "eth0"),
            "eth0".parse().unwrap(),
            &leases,
            &[Route::new("0.0.0.0/0".parse().unwrap(), None)],
        );
        let routes: Vec<String> = network.routes.iter().map(ToString::to_string).collect();
        assert_eq!(
            routes,
            [
                "10.1.1.1/32 src 10.1.1.2 scope 253",
                "10.1.1.0/24 via 10.1.1.1 src 10.1.1.2",
                "fd00:1::1/128 src fd00:1::2 scope 253",
                "fd00:1::/64 via fd00:1::1 src fd00:1::2",
                "0.0.0.0/0 via 10.1.1.1",
            ]
        );
        assert_eq!(network.forwarding, Forwarding { ipv4: true, ipv6: true });
        assert_eq!(network.bridge(), None);
    }
}
