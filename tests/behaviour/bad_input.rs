//! Configurations with one fault each: the code of the error, and that it names the member.
//!
//! ADD, CHECK and STATUS find the same faults, and so does the node's tool before any of them.

use podnet_tests::Run;
use serde_json::{Value, json};

use crate::request::{assert_refused, call, config_with, podnet};

/// The path of a member, its value, the code of the error, and what the error names beside the path.
type Fault = (&'static str, Value, u32, &'static str);

fn wrong_types() -> Vec<Fault> {
    vec![
        ("type", json!(7), 6, "expected a string"),
        ("mode", json!(7), 6, "expected a string"),
        ("bridge", json!(["cbr0"]), 6, "expected a string"),
        ("mtu", json!("1500"), 6, "\"1500\""),
        ("mtu", json!(1500.5), 6, "1500.5"),
        ("mtu", json!(-1), 6, "-1"),
        ("mtu", json!(4_294_967_296_u64), 6, "4294967296"),
        ("isGateway", json!("true"), 6, "\"true\""),
        ("isDefaultGateway", json!(1), 6, "1"),
        ("forceAddress", json!("no"), 6, "\"no\""),
        ("keepSubnets", json!(1), 6, "1"),
        ("ipMasq", json!("false"), 6, "\"false\""),
        ("ipam", json!([]), 6, "expected an object"),
        ("ipam", json!("host-local"), 6, "expected an object"),
        ("ipam.type", json!(7), 6, "expected a string"),
        ("ipam.ranges", json!({"subnet": "10.244.1.0/24"}), 6, "expected a sequence"),
        ("ipam.ranges", json!([{"subnet": "10.244.1.0/24"}]), 6, "ipam.ranges[0]"),
        ("ipam.ranges", json!([["10.244.1.0/24"]]), 6, "ipam.ranges[0][0]"),
        ("ipam.ranges", json!([[{"subnet": 10}]]), 6, "ipam.ranges[0][0].subnet"),
        ("ipam.routes", json!("0.0.0.0/0"), 6, "expected a sequence"),
        ("ipam.routes", json!([{"dst": "0.0.0.0/0", "mtu": "1500"}]), 6, "ipam.routes[0].mtu"),
        ("ipam.routes", json!([{"dst": "0.0.0.0/0", "scope": 256}]), 6, "ipam.routes[0].scope"),
        ("ipam.dataDir", json!(7), 6, "expected a string"),
        ("ipam.resolvConf", json!(["/etc/resolv.conf"]), 6, "expected a string"),
        ("dns", json!("10.0.0.10"), 6, "expected an object"),
        ("dns.nameservers", json!("10.0.0.10"), 6, "expected a sequence"),
        ("dns.search", json!([7]), 6, "dns.search[0]"),
        ("dns.domain", json!(7), 6, "expected a string"),
        ("args", json!("x"), 6, "expected an object"),
        ("args.cni.ips", json!("10.244.1.9"), 6, "expected a sequence"),
        ("logLevel", json!(7), 6, "logLevel"),
        ("logFile", json!(7), 6, "logFile"),
        ("blockWireserver", json!("true"), 6, "\"true\""),
    ]
}

fn wrong_values() -> Vec<Fault> {
    vec![
        ("mode", json!(null), 7, "kubenet"),
        ("mode", json!(""), 7, "kubenet"),
        ("mode", json!("ipvlan"), 7, "\"ipvlan\""),
        ("mode", json!("Kubenet"), 7, "\"Kubenet\""),
        ("bridge", json!("0123456789abcdef"), 7, "0123456789abcdef"),
        ("bridge", json!(".."), 7, "\"..\""),
        ("bridge", json!("a/b"), 7, "\"a/b\""),
        ("bridge", json!("cbr%d"), 7, "\"cbr%d\""),
        ("bridge", json!("cbr\u{0}"), 7, "NUL"),
        ("hairpinMode", json!("veth"), 7, "\"veth\""),
        ("hairpinMode", json!("Hairpin-Veth"), 7, "hairpin-veth"),
        ("hairpinMode", json!(1), 7, "1"),
        ("hairpinMode", json!({}), 7, "{}"),
        ("promiscMode", json!("yes"), 6, "yes"),
        ("mtu", json!(67), 7, "67"),
        ("mtu", json!(65_536), 7, "65536"),
        ("ipam", json!(null), 7, "ipam.type"),
        ("ipam", json!({}), 7, "ipam.type"),
        ("ipam.type", json!(""), 7, "host-local"),
        ("ipam.type", json!("podnet"), 7, "its own IPAM plugin"),
        ("ipam.type", json!("../host-local"), 7, "../host-local"),
        ("ipam.type", json!(".."), 7, ".."),
        ("ipamTimeout", json!(0), 7, "1 to 3600"),
        ("ipamTimeout", json!("5s"), 6, "ipamTimeout"),
        ("ipam.ranges", json!(null), 7, "no IP ranges specified"),
        ("ipam.ranges", json!([]), 7, "no IP ranges specified"),
        ("ipam.ranges", json!([[]]), 7, "ipam.ranges[0]: empty range set"),
        ("logLevel", json!("loud"), 6, "\"loud\""),
        ("ipam.routes", json!([{}]), 7, "ipam.routes[0].dst"),
        ("ipam.routes", json!([{"dst": "0.0.0.0"}]), 7, "ipam.routes[0].dst: \"0.0.0.0\""),
        ("ipam.routes", json!([{"dst": "0.0.0.0/0", "gw": "x"}]), 7, "ipam.routes[0].gw: \"x\""),
        ("ipam.routes", json!([{"dst": "0.0.0.0/0", "gw": "fd00::1"}]), 7, "ipam.routes[0].gw"),
        ("args.cni.ips", json!(["x"]), 6, "args.cni.ips[0]: \"x\""),
        ("args.cni.mac", json!("x"), 6, "\"x\""),
        ("args.cni.mac", json!("01:00:5e:00:00:01"), 6, "01:00:5e:00:00:01"),
    ]
}

/// Faults of the only range of the only range set.
fn wrong_ranges() -> Vec<(Value, &'static str)> {
    vec![
        (json!({}), "ipam.ranges[0][0].subnet: missing"),
        (json!({"rangeStart": "10.244.1.5"}), "ipam.ranges[0][0].subnet: missing"),
        (json!({"subnet": "10.244.1.0"}), "ipam.ranges[0][0].subnet: \"10.244.1.0\""),
        (json!({"subnet": "10.244.1/24"}), "ipam.ranges[0][0].subnet: \"10.244.1/24\""),
        (json!({"subnet": "10.244.1.0/33"}), "ipam.ranges[0][0].subnet: prefix length of \"10.244.1.0/33\""),
        (json!({"subnet": "10.244.1.0/-1"}), "ipam.ranges[0][0].subnet: prefix length of \"10.244.1.0/-1\""),
        (
            json!({"subnet": "10.244.1.0/+24"}),
            "ipam.ranges[0][0].subnet: prefix length of \"10.244.1.0/+24\"",
        ),
        (json!({"subnet": "10.244.1.0/"}), "ipam.ranges[0][0].subnet: prefix length of \"10.244.1.0/\""),
        (json!({"subnet": "fd00::/129"}), "ipam.ranges[0][0].subnet: prefix length of \"fd00::/129\""),
        (json!({"subnet": "10.244.1.0/31"}), "ipam.ranges[0][0].subnet: Network 10.244.1.0/31 too small"),
        (json!({"subnet": "10.244.1.1/32"}), "ipam.ranges[0][0].subnet: Network 10.244.1.1/32 too small"),
        (json!({"subnet": "fd00::/127"}), "ipam.ranges[0][0].subnet: Network fd00::/127 too small"),
        (json!({"subnet": "10.244.1.1/24"}), "the network address is 10.244.1.0"),
        (json!({"subnet": "fd00::1/64"}), "the network address is fd00::"),
        (json!({"subnet": "::ffff:10.244.1.0/120"}), "IPv4-mapped"),
        (json!({"subnet": "10.244.1.0/24", "rangeStart": "x"}), "ipam.ranges[0][0].rangeStart: \"x\""),
        (
            json!({"subnet": "10.244.1.0/24", "rangeStart": "10.244.2.1"}),
            "RangeStart 10.244.2.1 not in network",
        ),
        (json!({"subnet": "10.244.1.0/24", "rangeEnd": "10.244.2.1"}), "RangeEnd 10.244.2.1 not in network"),
        (json!({"subnet": "10.244.1.0/24", "rangeEnd": "fd00::9"}), "RangeEnd fd00::9 not in network"),
        (json!({"subnet": "10.244.1.0/24", "gateway": "10.244.2.1"}), "gateway 10.244.2.1 not in network"),
        (json!({"subnet": "10.244.1.0/24", "gateway": "fd00::1"}), "gateway fd00::1 not in network"),
        (
            json!({"subnet": "10.244.1.0/24", "rangeStart": "10.244.1.9", "rangeEnd": "10.244.1.5"}),
            "no address to allocate between RangeStart 10.244.1.9 and RangeEnd 10.244.1.5",
        ),
    ]
}

/// Faults between ranges.
fn wrong_sets() -> Vec<(Value, &'static str)> {
    let range = |subnet: &str| json!({"subnet": subnet});
    vec![
        (json!([[range("10.244.1.0/24"), range("fd00::/64")]]), "ipam.ranges[0]: mixed address families"),
        (json!([[range("10.244.1.0/24"), range("10.244.1.128/25")]]), "overlap"),
        (json!([[range("10.244.1.0/24")], [range("10.244.1.128/25")]]), "ipam.ranges[1]: range set"),
        (json!([[range("fd00::/64")], [range("fd00::/80")]]), "ipam.ranges[1]: range set"),
        (json!([[range("10.244.1.0/24")], []]), "ipam.ranges[1]: empty range set"),
    ]
}

/// What podnet knows of, and this version does not do: refused, since somebody relies on it.
fn unsupported() -> Vec<Fault> {
    vec![
        ("antiSpoofing", json!("true"), 6, "antiSpoofing"),
        ("blockWireserver", json!(1), 6, "blockWireserver"),
        ("blockIMDS", json!({}), 6, "blockIMDS"),
        ("ingressRate", json!(8000), 7, "ingressBurst"),
        ("egressRate", json!(7), 7, "7"),
        ("egressRate", json!("10M"), 6, "10M"),
        ("shapedSubnets", json!(["10.0.0.0"]), 7, "shapedSubnets[0]"),
        ("unshapedSubnets", json!(["10.0.0.0/8", "x"]), 7, "unshapedSubnets[1]"),
    ]
}

/// What only a runtime sets.
fn wrong_requests() -> Vec<Fault> {
    vec![
        ("runtimeConfig", json!([]), 6, "expected an object"),
        ("runtimeConfig.ips", json!("10.244.1.9"), 6, "expected a sequence"),
        ("runtimeConfig.ips", json!(["x"]), 6, "runtimeConfig.ips[0]: \"x\""),
        (
            "runtimeConfig.ips",
            json!(["10.244.1.9", "10.244.1.9/33"]),
            6,
            "runtimeConfig.ips[1]: \"10.244.1.9/33\"",
        ),
        ("runtimeConfig.ips", json!([null]), 6, "runtimeConfig.ips[0]"),
        ("runtimeConfig.mac", json!("02:00"), 6, "\"02:00\""),
        ("runtimeConfig.mac", json!("01:00:5e:00:00:01"), 6, "01:00:5e:00:00:01"),
        ("runtimeConfig.mac", json!("00:00:00:00:00:00"), 6, "00:00:00:00:00:00"),
        ("runtimeConfig.ipRanges", json!([[{"subnet": "x"}]]), 7, "runtimeConfig.ipRanges[0][0].subnet"),
        ("runtimeConfig.portMappings", json!({}), 6, "expected a sequence"),
        ("runtimeConfig.bandwidth", json!({"ingressRate": 1000}), 7, "ingressRate: 1000"),
        ("runtimeConfig.bandwidth", json!({"egressBurst": 5}), 7, "egressBurst: 5"),
        (
            "runtimeConfig.bandwidth",
            json!({"ingressRate": 1000, "ingressBurst": 4_294_967_296_u64}),
            7,
            "ingressBurst: 4294967296",
        ),
        ("runtimeConfig.bandwidth", json!({"egressRate": -1, "egressBurst": 1}), 6, "egressRate"),
        ("prevResult", json!(7), 6, "expected an object"),
        ("prevResult.cniVersion", json!("9.9.9"), 6, "\"9.9.9\""),
        ("prevResult.ips", json!([{"address": "10.244.1.9"}]), 6, "prevResult.ips[0].address"),
    ]
}

fn faults_of_a_file() -> Vec<Fault> {
    let range = |(range, names)| ("ipam.ranges", json!([[range]]), 7, names);
    let sets = |(sets, names)| ("ipam.ranges", sets, 7, names);
    let ranges = wrong_ranges().into_iter().map(range).chain(wrong_sets().into_iter().map(sets));
    wrong_types().into_iter().chain(wrong_values()).chain(unsupported()).chain(ranges).collect()
}

#[test]
fn every_fault_is_named_by_add_check_and_status() {
    for (path, value, code, names) in faults_of_a_file() {
        let config = config_with(path, value);
        for command in ["ADD", "CHECK", "STATUS"] {
            assert_refused(&call(command).config(&config).reply().unwrap(), code, &[path, names]);
        }
    }
}

#[test]
fn every_fault_of_a_request_is_named_by_add() {
    for (path, value, code, names) in wrong_requests() {
        let top = path.split('.').next().unwrap_or(path);
        let reply = call("ADD").config(&config_with(path, value)).reply().unwrap();
        assert_refused(&reply, code, &[top, names]);
    }
}

#[test]
fn every_fault_is_named_by_the_nodes_tool_before() {
    for (path, value, _, names) in faults_of_a_file() {
        // An entry of another type is not podnet's.
        if path == "type" {
            continue;
        }
        let mut entry = config_with(path, value);
        let [name, version] = ["name", "cniVersion"].map(|member| entry[member].take());
        let list = json!({"name": name, "cniVersion": version, "plugins": [entry]});
        let reply = Run::of(podnet()).arg("conf").arg("-").config(&list).reply().unwrap();
        assert!(
            reply.code == Some(1) && reply.stdout.contains(path) && reply.stdout.contains(names),
            "{path} {names}: {reply}"
        );
    }
}

#[test]
fn ipv6_needs_its_smallest_mtu() {
    let mut config = config_with("mtu", json!(1279));
    config["ipam"]["ranges"] = json!([[{"subnet": "10.244.1.0/24"}], [{"subnet": "fd00::/64"}]]);
    for command in ["ADD", "CHECK", "STATUS"] {
        assert_refused(&call(command).config(&config).reply().unwrap(), 7, &["mtu: 1279", "IPv6", "1280"]);
    }
}

#[test]
fn versions_before_0_3_0_have_room_for_one_address_a_family() {
    let mut config =
        config_with("ipam.ranges", json!([[{"subnet": "10.1.0.0/24"}], [{"subnet": "10.2.0.0/24"}]]));
    config["cniVersion"] = "0.2.0".into();
    let reply = call("ADD").config(&config).reply().unwrap();
    assert_refused(&reply, 7, &["ipam.ranges", "1 address per family"]);
}

#[test]
fn ranges_of_the_runtime_and_of_the_file_must_not_overlap() {
    let config = config_with("runtimeConfig.ipRanges", json!([[{"subnet": "10.244.1.0/25"}]]));
    let overlap = "range set 10.244.1.1-10.244.1.126 overlaps with 10.244.1.1-10.244.1.254";
    assert_refused(&call("ADD").config(&config).reply().unwrap(), 7, &[overlap]);
}

#[test]
fn name_servers_that_cannot_be_read_are_an_input_failure() {
    for path in ["/nonexistent/resolv.conf", "/"] {
        let reply = call("ADD").config(&config_with("ipam.resolvConf", path.into())).reply().unwrap();
        assert_refused(&reply, 5, &[&format!("cannot read the name servers from {path}")]);
    }
}

#[test]
fn a_path_with_a_nul_is_refused_before_anything_is_changed() {
    for path in ["ipam.dataDir", "ipam.resolvConf"] {
        let reply = call("ADD").config(&config_with(path, json!("/a\u{0}b"))).reply().unwrap();
        let error = reply.error().unwrap();
        assert!([5, 7].contains(&error.code) && error.names(r"/a\0b"), "{path}: {reply}");
    }
}

#[test]
fn status_says_why_a_pod_could_not_be_added() {
    // These tests have no privileges, and so could ADD do nothing.
    let reply = call("STATUS").reply().unwrap();
    assert_refused(&reply, 50, &["podnet cannot add pods", "Operation not permitted"]);
}
