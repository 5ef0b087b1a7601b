use podnet_cni::NetworkName;
use podnet_cni::Version;
use serde_json::{Value, json};

use super::*;

fn network(config: Value) -> Network {
    Network {
        name: NetworkName::new("net").unwrap(),
        version: Version::LATEST,
        config,
        text: Vec::new(),
        plugin_dirs: Vec::new(),
    }
}

fn check(config: Value, has_ipam: bool) -> Result<Bridge, String> {
    Bridge::check(&network(config), &Args::default(), has_ipam).map_err(|error| error.to_string())
}

#[test]
fn defaults_are_the_reference_plugins() {
    let bridge = check(json!({}), true).unwrap();
    assert_eq!((bridge.name.as_str(), bridge.mtu, bridge.is_up), ("cni0", None, true));
    let off = [bridge.is_gateway, bridge.is_default_gateway, bridge.hairpin, bridge.promiscuous];
    assert_eq!(off, [false; 4]);
    let bridge = check(json!({"isDefaultGateway": true}), true).unwrap();
    assert!(bridge.is_gateway && bridge.is_default_gateway);
}

#[test]
fn trunks_are_sorted_and_each_vlan_is_there_once() {
    let trunk = json!([{"minID": 7, "maxID": 9}, {"id": 8}, {"id": 3}, {"minID": 1, "maxID": 1, "id": 2}]);
    let bridge = check(json!({"vlanTrunk": trunk}), true).unwrap();
    assert_eq!(bridge.trunk, [1, 2, 3, 7, 8, 9]);
    assert!(bridge.filters_vlans && bridge.vlan.is_none());
}

#[test]
fn what_is_wrong_is_named() {
    for (config, member, words) in [
        (json!({"vlan": -1}), "vlan", "invalid VLAN ID -1 (must be between 0 and 4094)"),
        (json!({"vlan": 4095}), "vlan", "invalid VLAN ID 4095"),
        (json!({"vlanTrunk": [{"minID": 0, "maxID": 2}]}), "vlanTrunk[0].minID", "incorrect trunk minID"),
        (
            json!({"vlanTrunk": [{"id": 1}, {"minID": 1, "maxID": 4095}]}),
            "vlanTrunk[1].maxID",
            "incorrect trunk maxID",
        ),
        (json!({"vlanTrunk": [{"id": 4095}]}), "vlanTrunk[0].id", "incorrect trunk id"),
        (json!({"vlanTrunk": [{"minID": 5}]}), "vlanTrunk[0].minID", "maxID is missing"),
        (json!({"vlanTrunk": [{"maxID": 5}]}), "vlanTrunk[0].maxID", "minID is missing"),
        (
            json!({"vlanTrunk": [{"minID": 5, "maxID": 4}]}),
            "vlanTrunk[0].minID",
            "minID is greater than maxID",
        ),
        (json!({"hairpinMode": true, "promiscMode": true}), "promiscMode", "at the same time"),
        (json!({"disableContainerInterface": true}), "disableContainerInterface", "leave ipam out"),
        (json!({"bridge": "a/b"}), "bridge", "cannot name"),
        (json!({"mtu": 70000}), "mtu", "65535"),
    ] {
        let error = check(config.clone(), true).unwrap_err();
        assert!(error.starts_with(&format!("{member}: ")) && error.contains(words), "{config}: {error}");
    }
}
