//! `portmap`, `bandwidth`, `host-local` and `static`: podnet called by their names, beside the plugins themselves.
//!
//! Each configuration is run by both, which must answer and leave the same; and each pod is checked and deleted by the
//! other one than made it, which must leave nothing.

use std::time::Duration;

use podnet_netns_tests::dropin::Maker;
use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::node::OtherNode;
use podnet_netns_tests::process::{run, tool};
use podnet_netns_tests::reply::{self, Added, CniError};
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::{ensure, ensure_eq, parallel, view, wait};
use serde_json::{Value, json};

use crate::server::Server;
use crate::table::settle;

const LIMIT: Duration = Duration::from_mins(1);

/// A configuration: its name, and the members of the plugin's entry.
type Config = (&'static str, fn() -> Value);

const PORTMAP: [Config; 8] = [
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

const BANDWIDTH: [Config; 5] = [
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

const HOST_LOCAL: [Config; 7] = [
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

const STATIC: [Config; 4] = [
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

fn ranges() -> Value {
    json!({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd01::/64"}]]})
}

/// A bridge whose one pod has always the same addresses.
fn bridge() -> Value {
    json!({"type": "bridge", "bridge": "br0", "isDefaultGateway": true, "hairpinMode": true, "ipam": {"type": "static", "addresses": [
        {"address": "10.1.0.77/24", "gateway": "10.1.0.1"}, {"address": "fd01::77/64", "gateway": "fd01::1"}]}})
}

/// The plugin's entry behind such a bridge; portmap's with some ports.
fn chain(kind: &str, members: &Value) -> Vec<Value> {
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

fn alone(kind: &str, members: &Value) -> Vec<Value> {
    let mut entry = members.clone();
    entry["type"] = json!(kind);
    vec![entry]
}

fn network(maker: Maker, plugins: Vec<Value>) -> Result<Network, Failure> {
    std::fs::write("/run/resolv.conf", "nameserver 10.1.0.53\nsearch a b\noptions ndots:5\n")?;
    Ok(Network { name: "dropin".into(), version: "1.1.0".into(), plugins, path: vec![maker.folder()?] })
}

/// Every configuration with its plugins.
fn configs() -> Vec<(&'static str, Vec<Value>)> {
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

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = |name: String, body: Box<dyn Fn() -> Outcome + Send + Sync>| {
        cases.push(Case { name: format!("dropin_chained::{name}"), limit: LIMIT, body });
    };
    for (name, plugins) in configs() {
        let of_both = plugins.clone();
        case(format!("{name}::both_answer_and_leave_the_same"), Box::new(move || same(&of_both)));
        for maker in Maker::ALL {
            let (by, other, plugins) = (maker.word(), maker.other().word(), plugins.clone());
            let body = move || exchange(maker, &plugins);
            case(format!("{name}::made_by_{by}_and_deleted_by_{other}"), Box::new(body));
        }
        if plugins.last().is_some_and(|entry| entry["type"] != "static") {
            case(format!("{name}::collected"), Box::new(move || collected(name, &plugins)));
        }
    }
    for maker in Maker::ALL {
        let by = maker.word();
        case(format!("{by}::versions"), Box::new(move || versions(maker)));
        case(format!("{by}::bad_input"), Box::new(move || bad_input(maker)));
        case(format!("{by}::a_second_address_is_refused"), Box::new(move || second_address(maker)));
        for backend in ["iptables", "nftables"] {
            let name = format!("{by}::ports_lead_to_the_pod_by_{backend}");
            case(name, Box::new(move || ports_lead_to_the_pod(maker, backend)));
        }
    }
    // The reference's parallel ADDs fail on a node without its chains, or double what is shared.
    for backend in ["iptables", "nftables"] {
        case(format!("podnet::parallel_by_{backend}"), Box::new(move || parallel_ports(backend)));
    }
    case("podnet::status".into(), Box::new(status));
    case("podnet::del_finds_the_other_backend".into(), Box::new(del_finds_the_other_backend));
    case("podnet::a_failed_limit_leaves_nothing".into(), Box::new(failed_limit));
    case("podnet::check_names_every_limit".into(), Box::new(limits_are_named));
    cases
}

/// What the plugins have left that no view of a pod shows.
fn state() -> Result<Value, Failure> {
    let lines = |words: &[&str]| -> Result<Vec<String>, Failure> {
        Ok(tool(words)?.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect())
    };
    let nft = |family: &str| tool(&["nft", "list", "table", family, "cni_hostport"]).unwrap_or_default();
    let files = Snapshot::take_in(Place::Node, &["/var/lib/cni/networks"])?;
    let limits = |link: &str| -> Result<Value, Failure> {
        let all: Value = serde_json::from_str(&tool(&["tc", "-j", "qdisc", "show", "dev", link])?)?;
        let buckets = all.as_array().into_iter().flatten().filter(|discipline| discipline["kind"] == "tbf");
        Ok(buckets.map(|bucket| json!([bucket["handle"], bucket["options"]])).collect())
    };
    let mut links = Vec::new();
    for kind in ["veth", "ifb"] {
        for link in Place::Node.ip_json(&["link", "show", "type", kind])?.as_array().into_iter().flatten() {
            let name = link["ifname"].as_str().unwrap_or_default();
            let shown = if kind == "ifb" { name } else { kind };
            links.push(json!([shown, link["mtu"], limits(name)?]));
        }
    }
    let reservations: Vec<String> =
        files.names().filter(|name| name.starts_with("file ")).map(str::to_owned).collect();
    Ok(
        json!({"iptables": lines(&["iptables", "-t", "nat", "-S"])?, "ip6tables": lines(&["ip6tables", "-t", "nat", "-S"])?,
        "nft": [nft("ip"), nft("ip6")], "links": links, "files": reservations}),
    )
}

/// Chains that the configurations speak of.
fn prepare() -> Outcome {
    for program in ["iptables", "ip6tables"] {
        tool(&[program, "-t", "nat", "-N", "KUBE-MARK-MASQ"])?;
    }
    Ok(())
}

fn reset() -> Outcome {
    let _may_be_missing = Place::Node.ip(&["link", "delete", "br0"]);
    let _none_yet = std::fs::remove_dir_all("/var/lib/cni/networks");
    tool(&["nft", "flush", "ruleset"]).map(drop)
}

fn same(plugins: &[Value]) -> Outcome {
    let mut seen = Vec::new();
    for maker in Maker::ALL {
        prepare()?;
        let network = network(maker, plugins.to_vec())?;
        let pod = Pod::create("pod")?;
        let added = network.add(&pod).doing(maker.word())?;
        let made = state()?;
        network.del(&pod, Some(&added)).doing(maker.word())?;
        seen.push((view::of_result(&added), made, state()?));
        reset()?;
    }
    let [ours, wanted] = &seen[..] else { return Err(Failure::failed("two")) };
    ensure_eq!(ours.0, wanted.0, "result");
    ensure_eq!(ours.1, wanted.1, "state after ADD");
    ensure_eq!(ours.2, wanted.2, "state after DEL");
    Ok(())
}

fn exchange(maker: Maker, plugins: &[Value]) -> Outcome {
    prepare()?;
    let (makes, removes) = (network(maker, plugins.to_vec())?, network(maker.other(), plugins.to_vec())?);
    // Both: the reference's look for iptables leaves an empty table.
    settle(&removes)?;
    settle(&makes)?;
    let before = Snapshot::take()?;
    for has_result in [true, false] {
        let pod = Pod::create("pod")?;
        let added = makes.add(&pod)?;
        for (by, network) in [(maker, &makes), (maker.other(), &removes)] {
            network.check(&pod, &added).doing(format_args!("CHECK by {}", by.word()))?;
        }
        removes.del(&pod, Some(&added).filter(|_| has_result)).doing("DEL by the other")?;
        before.ensure_unchanged("DEL by the other")?;
        let is_noticed = !plugins.iter().any(|entry| is_without_effect(entry));
        ensure!(!is_noticed || makes.check(&pod, &added).is_err(), "CHECK passes after DEL");
        makes.del(&pod, Some(&added)).doing("DEL by its maker, of nothing")?;
        before.ensure_unchanged("DEL by both")?;
    }
    Ok(())
}

/// Whether CHECK has nothing to look at but what the runtime tells.
fn is_without_effect(entry: &Value) -> bool {
    entry["type"] == "static"
}

/// GC removes what podnet made for a pod that no list names, and leaves a live one alone.
fn collected(name: &str, plugins: &[Value]) -> Outcome {
    prepare()?;
    // Their rules do not say which network they are of.
    if name.starts_with("portmap_nftables") || name == "bandwidth_none" || name == "host_local_requested" {
        return Ok(());
    }
    let (mut plugins, kind) = (plugins.to_vec(), plugins.len() - 1);
    if kind == 1 {
        plugins[0]["ipam"] = ranges();
    }
    let network = network(Maker::Podnet, plugins)?;
    settle(&network)?;
    let alive = Pod::create("alive")?;
    let added = network.add(&alive)?;
    let before = Snapshot::take()?;
    let lost = Pod::create("lost")?;
    network.add(&lost)?;
    let valid = json!([{"containerID": alive.container, "ifname": alive.ifname}]);
    // A reservation of this very moment stays: its maker may be at work.
    wait::until(Duration::from_secs(2), "the lost pod's remains gone", || {
        // Of the bridge last: it takes what the others have left.
        for index in (0..=kind).rev() {
            let config = network.config(index, &[("cni.dev/valid-attachments", valid.clone())])?.to_string();
            reply::silence(run(&mut network.command(index, "GC", None)?, config.as_bytes())?)?;
            if index == 1 {
                let left = tool(&["iptables", "-t", "nat", "-S"])?;
                ensure!(!left.contains(&lost.container), "GC of {name} leaves rules: {left}");
            }
        }
        Ok((Snapshot::take()? == before).then_some(()))
    })?;
    network.check(&alive, &added)
}

fn versions(maker: Maker) -> Outcome {
    for version in ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        for (kind, configs) in [("host-local", &HOST_LOCAL[..1]), ("static", &STATIC[..1])] {
            let network = network(maker, alone(kind, &configs[0].1()))?.version(version);
            let pod = Pod::create("pod")?;
            let added = network.add(&pod).doing(format_args!("{kind} {version}"))?;
            ensure_eq!(added.0["cniVersion"], json!(version), "version of the result");
            ensure_eq!(added.cidrs().len(), 2, "addresses in version {version}");
            network.del(&pod, None)?;
        }
    }
    for (kind, oldest) in
        [("bandwidth", "0.3.0"), ("portmap", "0.1.0"), ("host-local", "0.1.0"), ("static", "0.1.0")]
    {
        let network = network(maker, alone(kind, &json!({})))?;
        let supported: Value = serde_json::from_str(&network.call("VERSION", None, &[])?.success()?)?;
        ensure_eq!(supported["supportedVersions"][0], json!(oldest), "the oldest version of {kind}");
    }
    let old = network(maker, alone("bandwidth", &json!({})))?.version("0.2.0");
    ensure_eq!(reply::error(&old.call("ADD", Some(&Pod::create("old")?), &[])?)?.code, 1, "code");
    Ok(())
}

/// What both refuse, and what podnet says of it.
fn bad_input(maker: Maker) -> Outcome {
    let limits = |members: Value| ("bandwidth", members);
    let mapped = |mapping: Value| {
        ("portmap", json!({"runtimeConfig": {"portMappings": [mapping]}, "backend": "iptables"}))
    };
    let ranges = |range: Value| ("host-local", json!({"ipam": {"type": "host-local", "ranges": [[range]]}}));
    let addresses = |members: Value| ("static", members);
    let cases: Vec<((&str, Value), u32, &str)> = vec![
        (limits(json!({"ingressRate": 8000})), 7, "ingressRate"),
        (limits(json!({"egressBurst": 8000})), 7, "egressBurst"),
        (limits(json!({"egressRate": 8000, "egressBurst": 42_949_672_960_u64})), 7, "egressBurst"),
        (limits(json!({"ingressRate": "fast"})), 6, "ingressRate"),
        (
            mapped(json!({"hostPort": 0, "containerPort": 80, "protocol": "tcp"})),
            7,
            "portMappings[0].hostPort",
        ),
        (
            mapped(json!({"hostPort": 70000, "containerPort": 80, "protocol": "tcp"})),
            7,
            "portMappings[0].hostPort",
        ),
        (mapped(json!({"hostPort": 80, "containerPort": -1, "protocol": "tcp"})), 7, "containerPort"),
        (mapped(json!({"hostPort": 80, "containerPort": 80, "protocol": "x"})), 7, "protocol"),
        (("portmap", json!({"backend": "pf"})), 7, "backend"),
        (("portmap", json!({"markMasqBit": 32})), 7, "markMasqBit"),
        (("portmap", json!({"markMasqBit": 1, "externalSetMarkChain": "X"})), 7, "markMasqBit"),
        (("portmap", json!({"backend": "nftables", "externalSetMarkChain": "X"})), 7, "externalSetMarkChain"),
        (
            ("portmap", json!({"backend": "nftables", "conditionsV4": ["-s", "10.0.0.0/8"]})),
            7,
            "conditionsV4",
        ),
        (("portmap", json!({"backend": "iptables", "conditionsV6": ["ip6", "daddr"]})), 7, "conditionsV6"),
        (("host-local", json!({})), 7, "ipam"),
        (ranges(json!({"subnet": "10.1.0.0/31"})), 7, "10.1.0.0/31"),
        (ranges(json!({"subnet": "10.1.0.1/24"})), 7, "ranges[0][0].subnet"),
        (ranges(json!({"subnet": "10.1.0.0/24", "rangeStart": "10.2.0.1"})), 7, "rangeStart"),
        (("host-local", json!({"ipam": {"type": "host-local"}})), 7, "ranges"),
        (
            ("host-local", json!({"ipam": self::ranges(), "runtimeConfig": {"ips": ["10.9.0.1"]}})),
            102,
            "10.9.0.1",
        ),
        (
            ("host-local", json!({"ipam": self::ranges(), "runtimeConfig": {"ips": ["10.1.0.1"]}})),
            102,
            "10.1.0.1",
        ),
        (addresses(json!({})), 7, "ipam"),
        (addresses(json!({"ipam": {"addresses": [{"address": "10.1.0.5"}]}})), 7, "10.1.0.5"),
        (addresses(json!({"ipam": {}, "args": {"cni": {"ips": ["10.1.0.5"]}}})), 7, "10.1.0.5"),
    ];
    settle(&network(maker, vec![bridge()])?)?;
    for ((kind, members), code, words) in cases {
        let before = Snapshot::take()?;
        let pod = Pod::create("pod")?;
        let network = network(maker, alone(kind, &members))?;
        let previous = json!({"cniVersion": "1.1.0", "ips": [{"address": "10.1.0.77/24"}]});
        let extra: Vec<_> =
            ["portmap", "bandwidth"].contains(&kind).then(|| ("prevResult", previous)).into_iter().collect();
        let refused = network.call("ADD", Some(&pod), &extra)?;
        ensure!(!refused.status.success(), "{kind} {members} is not refused: {refused}");
        if maker == Maker::Podnet {
            let error = reply::error(&refused)?;
            ensure!(error.code == code && error.names(words), "{kind} {members}: {code} {words}: {error:?}");
            let files = ["host-local"].contains(&kind) && code == 102;
            ensure!(files || before == Snapshot::take()?, "a refused ADD of {kind} leaves something");
        }
    }
    for kind in ["portmap", "bandwidth"] {
        let members = json!({"ingressRate": 8000, "ingressBurst": 8000, "runtimeConfig": {"portMappings": [
            {"hostPort": 80, "containerPort": 80, "protocol": "tcp"}]}});
        let refused = network(maker, alone(kind, &members))?.call("ADD", Some(&Pod::create("pod")?), &[])?;
        ensure!(!refused.status.success(), "{kind} works without prevResult");
        if maker == Maker::Podnet {
            ensure!(reply::error(&refused)?.names("prevResult"), "{refused}");
        }
    }
    Ok(())
}

fn second_address(maker: Maker) -> Outcome {
    let range = json!([[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.7", "rangeEnd": "10.1.0.8"}]]);
    let network =
        network(maker, alone("host-local", &json!({"ipam": {"type": "host-local", "ranges": range}})))?;
    let (a, b, c) = (Pod::create("a")?, Pod::create("b")?, Pod::create("c")?);
    let first = network.add(&a)?;
    let before = Snapshot::take()?;
    let refused = network.call("ADD", Some(&a), &[])?;
    ensure!(!refused.status.success(), "a second address for one attachment: {refused}");
    before.ensure_unchanged("a refused ADD")?;
    ensure_eq!(network.add(&b)?.cidrs(), ["10.1.0.8/24"], "the next address");
    let full = reply::error(&network.call("ADD", Some(&c), &[])?)?;
    ensure!(maker == Maker::Reference || full.code == 102, "{full:?}");
    network.del(&a, None)?;
    ensure_eq!(network.add(&c)?.cidrs(), first.cidrs(), "the address that is free again");
    Ok(())
}

fn ports_lead_to_the_pod(maker: Maker, backend: &str) -> Outcome {
    let other = OtherNode::create(Family::V4)?;
    let network = network(maker, chain("portmap", &json!({"backend": backend})))?;
    let pod = Pod::create("pod")?;
    network.add(&pod)?;
    let uplink = other.masquerade_addresses()?.into_iter().next().doing("an uplink")?;
    let address = "10.1.0.77".parse()?;
    for (is_udp, port) in [(false, 80), (true, 53)] {
        let server = Server::start(&pod, std::net::SocketAddr::new(address, port), is_udp)?;
        server.asked_at_first(other.place(), (uplink, 8080).into())?;
        server.asked(Place::Node, (uplink, 8080).into())?;
        server.asked(Place::Node, "127.0.0.1:8080".parse()?)?;
        server.asked((&pod.netns).into(), (uplink, 8080).into())?;
    }
    Ok(())
}

/// On a fresh node: what all share is there once, and each pod's rules come and go.
fn parallel_ports(backend: &str) -> Outcome {
    const PODS: u16 = 24;
    let numbers: Vec<u16> = (2..2 + PODS).collect();
    let networks = numbers.iter().map(|number| {
        let members = json!({"backend": backend, "runtimeConfig": {"portMappings": [
            {"hostPort": 8000 + number, "containerPort": 80, "protocol": "tcp"}]}});
        let network = network(Maker::Podnet, alone("portmap", &members))?;
        let addresses =
            json!([{"address": format!("10.1.0.{number}/24")}, {"address": format!("fd01::{number}/64")}]);
        let previous = json!({"cniVersion": "1.1.0", "ips": addresses});
        Ok((network, Pod::create(&format!("pod{number}"))?, previous))
    });
    let networks = networks.collect::<Result<Vec<_>, Failure>>()?;
    let all = |verb: &str| {
        parallel::each(8, &networks, |(network, pod, previous)| {
            network.call(verb, Some(pod), &[("prevResult", previous.clone())])?.success()
        })
    };
    all("ADD")?;
    all("CHECK")?;
    let before = state()?.to_string();
    for shared in ["-A PREROUTING", "-A OUTPUT", "-A POSTROUTING", "--set-xmark"] {
        let count = before.matches(shared).count();
        ensure!(
            count == if backend == "iptables" { 2 } else { 0 },
            "{count} of {shared} in both families: {before}"
        );
    }
    ensure_eq!(
        before.matches("dport 80").count() + before.matches("--dports 80").count(),
        match backend {
            // Three and an entry of IPv4, two and an entry of IPv6.
            "iptables" => usize::from(PODS) * 7,
            _ => 2 * usize::from(PODS),
        },
        "rules of pods"
    );
    all("DEL")?;
    let after = state()?.to_string();
    ensure!(!after.contains("dport 80") && !after.contains("CNI-DN"), "DEL leaves rules: {after}");
    Ok(())
}

fn refused(network: &Network, verb: &str) -> Result<CniError, Failure> {
    reply::error(&network.call(verb, None, &[])?)
}

fn status() -> Outcome {
    let range = json!([[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.7", "rangeEnd": "10.1.0.7"}]]);
    let full = network(
        Maker::Podnet,
        alone("host-local", &json!({"ipam": {"type": "host-local", "ranges": range}})),
    )?;
    reply::silence(full.call("STATUS", None, &[])?)?;
    full.add(&Pod::create("pod")?)?;
    ensure_eq!(refused(&full, "STATUS")?.code, 50, "code of STATUS with no address left");
    for (kind, members) in
        [("static", STATIC[0].1()), ("portmap", json!({})), ("bandwidth", BANDWIDTH[0].1())]
    {
        reply::silence(network(Maker::Podnet, alone(kind, &members))?.call("STATUS", None, &[])?)?;
    }
    Ok(())
}

/// Whoever changes `backend` while pods live loses none of their rules; nor does who leaves the ports out at DEL.
fn del_finds_the_other_backend() -> Outcome {
    for (made, removed) in [("iptables", "nftables"), ("nftables", "iptables")] {
        let makes = network(Maker::Reference, chain("portmap", &json!({"backend": made})))?;
        let mut removes = network(Maker::Podnet, chain("portmap", &json!({"backend": removed})))?;
        settle(&makes)?;
        settle(&removes)?;
        let before = Snapshot::take()?;
        let pod = Pod::create("pod")?;
        let added = makes.add(&pod)?;
        removes.plugins[1]["runtimeConfig"] = json!({});
        removes.del(&pod, Some(&added))?;
        before.ensure_unchanged("DEL by the other backend")?;
    }
    Ok(())
}

/// Somebody else's filters are in the way of what the pod sends, when what it receives is limited already.
fn failed_limit() -> Outcome {
    let network = network(Maker::Podnet, chain("bandwidth", &BANDWIDTH[0].1()))?;
    let bridged = self::network(Maker::Podnet, vec![bridge()])?;
    let pod = Pod::create("pod")?;
    let added = bridged.add(&pod)?;
    let port = added.interface(1)?;
    tool(&["tc", "qdisc", "add", "dev", port, "clsact"])?;
    let before = (Snapshot::take()?, tool(&["tc", "qdisc", "show", "dev", port])?);
    let config = network.config(1, &[("prevResult", added.0.clone())])?.to_string();
    let failed = run(&mut network.command(1, "ADD", Some(&pod))?, config.as_bytes())?;
    ensure_eq!(reply::error(&failed)?.code, 104, "code of {failed}");
    ensure_eq!(
        (Snapshot::take()?, tool(&["tc", "qdisc", "show", "dev", port])?),
        before,
        "what a failed ADD leaves"
    );
    Ok(())
}

fn limits_are_named() -> Outcome {
    let network = network(Maker::Podnet, chain("bandwidth", &BANDWIDTH[0].1()))?;
    let pod = Pod::create("pod")?;
    let added: Added = network.add(&pod)?;
    let (port, ifb) = (added.interface(1)?, added.interface(3)?);
    tool(&["tc", "qdisc", "del", "dev", port, "root"])?;
    tool(&["tc", "filter", "del", "dev", port, "parent", "ffff:fff2"])?;
    Place::Node.ip(&["link", "set", ifb, "down"])?;
    let config = network.config(1, &[("prevResult", added.0.clone())])?.to_string();
    let found = run(&mut network.command(1, "CHECK", Some(&pod))?, config.as_bytes())?;
    let found = reply::error(&found)?;
    for words in ["ingress limit", "redirection", "down"] {
        ensure!(found.names(words), "CHECK does not name {words}: {found:?}");
    }
    Ok(())
}
