use serde_json::{Value, json};

use super::*;
use crate::testing::network;

fn read(config: &Value) -> Result<Conf, String> {
    let network = network(config);
    Conf::read(&network).map_err(|error| error.to_string())
}

#[test]
fn what_is_said_in_one_backends_language_asks_for_that_backend() {
    for (config, backend) in [
        (json!({}), None),
        (json!({"backend": "nftables"}), Some(Backend::Nftables)),
        (json!({"conditionsV4": ["-s", "10.0.0.0/8"]}), Some(Backend::Iptables)),
        (json!({"conditionsV6": ["!", "-s", "fd00::/8"]}), Some(Backend::Iptables)),
        (json!({"conditionsV6": ["ip6", "saddr", "fd00::/8"]}), Some(Backend::Nftables)),
        (json!({"conditionsV4": [], "conditionsV6": [""]}), None),
        (json!({"externalSetMarkChain": "X"}), Some(Backend::Iptables)),
    ] {
        assert_eq!(read(&config).unwrap().backend, backend, "{config}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (config, words) in [
        (json!({"backend": "pf"}), "backend: \"pf\""),
        (json!({"markMasqBit": -1}), "markMasqBit: -1"),
        (json!({"markMasqBit": 32}), "markMasqBit: 32"),
        (json!({"markMasqBit": 1, "externalSetMarkChain": "X"}), "markMasqBit: 1"),
        (json!({"backend": "nftables", "externalSetMarkChain": "X"}), "externalSetMarkChain: \"X\""),
        (json!({"backend": "nftables", "conditionsV4": ["-s"]}), "conditionsV4: \"-s\""),
        (json!({"conditionsV4": ["-s"], "conditionsV6": ["ip6"]}), "conditionsV6: \"ip6\""),
        (json!({"conditionsV4": ["-s", "x\nCOMMIT"]}), "conditionsV4: \"x\\nCOMMIT\""),
        (
            json!({"conditionsV6": ["ip6", "saddr", "::1; flush ruleset"]}),
            "conditionsV6: \"::1; flush ruleset\"",
        ),
        (json!({"externalSetMarkChain": "X\nCOMMIT"}), "externalSetMarkChain: \"X\\nCOMMIT\""),
        (
            json!({"runtimeConfig": {"portMappings": [{"hostPort": 0, "containerPort": 1}]}}),
            "runtimeConfig.portMappings[0]",
        ),
    ] {
        let error = read(&config).unwrap_err();
        assert!(error.starts_with(words), "{config}: {error}");
    }
}

#[test]
fn only_the_containers_own_addresses_count() {
    let result = AddResult::parse(&json!({"cniVersion": "1.1.0",
        "interfaces": [{"name": "br0"}, {"name": "eth0", "sandbox": "/run/netns/x"}, {"name": "eth1", "sandbox": "/run/netns/x"}],
        "ips": [{"address": "10.0.0.1/24", "interface": 0}, {"address": "10.0.0.2/24", "interface": 1},
            {"address": "10.0.0.3/24", "interface": 2}, {"address": "fd00::2/64"}]}));
    let found: Vec<_> = addresses(&result.unwrap(), "eth0").iter().map(ToString::to_string).collect();
    assert_eq!(found, ["10.0.0.2/24", "fd00::2/64"]);
}
