use podnet_ipam_api::{IpConfiguration, IpSubnet, Response, Route as WireRoute};

use super::*;

fn subnet(ip_address: &str, prefix_length: u8) -> IpSubnet {
    IpSubnet { ip_address: ip_address.to_owned(), prefix_length }
}

/// An address of a network of both families.
fn info(address: &str) -> PodIpInfo {
    PodIpInfo {
        pod_ip_config: subnet(address, 16),
        network_container_primary_ip_config: IpConfiguration {
            ip_subnet: subnet("10.224.0.0", 16),
            ip_subnet_v6: subnet("fd00::", 64),
            gateway_ip_address: "10.224.0.1".to_owned(),
            gateway_ipv6_address: "fd00::1".to_owned(),
            ..IpConfiguration::default()
        },
        nic_type: INFRA_NIC.to_owned(),
        ..PodIpInfo::default()
    }
}

fn read(infos: Vec<PodIpInfo>) -> Result<Offer, OfferError> {
    Offer::read(&IpConfigsReply { pod_ip_info: Some(infos), response: Response::default() })
}

fn told(offer: &Offer) -> Vec<String> {
    let gateway = |offered: &Offered| offered.gateway.map_or("-".to_owned(), |gateway| gateway.to_string());
    offer.addresses.iter().map(|offered| format!("{} via {}", offered.address, gateway(offered))).collect()
}

#[test]
fn each_family_has_its_own_subnet_and_gateway() {
    let offer = read(vec![info("10.224.1.5"), info("fd00::5")]).unwrap();
    assert_eq!(told(&offer), ["10.224.1.5/16 via 10.224.0.1", "fd00::5/64 via fd00::1"]);
}

#[test]
fn a_network_of_ipv6_alone_may_say_it_in_either_place() {
    let mut only = info("fd00::5");
    let network = &mut only.network_container_primary_ip_config;
    network.ip_subnet = subnet("fd00::", 64);
    network.ip_subnet_v6 = IpSubnet::default();
    network.gateway_ip_address = String::new();
    assert_eq!(told(&read(vec![only.clone()]).unwrap()), ["fd00::5/64 via fd00::1"]);
    only.network_container_primary_ip_config.gateway_ip_address = "fd00::1".to_owned();
    only.network_container_primary_ip_config.gateway_ipv6_address = String::new();
    assert_eq!(told(&read(vec![only]).unwrap()), ["fd00::5/64 via fd00::1"]);
}

#[test]
fn without_subnet_it_is_the_nodes_or_none() {
    let mut bare = info("10.224.1.5");
    bare.network_container_primary_ip_config = IpConfiguration::default();
    assert_eq!(told(&read(vec![bare.clone()]).unwrap()), ["10.224.1.5/32 via -"]);
    bare.host_primary_ip_info.subnet = "10.224.0.0/16".to_owned();
    assert_eq!(told(&read(vec![bare.clone()]).unwrap()), ["10.224.1.5/16 via -"]);
    bare.host_primary_ip_info.subnet = "10.0.0.0/16".to_owned();
    assert_eq!(told(&read(vec![bare]).unwrap()), ["10.224.1.5/32 via -"]);
}

#[test]
fn a_bridge_that_holds_gateways_says_which_address_has_none() {
    let mut overlay = info("10.244.2.35");
    overlay.network_container_primary_ip_config.gateway_ip_address = String::new();
    let offer = read(vec![info("10.224.1.5"), overlay]).unwrap();
    assert_eq!(offer.result(&[], Gateways::AsGiven).unwrap().ips[1].gateway, None);
    let error = offer.result(&[], Gateways::Needed).unwrap_err();
    assert!(
        matches!(&error, GrantError::GatewayAbsent { address } if address.to_string() == "10.244.2.35/16"),
        "{error}"
    );
}

#[test]
fn the_daemons_routes_come_before_the_configured_ones() {
    let mut pod = info("10.224.1.5");
    let route = |dst: &str, gateway: &str| WireRoute {
        ip_address: dst.to_owned(),
        gateway_ip_address: gateway.to_owned(),
        ..WireRoute::default()
    };
    pod.routes = Some(vec![route("10.1.0.0/16", "10.224.0.7"), route("10.2.0.0/16", "")]);
    let configured = Route::new("10.3.0.0/16".parse().unwrap(), None);
    let result =
        read(vec![pod.clone()]).unwrap().result(std::slice::from_ref(&configured), Gateways::Needed).unwrap();
    let routes: Vec<_> = result.routes.iter().map(|route| (route.dst.to_string(), route.gw)).collect();
    assert_eq!(
        routes,
        [
            ("10.1.0.0/16".to_owned(), Some("10.224.0.7".parse().unwrap())),
            ("10.2.0.0/16".to_owned(), None),
            ("10.3.0.0/16".to_owned(), None)
        ]
    );
    pod.routes = Some(vec![route("10.1.0.0", "")]);
    assert_eq!(read(vec![pod]), Err(malformed("Routes.IPAddress", "10.1.0.0")));
}

#[test]
fn a_daemon_that_skips_default_routes_says_all_routes() {
    let route = WireRoute { ip_address: "10.1.0.0/16".to_owned(), ..WireRoute::default() };
    let infra = PodIpInfo { skip_default_routes: true, routes: Some(vec![route]), ..info("10.224.1.5") };
    let offer = read(vec![infra, info("fd00::5")]).unwrap();
    assert!(offer.routes_are_all, "one interface, whichever address says it");
    let configured = Route::new("0.0.0.0/0".parse().unwrap(), None);
    let result = offer.result(&[configured], Gateways::Optional).unwrap();
    assert_eq!(result.routes, [Route::new("10.1.0.0/16".parse().unwrap(), None)]);
    assert!(!read(vec![info("10.224.1.5")]).unwrap().routes_are_all);
}

#[test]
fn what_cannot_be_used_is_named() {
    assert_eq!(read(Vec::new()), Err(OfferError::Empty));
    assert_eq!(read(vec![PodIpInfo::default()]), Err(malformed("PodIPConfig.IPAddress", "")));
    let mut long = info("10.224.1.5");
    long.network_container_primary_ip_config.ip_subnet.prefix_length = 33;
    assert_eq!(read(vec![long]), Err(malformed("IPSubnet.PrefixLength", "33")));
    let mut gateway = info("10.224.1.5");
    gateway.network_container_primary_ip_config.gateway_ip_address = "router".to_owned();
    assert_eq!(read(vec![gateway]), Err(malformed("GatewayIPAddress", "router")));
    let frontend = PodIpInfo { nic_type: "FrontendNIC".to_owned(), ..info("10.224.1.5") };
    assert_eq!(read(vec![frontend]), Err(OfferError::OtherInterface("FrontendNIC".to_owned())));
}
