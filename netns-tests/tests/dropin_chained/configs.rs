//! The configurations.

use podnet_netns_tests::dropin::Maker;
use podnet_netns_tests::failure::Failure;
use podnet_netns_tests::network::Network;
use serde_json::{Value, json};

/// A configuration: its name, and the members of the plugin's entry.
pub(super) type Config = (&'static str, fn() -> Value);

pub(super) const PORTMAP: [Config; 8] = [
    ("portmap_iptables", || json!({"backend": "iptables"})),
    ("portmap_nftables", || json!({"backend": "nftables"})),
    ("portmap_detected", || json!({})),
    ("portmap_iptables_without_snat", || json!({"backend": "iptables", "snat": false})),
    ("portmap_nftables_without_snat", || json!({"backend": "nftables", "snat": false})),
    ("portmap_iptables_conditions", || {
        json!({"masqAll": true, "markMasqBit": 5, "conditionsV4": ["-s", "10.0.0.0/8", "!", "-d", "10.9.0.0/16"],
            "conditionsV6": ["-m", "comment", "--comment", "two \"words\""]})
    }),
    (
        "portmap_nftables_conditions",
        || json!({"conditionsV4": ["ip", "daddr", "!=", "10.9.0.1"], "backend": "nftables"}),
    ),
    ("portmap_external_mark", || json!({"externalSetMarkChain": "KUBE-MARK-MASQ"})),
];

pub(super) const BANDWIDTH: [Config; 5] = [
    (
        "bandwidth_both",
        || json!({"ingressRate": 8_000_000, "ingressBurst": 8_000_000, "egressRate": 16_000_000, "egressBurst": 1_600_000}),
    ),
    ("bandwidth_receiving", || json!({"ingressRate": 777_777_777, "ingressBurst": 1_234_567})),
    // As kubelet and containerd pass it.
    ("bandwidth_runtime", || {
        json!({"runtimeConfig": {"bandwidth": {"IngressRate": 5_000_000, "IngressBurst": u32::MAX,
            "EgressRate": 6_000_000, "EgressBurst": i32::MAX}}})
    }),
    ("bandwidth_below_a_packet", || json!({"egressRate": 3_000_000, "egressBurst": 800})),
    ("bandwidth_none", || json!({"ingressRate": 0, "ingressBurst": 0})),
];

pub(super) const HOST_LOCAL: [Config; 7] = [
    ("host_local_ranges", || json!({"ipam": ranges()})),
    ("host_local_old_style", || {
        json!({"ipam": {"type": "host-local", "subnet": "10.1.0.0/24", "rangeStart": "10.1.0.10",
            "rangeEnd": "10.1.0.20", "gateway": "10.1.0.254"}})
    }),
    ("host_local_routes", || {
        json!({"ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]], "routes": [
            {"dst": "0.0.0.0/0"}, {"dst": "10.9.0.0/16", "gw": "10.1.0.9", "mtu": 1400, "priority": 7}]}})
    }),
    ("host_local_resolv_conf", || {
        json!({"ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]],
            "resolvConf": "/run/resolv.conf"}})
    }),
    ("host_local_requested", || {
        json!({"ipam": ranges(), "args": {"cni": {"ips": ["10.1.0.77"]}},
            "runtimeConfig": {"ips": ["fd01::77/64"]}})
    }),
    (
        "host_local_capability",
        || json!({"ipam": ranges(), "runtimeConfig": {"ipRanges": [[{"subnet": "10.2.0.0/24"}]]}}),
    ),
    (
        "host_local_for_another_plugin",
        || json!({"ipam": ranges(), "mode": "l2", "mtu": "many", "dns": {"nameservers": ["10.1.0.1"]}}),
    ),
];

pub(super) const STATIC: [Config; 4] = [
    ("static_addresses", || {
        json!({"ipam": {"type": "static", "addresses": [{"address": "10.1.0.5/24", "gateway": "10.1.0.254"},
            {"address": "fd01::5/64"}], "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.9.0.0/16", "gw": "10.1.0.9"}],
            "dns": {"nameservers": ["10.1.0.1"], "domain": "example.org", "search": ["a", "b"], "options": ["x"]}}})
    }),
    (
        "static_args",
        || json!({"args": {"cni": {"ips": ["10.3.0.5/24"]}}, "ipam": {"type": "static", "routes": []}}),
    ),
    ("static_runtime", || {
        json!({"runtimeConfig": {"ips": ["10.4.0.5/24", "fd04::5/64"]},
            "ipam": {"type": "static", "addresses": [{"address": "10.1.0.5/24"}]}})
    }),
    ("static_no_address", || json!({"ipam": {"type": "static"}})),
];

pub(super) fn ranges() -> Value {
    json!({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd01::/64"}]]})
}

/// A bridge whose one pod has always the same addresses.
pub(super) fn bridge() -> Value {
    json!({"type": "bridge", "bridge": "br0", "isDefaultGateway": true, "hairpinMode": true, "ipam": {"type": "static", "addresses": [
        {"address": "10.1.0.77/24", "gateway": "10.1.0.1"}, {"address": "fd01::77/64", "gateway": "fd01::1"}]}})
}

/// The plugin's entry behind such a bridge; portmap's with some ports.
pub(super) fn chain(kind: &str, members: &Value) -> Vec<Value> {
    let mut entry = members.clone();
    entry["type"] = json!(kind);
    if kind == "portmap" {
        entry["runtimeConfig"] = json!({"portMappings": [
            {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
            {"hostPort": 8080, "containerPort": 53, "protocol": "udp"},
            {"hostPort": 8081, "containerPort": 81, "protocol": "tcp", "hostIP": "10.1.0.1"},
            {"hostPort": 8082, "containerPort": 82, "protocol": "sctp", "hostIP": "::"}]});
    }
    vec![bridge(), entry]
}

pub(super) fn alone(kind: &str, members: &Value) -> Vec<Value> {
    let mut entry = members.clone();
    entry["type"] = json!(kind);
    vec![entry]
}

pub(super) fn network(maker: Maker, plugins: Vec<Value>) -> Result<Network, Failure> {
    std::fs::write("/run/resolv.conf", "nameserver 10.1.0.53\nsearch a b\noptions ndots:5\n")?;
    Ok(Network { name: "dropin".into(), version: "1.1.0".into(), plugins, path: vec![maker.folder()?] })
}

/// Every configuration with its plugins.
pub(super) fn configs() -> Vec<(&'static str, Vec<Value>)> {
    let of = |configs: &[Config], plugins: fn(&str, &Value) -> Vec<Value>, kind: &'static str| {
        configs.iter().map(|(name, members)| (*name, plugins(kind, &members()))).collect::<Vec<_>>()
    };
    [
        of(&PORTMAP, chain, "portmap"),
        of(&BANDWIDTH, chain, "bandwidth"),
        of(&HOST_LOCAL, alone, "host-local"),
        of(&STATIC, alone, "static"),
    ]
    .concat()
}
