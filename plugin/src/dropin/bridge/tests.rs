use podnet_cni::{NetworkName, Version};
use serde_json::{Value, json};

use super::*;

fn bridge(config: Value) -> Bridge {
    let network = Network {
        name: NetworkName::new("net").unwrap(),
        version: Version::LATEST,
        config,
        text: Vec::new(),
        plugin_dirs: Vec::new(),
    };
    Bridge::check(&network, &Args::default(), false).unwrap()
}

fn planned(bridge: &Bridge, leases: &[Lease]) -> PodNetwork {
    let routes = bridge.routes(leases, Vec::new());
    bridge.plan(Owner::new("net", "c1", "eth0"), "eth0".parse().unwrap(), leases, &routes)
}

fn leases() -> [Lease; 1] {
    [Lease { address: "10.1.0.5/24".parse().unwrap(), gateway: Some("10.1.0.1".parse().unwrap()) }]
}

#[test]
fn without_ipam_there_are_links_and_nothing_else() {
    let network = planned(&bridge(json!({"disableContainerInterface": true})), &[]);
    assert!(!network.veth.is_up && network.addresses.is_empty() && network.routes.is_empty());
    assert_eq!(network.veth.mtu, Some(DEFAULT_MTU));
    assert_ne!(network.veth.pod_mac, network.owner.mac());
    assert!(network.bridge().unwrap().gateways.is_empty());
}

#[test]
fn bridges_without_gateway_have_hardware_addresses_of_their_own() {
    let mac = |name: &str| planned(&bridge(json!({"bridge": name})), &[]).bridge().unwrap().mac;
    assert_eq!(mac("br0"), mac("br0"));
    assert_ne!(mac("br0"), mac("br1"));
    assert_eq!(mac("br0").bytes()[0] & 3, 2, "locally administered, of one station");
}

#[test]
fn a_gateway_is_one_only_where_the_configuration_says_so() {
    let network = planned(&bridge(json!({})), &leases());
    assert!(network.bridge().unwrap().gateways.is_empty() && network.routes.is_empty());
    let network = planned(&bridge(json!({"isDefaultGateway": true})), &leases());
    assert_eq!(network.bridge().unwrap().gateways, ["10.1.0.1/24".parse().unwrap()]);
    assert_eq!(network.routes.len(), 1);
}

#[test]
fn what_only_the_reference_plugin_has_reaches_the_plan() {
    let config = json!({"promiscMode": true, "portIsolation": true, "macspoofchk": true, "enabledad": true,
        "mtu": 1400, "mac": "ignored", "runtimeConfig": {"mac": "02:00:00:00:00:05"}});
    let network = planned(&bridge(config), &leases());
    let HostEnd::Port(port) = &network.host_end else { panic!("no port") };
    assert!(port.isolated && !port.hairpin && network.checks_sender && network.detects_duplicates);
    assert_eq!((port.bridge.promiscuity, port.bridge.adopts_mtu), (Promiscuity::On, true));
    assert_eq!((network.veth.mtu, port.bridge.mtu), (Some(1400), Some(1400)));
    assert_eq!(network.veth.pod_mac.to_string(), "02:00:00:00:00:05");
}
