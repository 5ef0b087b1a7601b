use podnet_datapath::Owner;

use super::*;
use crate::netconf::{Bridged, PodOptions};

fn lease(address: &str, gateway: Option<&str>) -> Lease {
    Lease { address: address.parse().unwrap(), gateway: gateway.map(|gateway| gateway.parse().unwrap()) }
}

fn dual() -> [Lease; 2] {
    [lease("10.224.1.5/16", Some("10.224.0.1")), lease("fd00:224::5/64", None)]
}

fn planned(leases: &[Lease], ipam: Vec<Route>) -> PodNetwork {
    by_datapath(Datapath::Transparent, leases, ipam)
}

fn vnet(datapath: Datapath) -> Vnet {
    Vnet { uplink: None, datapath, pod: PodOptions::default() }
}

fn by_datapath(datapath: Datapath, leases: &[Lease], ipam: Vec<Route>) -> PodNetwork {
    let config = vnet(datapath);
    let routes = routes(&config, leases, ipam, false);
    let owner = Owner::new("azure", "c1", "eth0");
    let filtered = Families { ipv4: true, ipv6: false };
    plan(&config, PodFacts { owner, ifname: "eth0".parse().unwrap(), leases, routes: &routes, filtered })
}

fn texts(network: &PodNetwork) -> Vec<String> {
    network.routes.iter().map(ToString::to_string).collect()
}

#[test]
fn a_pod_reaches_everything_by_gateways_that_nobody_has() {
    let network = planned(&dual(), Vec::new());
    assert_eq!(
        texts(&network),
        [
            "169.254.1.1/32 scope 253 proto 4",
            "fe80::1234:5678:9abc/128 scope 253 proto 4",
            "0.0.0.0/0 via 169.254.1.1 proto 4",
            "::/0 via fe80::1234:5678:9abc proto 4",
        ]
    );
    assert_eq!(network.host_end, HostEnd::Transparent { gateways: GATEWAYS.to_vec(), uplink: None });
    assert_eq!(network.forwarding, Forwarding { ipv4: true, ipv6: true });
    assert_eq!(network.bridge_name(), None);
}

#[test]
fn a_family_without_address_has_nothing() {
    let network = planned(&dual()[1..], Vec::new());
    assert_eq!(
        texts(&network),
        ["fe80::1234:5678:9abc/128 scope 253 proto 4", "::/0 via fe80::1234:5678:9abc proto 4"]
    );
    assert_eq!(network.forwarding, Forwarding { ipv4: false, ipv6: true });
}

#[test]
fn routes_of_ipam_go_through_the_host_and_a_default_route_is_not_doubled() {
    let next_hop = Some("10.224.0.1".parse().unwrap());
    let given = ["0.0.0.0/0", "10.0.0.0/8"].map(|dst| Route::new(dst.parse().unwrap(), next_hop)).to_vec();
    let network = planned(&dual()[..1], given);
    assert_eq!(
        texts(&network),
        [
            "169.254.1.1/32 scope 253 proto 4",
            "0.0.0.0/0 via 169.254.1.1 proto 4",
            "10.0.0.0/8 via 169.254.1.1 proto 4",
        ]
    );
}

#[test]
fn nothing_is_added_to_routes_that_are_all() {
    let bridged = Bridged { bridge: "azure0".parse().unwrap(), hairpin: true, via_host: Vec::new() };
    let leases = [lease("10.224.1.5/16", Some("10.224.0.1"))];
    for (datapath, next_hop) in
        [(Datapath::Transparent, "169.254.1.1"), (Datapath::Bridge(bridged), "10.224.0.9")]
    {
        let config = vnet(datapath);
        let given = |gw: &str| Route::new("10.0.0.0/8".parse().unwrap(), Some(gw.parse().unwrap()));
        assert_eq!(routes(&config, &leases, vec![given("10.224.0.9")], true), [given(next_hop)]);
        assert_eq!(routes(&config, &leases, Vec::new(), true), []);
    }
}

#[test]
fn the_result_tells_the_networks_gateway_and_for_want_of_one_the_pods() {
    let told = told(&vnet(Datapath::Transparent), &dual());
    let gateways: Vec<_> = told.iter().map(|lease| lease.gateway.unwrap().to_string()).collect();
    assert_eq!(gateways, ["10.224.0.1", "fe80::1234:5678:9abc"]);
}

#[test]
fn a_pod_on_the_network_itself_has_the_networks_gateway() {
    let bridged = Bridged {
        bridge: "azure0".parse().unwrap(),
        hairpin: true,
        via_host: vec!["169.254.20.10".parse().unwrap()],
    };
    let leases = [lease("10.224.1.5/16", Some("10.224.0.1")), lease("fd00:224::5/64", Some("fe80::1"))];
    let given = vec![Route::new("10.0.0.0/8".parse().unwrap(), Some("10.224.0.9".parse().unwrap()))];
    let network = by_datapath(Datapath::Bridge(bridged.clone()), &leases, given);
    assert_eq!(
        texts(&network),
        ["10.0.0.0/8 via 10.224.0.9", "0.0.0.0/0 via 10.224.0.1", "::/0 via fe80::1"]
    );
    let HostEnd::OnNetwork(port) = &network.host_end else { panic!("{network:?}") };
    assert_eq!((port.bridge.as_str(), &port.diverted), ("azure0", &bridged.via_host));
    assert_eq!(network.unfiltered, Families { ipv4: false, ipv6: true }, "br_netfilter sees only IPv4");
    let told = told(&vnet(Datapath::Bridge(bridged)), &leases);
    assert_eq!(told, leases);
}
