use podnet_cni::json::decode;
use serde_json::{Value, json};

use super::*;
use crate::mode::Mode;

fn check(config: &Value) -> Result<Vnet, String> {
    match decode::<NetConf>(config).unwrap().check(&Args::default()) {
        Ok(Mode::Vnet(vnet)) => Ok(vnet),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.to_string()),
    }
}

fn bridged(members: &Value) -> Result<Bridged, String> {
    let mut config = json!({"mode": "vnet", "datapath": "bridge"});
    config.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    match check(&config)?.datapath {
        Datapath::Bridge(bridged) => Ok(bridged),
        other @ Datapath::Transparent => panic!("{other:?}"),
    }
}

#[test]
fn a_pod_is_guarded_unless_the_configuration_says_otherwise() {
    for datapath in ["transparent", "bridge"] {
        assert_eq!(check(&json!({"mode": "vnet", "datapath": datapath})).unwrap().pod.guard, GUARD);
        let open = json!({"mode": "vnet", "datapath": datapath,
                          "antiSpoofing": false, "blockWireserver": false, "blockIMDS": true});
        let expected = Guard { spoofing: false, wireserver: false, imds: true };
        assert_eq!(check(&open).unwrap().pod.guard, expected);
    }
}

#[test]
fn datapaths_and_uplinks_are_checked_by_name() {
    let vnet = check(&json!({"mode": "vnet", "datapath": "transparent", "master": "eth0"})).unwrap();
    assert_eq!((vnet.uplink, vnet.datapath), (Some("eth0".parse().unwrap()), Datapath::Transparent));
    for (member, value, words) in [
        ("datapath", "tunnel", "datapath: \"tunnel\" is not valid"),
        ("master", "a/b", "master: \"a/b\" is not valid"),
    ] {
        let error = check(&json!({"mode": "vnet", member: value})).unwrap_err();
        assert!(error.starts_with(words), "{error}");
    }
}

#[test]
fn a_bridge_has_azures_name_and_hairpin_ports_unless_told_otherwise() {
    let usual = bridged(&json!({})).unwrap();
    assert_eq!((usual.bridge.as_str(), usual.hairpin, usual.via_host), ("azure0", true, Vec::new()));
    let other = json!({"bridge": "br-vnet", "hairpinMode": "none",
                       "ipsToRouteViaHost": ["169.254.20.10", "fd00::a", "169.254.20.10"]});
    let other = bridged(&other).unwrap();
    assert_eq!((other.bridge.as_str(), other.hairpin), ("br-vnet", false));
    assert_eq!(other.via_host, ["169.254.20.10", "fd00::a"].map(|text| text.parse::<IpAddr>().unwrap()));
}

#[test]
fn what_a_bridge_cannot_be_is_named() {
    for (members, words) in [
        (json!({"bridge": "a b"}), "bridge: \"a b\" is not valid"),
        (json!({"master": "azure0"}), "master: \"azure0\" is not valid"),
        (json!({"hairpinMode": "promiscuous-bridge"}), "unsupported field hairpinMode"),
        (json!({"ipsToRouteViaHost": ["10.0.0.0/8"]}), "ipsToRouteViaHost[0]: \"10.0.0.0/8\""),
        (json!({"ipsToRouteViaHost": ["10.0.0.1", "::"]}), "ipsToRouteViaHost[1]: \"::\""),
    ] {
        let error = bridged(&members).unwrap_err();
        assert!(error.starts_with(words), "{error}");
    }
}
