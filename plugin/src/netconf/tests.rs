use podnet_cni::Args;
use podnet_cni::json::decode;
use serde_json::json;

use super::*;

fn check(config: &Value) -> Result<Kubenet, ConfigError> {
    match decode::<NetConf>(config).unwrap().check(&Args::default())? {
        Mode::Kubenet(kubenet) => Ok(kubenet),
        Mode::Vnet(vnet) => panic!("{vnet:?}"),
    }
}

fn refused(config: &Value) -> String {
    check(config).unwrap_err().to_string()
}

#[test]
fn the_smallest_configuration_means_kubenet() {
    let kubenet = check(&json!({"mode": "kubenet"})).unwrap();
    let expected = Kubenet {
        bridge: "cbr0".parse().unwrap(),
        hairpin: Hairpin::Veth,
        is_gateway: true,
        is_default_gateway: true,
        others: OtherGateways::Refused,
        pod: PodOptions {
            host_ports: PortMappings { snat: true, ..PortMappings::default() },
            ..PodOptions::default()
        },
        owns_subnets: false,
    };
    assert_eq!(kubenet, expected);
}

#[test]
fn an_earlier_gateway_is_refused_replaced_or_kept() {
    let others = |config| check(&config).unwrap().others;
    assert_eq!(others(json!({"mode": "kubenet", "forceAddress": true})), OtherGateways::Replaced);
    assert_eq!(others(json!({"mode": "kubenet", "keepSubnets": true})), OtherGateways::Kept);
    assert!(
        refused(&json!({"mode": "kubenet", "keepSubnets": true, "forceAddress": true}))
            .contains("keepSubnets")
    );
}

#[test]
fn a_bridge_that_is_no_gateway_is_no_default_gateway_unless_asked_to() {
    let kubenet = check(&json!({"mode": "kubenet", "isGateway": false})).unwrap();
    assert!(!kubenet.is_gateway && !kubenet.is_default_gateway);
    let kubenet = check(&json!({"mode": "kubenet", "isGateway": false, "isDefaultGateway": true})).unwrap();
    assert!(kubenet.is_gateway && kubenet.is_default_gateway);
}

#[test]
fn hairpin_takes_kubenets_words_and_the_reference_bridges_booleans() {
    for (members, hairpin) in [
        (json!({"hairpinMode": "hairpin-veth"}), Hairpin::Veth),
        (json!({"hairpinMode": "promiscuous-bridge"}), Hairpin::Promiscuous),
        (json!({"hairpinMode": "none"}), Hairpin::None),
        (json!({"hairpinMode": true}), Hairpin::Veth),
        (json!({"hairpinMode": false}), Hairpin::None),
        (json!({"promiscMode": true}), Hairpin::Promiscuous),
        (json!({"promiscMode": false}), Hairpin::Veth),
        (json!({"hairpinMode": false, "promiscMode": true}), Hairpin::Promiscuous),
        (json!({"hairpinMode": "promiscuous-bridge", "promiscMode": true}), Hairpin::Promiscuous),
    ] {
        let mut config = members.clone();
        config["mode"] = json!("kubenet");
        assert_eq!(check(&config).unwrap().hairpin, hairpin, "{members}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (config, words) in [
        (json!({}), "mode is missing"),
        (json!({"mode": "ipvlan"}), "mode: \"ipvlan\" is not valid"),
        (
            json!({"mode": "kubenet", "bridge": "a-name-that-is-too-long"}),
            "bridge: \"a-name-that-is-too-long\"",
        ),
        (json!({"mode": "kubenet", "bridge": "a/b"}), "bridge: \"a/b\""),
        (json!({"mode": "kubenet", "mtu": 67}), "mtu: 67"),
        (json!({"mode": "kubenet", "mtu": 65536}), "mtu: 65536"),
        (json!({"mode": "kubenet", "hairpinMode": "veth"}), "hairpinMode: \"veth\""),
        (json!({"mode": "kubenet", "hairpinMode": 1}), "hairpinMode: 1"),
        (json!({"mode": "kubenet", "hairpinMode": true, "promiscMode": true}), "promiscMode: true"),
        (
            json!({"mode": "kubenet", "hairpinMode": "promiscuous-bridge", "promiscMode": false}),
            "promiscMode: false",
        ),
    ] {
        let error = refused(&config);
        assert!(error.starts_with(words), "{config}: {error}");
    }
}

#[test]
fn what_cannot_be_honoured_is_refused_and_not_passed_over() {
    let config = json!({"mode": "kubenet", "portmapBackend": "ebtables"});
    assert_eq!(refused(&config), "unsupported field portmapBackend: \"ebtables\"");
}

#[test]
fn switches_that_are_off_and_lists_that_are_empty_ask_for_nothing() {
    let config = json!({"mode": "kubenet", "antiSpoofing": false, "runtimeConfig": {"portMappings": null}});
    check(&config).unwrap();
}

#[test]
fn each_switch_of_the_guard_is_one_of_its_own() {
    let guard = |spoofing, wireserver, imds| Guard { spoofing, wireserver, imds };
    for (member, wanted) in [
        ("antiSpoofing", guard(true, false, false)),
        ("blockWireserver", guard(false, true, false)),
        ("blockIMDS", guard(false, false, true)),
    ] {
        assert_eq!(check(&json!({"mode": "kubenet", member: true})).unwrap().pod.guard, wanted, "{member}");
    }
}

#[test]
fn the_runtime_overrules_args_and_those_cni_args() {
    let mac = |text: &str| Some(MacAddr::new(text.parse::<podnet_cni::MacAddr>().unwrap().octets()));
    let (low, middle, high) = ("02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03");
    let args = Args::parse(&format!("MAC={low}")).unwrap();
    let mut config = json!({"mode": "kubenet"});
    let given = |config: &Value| decode::<NetConf>(config).unwrap().check(&args).unwrap().pod().mac;
    assert_eq!(given(&config), mac(low));
    config["args"] = json!({"cni": {"mac": middle}});
    assert_eq!(given(&config), mac(middle));
    config["runtimeConfig"] = json!({"mac": high});
    assert_eq!(given(&config), mac(high));
}

#[test]
fn each_list_of_dns_is_the_runtimes_else_the_configurations_else_ipams() {
    let dns = |config: Value| {
        let ipam =
            Dns { nameservers: vec!["ipam".to_owned()], domain: Some("ipam".to_owned()), ..Dns::default() };
        serde_json::to_value(decode::<NetConf>(&config).unwrap().dns(ipam)).unwrap()
    };
    assert_eq!(dns(json!({})), json!({"nameservers": ["ipam"], "domain": "ipam"}));
    let configured = json!({"nameservers": ["conf"], "search": ["conf"]});
    assert_eq!(dns(json!({"dns": configured})), configured);
    // As containerd sends it, and as CRI-O does.
    let runtime = json!({"Servers": ["10.255.255.53"], "Searches": ["a.b"], "Options": null});
    assert_eq!(
        dns(json!({"dns": configured, "runtimeConfig": {"dns": runtime}})),
        json!({"nameservers": ["10.255.255.53"], "search": ["a.b"]})
    );
    let runtime = json!({"servers": [], "searches": [], "options": ["ndots:5"]});
    assert_eq!(
        dns(json!({"runtimeConfig": {"dns": runtime}})),
        json!({"nameservers": ["ipam"], "domain": "ipam", "options": ["ndots:5"]})
    );
}

#[test]
fn what_runtimes_send_for_others_is_passed_over() {
    for runtime in [
        // containerd
        json!({"PortMappings": null, "ips": null, "io.kubernetes.cri.pod-annotations": {"kubernetes.io/x": "y"},
            "dns": {"Servers": ["1.2.3.4"], "Searches": null, "Options": null}}),
        // CRI-O and podman
        json!({"portMappings": [], "aliases": {"net": ["a"]}, "cgroupPath": "/kubepods"}),
        json!({"aliases": ["a", "b"], "deviceID": "0000:04:00.5", "infinibandGUID": "c2:11:22:33:44:55:66:77"}),
    ] {
        let config = json!({
            "mode": "kubenet", "runtimeConfig": runtime, "cni.dev/anything": [1],
            "args": {"cni": {"labels": [{"key": "app", "value": "x"}]}, "org.example": {}},
        });
        check(&config).unwrap_or_else(|error| panic!("{config}: {error}"));
    }
}

#[test]
fn ipv6_needs_its_smallest_mtu() {
    let kubenet = check(&json!({"mode": "kubenet", "mtu": 1279})).unwrap();
    kubenet.pod.check_families(false).unwrap();
    assert!(kubenet.pod.check_families(true).unwrap_err().to_string().starts_with("mtu: 1279"));
}
