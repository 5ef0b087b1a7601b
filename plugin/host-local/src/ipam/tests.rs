//! The rules for configurations, by example (containernetworking plugins, host-local `range_test.go`,
//! `range_set_test.go` and `config_test.go`, by behaviour).

use serde_json::{Value, json};

use super::*;
use crate::testing::{ip, ipam};

fn refusal(config: Value) -> String {
    ipam(config).unwrap_err().to_string()
}

fn bounds(range: &Value) -> [String; 3] {
    let ipam = ipam(json!({ "ranges": [[range]] })).unwrap();
    let range = &ipam.range_sets[0].ranges()[0];
    [range.gateway(), range.first(), range.last()].map(|address| address.to_string())
}

#[test]
fn defaults_of_a_range() {
    let cases = [
        (json!({ "subnet": "192.0.2.0/24" }), ["192.0.2.1", "192.0.2.1", "192.0.2.254"]),
        (json!({ "subnet": "192.0.2.128/26" }), ["192.0.2.129", "192.0.2.129", "192.0.2.190"]),
        (json!({ "subnet": "10.1.2.0/30" }), ["10.1.2.1", "10.1.2.1", "10.1.2.2"]),
        (
            json!({ "subnet": "2001:db8:1::/64" }),
            ["2001:db8:1::1", "2001:db8:1::1", "2001:db8:1:0:ffff:ffff:ffff:ffff"],
        ),
        (json!({ "subnet": "fd00::/126" }), ["fd00::1", "fd00::1", "fd00::3"]),
        (
            json!({ "subnet": "255.255.255.252/30" }),
            ["255.255.255.253", "255.255.255.253", "255.255.255.254"],
        ),
        (
            json!({ "subnet": "10.0.0.0/24", "rangeStart": "10.0.0.40", "rangeEnd": "10.0.0.50", "gateway": "10.0.0.254" }),
            ["10.0.0.254", "10.0.0.40", "10.0.0.50"],
        ),
        (
            json!({ "subnet": "10.0.0.0/24", "rangeStart": "", "rangeEnd": "::ffff:10.0.0.9", "gateway": "" }),
            ["10.0.0.1", "10.0.0.1", "10.0.0.9"],
        ),
        // Neither the network's address nor the broadcast address is a pod's, even when the configuration
        // says so.
        (
            json!({ "subnet": "10.0.0.0/24", "rangeStart": "10.0.0.0", "rangeEnd": "10.0.0.255" }),
            ["10.0.0.1", "10.0.0.1", "10.0.0.254"],
        ),
        (
            json!({ "subnet": "10.0.0.0/16", "rangeStart": "10.0.1.0", "rangeEnd": "10.0.1.255" }),
            ["10.0.0.1", "10.0.1.0", "10.0.1.255"],
        ),
    ];
    for (range, want) in cases {
        assert_eq!(bounds(&range), want, "{range}");
    }
}

#[test]
fn a_range_that_breaks_a_rule_is_refused_with_its_path() {
    let cases = [
        (json!({}), "subnet: missing"),
        (
            json!({ "subnet": "nonsense" }),
            r#"subnet: "nonsense" is not a network in CIDR notation (address/prefix length)"#,
        ),
        (
            json!({ "subnet": "10.0.0.0" }),
            r#"subnet: "10.0.0.0" is not a network in CIDR notation (address/prefix length)"#,
        ),
        (
            json!({ "subnet": "10.0.0.0/33" }),
            r#"subnet: prefix length of "10.0.0.0/33" is not between 0 and 32"#,
        ),
        (
            json!({ "subnet": "10.0.0.0/+8" }),
            r#"subnet: prefix length of "10.0.0.0/+8" is not between 0 and 32"#,
        ),
        (json!({ "subnet": "10.0.0.0/" }), r#"subnet: prefix length of "10.0.0.0/" is not between 0 and 32"#),
        (
            json!({ "subnet": "fd00::/129" }),
            r#"subnet: prefix length of "fd00::/129" is not between 0 and 128"#,
        ),
        (
            json!({ "subnet": "::ffff:10.0.0.0/120" }),
            r#"subnet: "::ffff:10.0.0.0/120" is an IPv4-mapped IPv6 network: write it as IPv4"#,
        ),
        (json!({ "subnet": "192.0.2.0/31" }), "subnet: Network 192.0.2.0/31 too small to allocate from"),
        (json!({ "subnet": "192.0.2.0/32" }), "subnet: Network 192.0.2.0/32 too small to allocate from"),
        (json!({ "subnet": "fd00::/127" }), "subnet: Network fd00::/127 too small to allocate from"),
        (json!({ "subnet": "fd00::/128" }), "subnet: Network fd00::/128 too small to allocate from"),
        (
            json!({ "subnet": "192.0.2.12/24" }),
            "subnet: Network has host bits set. For a subnet mask of length 24 the network address is 192.0.2.0",
        ),
        (
            json!({ "subnet": "192.0.2.0/24", "rangeStart": "10.0.0.1" }),
            "rangeStart: RangeStart 10.0.0.1 not in network 192.0.2.0/24",
        ),
        (
            json!({ "subnet": "192.0.2.0/24", "rangeEnd": "fd00::1" }),
            "rangeEnd: RangeEnd fd00::1 not in network 192.0.2.0/24",
        ),
        (
            json!({ "subnet": "192.0.2.0/24", "gateway": "192.0.3.1" }),
            "gateway: gateway 192.0.3.1 not in network 192.0.2.0/24",
        ),
        (
            json!({ "subnet": "192.0.2.0/24", "rangeStart": "192.0.2.50", "rangeEnd": "192.0.2.40" }),
            "rangeStart: no address to allocate between RangeStart 192.0.2.50 and RangeEnd 192.0.2.40",
        ),
        (
            json!({ "subnet": "192.0.2.0/24", "rangeStart": "192.0.2.255" }),
            "rangeStart: no address to allocate between RangeStart 192.0.2.255 and RangeEnd 192.0.2.254",
        ),
        (
            json!({ "subnet": "192.0.2.0/24", "rangeStart": "192.0.2" }),
            r#"rangeStart: "192.0.2" is not an IP address"#,
        ),
        (
            json!({ "subnet": "192.0.2.0/24", "gateway": "192.0.02.1" }),
            r#"gateway: "192.0.02.1" is not an IP address"#,
        ),
    ];
    for (range, want) in cases {
        let fine = json!({ "subnet": "198.51.100.0/24" });
        assert_eq!(
            refusal(json!({ "ranges": [[fine], [fine, range]] })),
            format!("ipam.ranges[1][1].{want}"),
            "{range}"
        );
    }
}

#[test]
fn sets_that_break_a_rule_are_refused() {
    let net = |subnet: &str| json!({ "subnet": subnet });
    let cases = [
        (json!([]), "ipam.ranges: no IP ranges specified"),
        (json!([[net("10.0.0.0/24")], []]), "ipam.ranges[1]: empty range set"),
        (
            json!([[net("10.0.0.0/24"), net("fd00::/64")]]),
            "ipam.ranges[0]: mixed address families: 10.0.0.0/24 and fd00::/64 in one range set",
        ),
        (
            json!([[net("10.0.0.0/16"), net("10.0.5.0/24")]]),
            "ipam.ranges[0]: subnets 10.0.0.1-10.0.255.254 and 10.0.5.1-10.0.5.254 overlap",
        ),
        (
            json!([[net("10.0.0.0/24")], [net("fd00::/64")], [net("10.0.0.0/24")]]),
            "ipam.ranges[2]: range set 10.0.0.1-10.0.0.254 overlaps with 10.0.0.1-10.0.0.254",
        ),
    ];
    for (ranges, want) in cases {
        assert_eq!(refusal(json!({ "ranges": ranges })), want, "{ranges}");
    }
}

#[test]
fn parts_of_one_network_may_be_several_ranges() {
    let part =
        |start: &str, end: &str| json!({ "subnet": "10.0.0.0/24", "rangeStart": start, "rangeEnd": end });
    let ranges = json!([
        [part("10.0.0.10", "10.0.0.20"), part("10.0.0.30", "10.0.0.40")],
        [part("10.0.0.21", "10.0.0.29")]
    ]);
    let sets = ipam(json!({ "ranges": ranges })).unwrap().range_sets;
    assert_eq!(
        sets.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["10.0.0.10-10.0.0.20,10.0.0.30-10.0.0.40", "10.0.0.21-10.0.0.29"]
    );
}

#[test]
fn runtime_ranges_come_first_then_the_single_range() {
    let config: IpamConfig = serde_json::from_value(json!({
        "type": "host-local", "subnet": "10.1.0.0/24", "rangeStart": "10.1.0.9", "gateway": "10.1.0.7",
        "ranges": [[{ "subnet": "fd00::/64" }]],
    }))
    .unwrap();
    let runtime: Vec<Vec<RangeConfig>> =
        serde_json::from_value(json!([[{ "subnet": "10.2.0.0/24" }]])).unwrap();
    let sets = Ipam::new(&config, &runtime, false).unwrap().range_sets;
    let nets: Vec<_> = sets.iter().map(|set| set.ranges()[0].subnet().to_string()).collect();
    assert_eq!(nets, ["10.2.0.0/24", "10.1.0.0/24", "fd00::/64"]);
    assert_eq!(sets[1].ranges()[0].gateway(), ip("10.1.0.7"));

    let bad: Vec<Vec<RangeConfig>> = serde_json::from_value(json!([[{ "subnet": "10.2.0.1/24" }]])).unwrap();
    let error = Ipam::new(&config, &bad, false).unwrap_err();
    assert_eq!(error.member, "runtimeConfig.ipRanges[0][0].subnet");
    let single = json!({ "subnet": "10.1.0.0/24", "rangeEnd": "x" });
    assert_eq!(refusal(single), r#"ipam.rangeEnd: "x" is not an IP address"#);
}

#[test]
fn old_results_hold_one_address_a_family() {
    let config = |ranges: Value| serde_json::from_value::<IpamConfig>(json!({ "ranges": ranges })).unwrap();
    let [v4, other_v4, v6, other_v6] =
        ["10.0.0.0/24", "10.1.0.0/24", "fd00::/64", "fd01::/64"].map(|subnet| json!([{ "subnet": subnet }]));
    assert!(Ipam::new(&config(json!([v4, v6])), &[], true).is_ok());
    for ranges in [json!([v4, other_v4]), json!([v6, v4, other_v6])] {
        assert_eq!(Ipam::new(&config(ranges.clone()), &[], true).unwrap_err().problem, Problem::OnePerFamily);
        assert!(Ipam::new(&config(ranges), &[], false).is_ok());
    }
}

#[test]
fn routes_and_paths() {
    let with_routes = |routes: Value| json!({ "subnet": "10.0.0.0/24", "routes": routes });
    let plain = ipam(with_routes(json!([
        { "dst": "0.0.0.0/0" },
        { "dst": "fd00::/8", "gw": "fd00::1", "mtu": 1400, "advmss": 1360, "priority": 7, "table": 254, "scope": 253 },
    ])))
    .unwrap();
    assert_eq!(plain.routes[0].gw, None);
    let full = Route {
        dst: "fd00::/8".parse().unwrap(),
        gw: Some(ip("fd00::1")),
        mtu: 1400,
        advmss: 1360,
        priority: 7,
        table: Some(254),
        scope: Some(253),
    };
    assert_eq!(plain.routes[1], full);
    assert_eq!((plain.data_dir.to_str(), plain.resolv_conf), (Some("/var/lib/cni/networks"), None));

    let paths =
        ipam(json!({ "subnet": "10.0.0.0/24", "dataDir": "/run/x", "resolvConf": "/etc/resolv.conf" }))
            .unwrap();
    assert_eq!(
        (paths.data_dir.to_str(), paths.resolv_conf),
        (Some("/run/x"), Some("/etc/resolv.conf".into()))
    );

    for (route, want) in [
        (json!({}), "dst: missing"),
        (
            json!({ "dst": "default" }),
            r#"dst: "default" is not a network in CIDR notation (address/prefix length)"#,
        ),
        (json!({ "dst": "0.0.0.0/0", "gw": "x" }), r#"gw: "x" is not an IP address"#),
        (
            json!({ "dst": "0.0.0.0/0", "gw": "fd00::1" }),
            "gw: gateway fd00::1 is of another address family than the route's destination 0.0.0.0/0",
        ),
    ] {
        assert_eq!(refusal(with_routes(json!([route]))), format!("ipam.routes[0].{want}"));
    }
}
