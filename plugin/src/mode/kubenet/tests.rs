use proptest::prelude::*;

use podnet_datapath::{OtherGateways, Owner};

use super::*;

fn lease(address: &str, gateway: &str) -> Lease {
    Lease { address: address.parse().unwrap(), gateway: Some(gateway.parse().unwrap()) }
}

fn dual() -> [Lease; 2] {
    [lease("10.244.1.5/24", "10.244.1.1"), lease("fd00:1::5/64", "fd00:1::1")]
}

fn config() -> Kubenet {
    Kubenet {
        owns_subnets: false,
        bridge: "cbr0".parse().unwrap(),
        hairpin: Hairpin::Veth,
        is_gateway: true,
        is_default_gateway: true,
        others: OtherGateways::Refused,
        pod: PodOptions::default(),
    }
}

fn facts<'a>(leases: &'a [Lease], routes: &'a [Route], filtered: Families) -> PodFacts<'a> {
    let (owner, ifname) = (Owner::new("net", "c1", "eth0"), "eth0".parse().unwrap());
    PodFacts { owner, ifname, leases, routes, filtered }
}

fn planned(config: &Kubenet, leases: &[Lease], routes: &[Route]) -> PodNetwork {
    plan(config, facts(leases, routes, FILTERED))
}

fn port(network: &PodNetwork) -> &Port {
    let HostEnd::Port(port) = &network.host_end else { panic!("no port: {network:?}") };
    port
}

fn bridge(network: &PodNetwork) -> &Bridge {
    &port(network).bridge
}

/// As on a node with `br_netfilter`.
const FILTERED: Families = Families { ipv4: true, ipv6: true };

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

#[test]
fn a_dual_stack_pod_is_a_port_of_a_bridge_that_is_its_gateway() {
    let routes = routes(&config(), &dual(), Vec::new());
    let network = planned(&config(), &dual(), &routes);
    assert_eq!(network.addresses, [net("10.244.1.5/24"), net("fd00:1::5/64")]);
    assert_eq!(bridge(&network).gateways, [net("10.244.1.1/24"), net("fd00:1::1/64")]);
    assert_eq!(network.forwarding, Forwarding { ipv4: true, ipv6: true });
    assert_eq!(network.veth.pod_mac.to_string(), "0a:58:0a:f4:01:05");
    assert_eq!(bridge(&network).mac.to_string(), "0a:58:0a:f4:01:01");
    assert!(port(&network).hairpin && network.masquerade == Masquerade::No);
    let vias: Vec<_> =
        network.routes.iter().map(|route| (route.dst, route.via.unwrap().to_string())).collect();
    assert_eq!(vias, [(net("0.0.0.0/0"), "10.244.1.1".to_owned()), (net("::/0"), "fd00:1::1".to_owned())]);
}

#[test]
fn a_default_route_of_the_configuration_is_not_doubled() {
    let given = Route::new(net("0.0.0.0/0"), None);
    let routes = routes(&config(), &dual(), vec![given.clone()]);
    assert_eq!(routes.iter().map(|route| route.dst).collect::<Vec<_>>(), [net("0.0.0.0/0"), net("::/0")]);
    assert_eq!(routes[0], given, "the result repeats the configuration's route as it is");
    let installed = planned(&config(), &dual(), &routes).routes;
    assert_eq!(installed[0].via, Some("10.244.1.1".parse().unwrap()), "the kernel's route needs the gateway");
}

#[test]
fn without_gateway_the_bridge_stays_without_address_and_the_node_does_not_forward() {
    let config = Kubenet { is_gateway: false, is_default_gateway: false, ..config() };
    let routes = routes(&config, &dual(), Vec::new());
    let network = planned(&config, &dual(), &routes);
    assert!(bridge(&network).gateways.is_empty() && network.routes.is_empty());
    assert_eq!(network.forwarding, Forwarding::default());
}

#[test]
fn a_route_of_a_family_without_address_has_no_gateway_to_go_through() {
    let route = Route::new(net("fd00:9::/64"), None);
    assert_eq!(installed(&route, &dual()[..1]).via, None);
}

#[test]
fn the_result_lists_bridge_host_end_and_pod_end() {
    let network = planned(&config(), &dual(), &[]);
    let made = Applied {
        bridge_mac: Some(bridge(&network).mac),
        gateway_link: None,
        host_name: "veth0123456789a".parse().unwrap(),
        host_index: 7,
        host_mac: network.owner.mac(),
        pod_mac: network.veth.pod_mac,
        mtu: 1500,
    };
    let result = result(&network, &made, "/run/netns/x", &dual(), Vec::new());
    let names: Vec<_> = result.interfaces.iter().map(|interface| interface.name.as_str()).collect();
    assert_eq!(names, ["cbr0", "veth0123456789a", "eth0"]);
    let sandboxes: Vec<_> = result.interfaces.iter().map(|interface| interface.sandbox.as_deref()).collect();
    assert_eq!(sandboxes, [None, None, Some("/run/netns/x")]);
    assert!(result.ips.iter().all(|ip| ip.interface == Some(2) && ip.gateway.is_some()));
}

#[test]
fn neighbours_services_need_help_where_frames_pass_no_rules() {
    let plan = |config: &Kubenet, filtered| plan(config, facts(&dual(), &[], filtered));
    assert_eq!(plan(&config(), FILTERED).unfiltered, Families::default());
    let ipv4_alone = Families { ipv4: true, ipv6: false };
    assert_eq!(plan(&config(), ipv4_alone).unfiltered, Families { ipv4: false, ipv6: true });
    assert_eq!(plan(&config(), Families::default()).unfiltered, FILTERED);
    let switched = Kubenet { is_gateway: false, is_default_gateway: false, ..config() };
    assert_eq!(plan(&switched, Families::default()).unfiltered, Families::default());
}

#[test]
fn a_promiscuous_bridges_ports_are_in_hairpin_mode_where_frames_pass_the_rules() {
    let veth = config();
    let config = Kubenet { hairpin: Hairpin::Promiscuous, ..config() };
    for (filtered, hairpin) in [(FILTERED, true), (Families::default(), false)] {
        let network = plan(&config, facts(&dual(), &[], filtered));
        assert_eq!(
            (port(&network).hairpin, bridge(&network).promiscuity),
            (hairpin, Promiscuity::Deduplicated)
        );
    }
    assert_eq!(bridge(&planned(&veth, &dual(), &[])).promiscuity, Promiscuity::Off);
}

proptest! {
    #[test]
    fn hardware_addresses_are_those_of_single_stations_and_differ_as_ipv4_addresses_do(a: [u8; 4], b: [u8; 4], c: [u8; 16]) {
        let mac = |address: IpAddr| mac_of(&[address]);
        for address in [IpAddr::from(a), IpAddr::from(c)] {
            prop_assert_eq!(mac(address).bytes()[0] & 1, 0);
        }
        prop_assert_eq!(a == b, mac(a.into()) == mac(b.into()));
    }
}
