//! `bridge`, `ptp` and `loopback`: podnet called by their names, beside the plugins themselves.
//!
//! Each configuration is run by both, which must answer and leave the same; and each pod is checked and deleted by the
//! other one than made it, which must leave nothing.

use std::net::IpAddr;
use std::time::Duration;

use podnet_netns_tests::dropin::Maker;
use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::process::{command, run, tool};
use podnet_netns_tests::reply::Added;
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::tools;
use podnet_netns_tests::{ensure, ensure_eq, reply, view};
use serde_json::{Value, json};

use crate::table::settle;

const LIMIT: Duration = Duration::from_mins(1);

/// A configuration: its name, and the plugin's entry.
type Config = (&'static str, fn() -> Value);

const CONFIGS: [Config; 14] = [
    ("bridge_gateway", || {
        json!({"type": "bridge", "bridge": "br0", "isGateway": true, "mtu": 1400, "hairpinMode": true,
            "ipam": host_local(json!([{"dst": "0.0.0.0/0"}, {"dst": "::/0"}, {"dst": "10.9.0.0/16", "gw": "10.1.0.9"}]))})
    }),
    ("bridge_default_gateway", || {
        json!({"type": "bridge", "isDefaultGateway": true, "forceAddress": true, "ipam": host_local(json!([])),
            "dns": {"nameservers": ["10.1.0.53"], "search": ["example.org"]}})
    }),
    ("bridge_without_gateway", || json!({"type": "bridge", "ipam": host_local(json!([]))})),
    (
        "bridge_masquerade_iptables",
        || json!({"type": "bridge", "isDefaultGateway": true, "ipMasq": true, "ipam": host_local(json!([]))}),
    ),
    ("bridge_masquerade_nftables", || {
        json!({"type": "bridge", "isDefaultGateway": true, "ipMasq": true, "ipMasqBackend": "nftables",
            "ipam": host_local(json!([]))})
    }),
    ("bridge_sender_checked", || {
        json!({"type": "bridge", "isGateway": true, "macspoofchk": true, "portIsolation": true,
            "ipam": host_local(json!([]))})
    }),
    (
        "bridge_promiscuous",
        || json!({"type": "bridge", "isGateway": true, "promiscMode": true, "ipam": host_local(json!([]))}),
    ),
    (
        "bridge_probed",
        || json!({"type": "bridge", "isGateway": true, "enabledad": true, "ipam": host_local(json!([]))}),
    ),
    ("bridge_static", || {
        json!({"type": "bridge", "isGateway": true, "ipam": {"type": "static",
            "addresses": [{"address": "10.1.0.77/24", "gateway": "10.1.0.1"}], "routes": [{"dst": "0.0.0.0/0"}]}})
    }),
    ("bridge_switched", || json!({"type": "bridge", "macspoofchk": true})),
    ("bridge_pod_down", || json!({"type": "bridge", "disableContainerInterface": true})),
    (
        "ptp",
        || json!({"type": "ptp", "mtu": 1420, "ipam": host_local(json!([{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]))}),
    ),
    ("ptp_masquerade_iptables", || json!({"type": "ptp", "ipMasq": true, "ipam": host_local(json!([]))})),
    (
        "ptp_masquerade_nftables",
        || json!({"type": "ptp", "ipMasq": true, "ipMasqBackend": "nftables", "ipam": host_local(json!([]))}),
    ),
];

fn host_local(routes: Value) -> Value {
    json!({"type": "host-local", "routes": routes, "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd01::/64"}]]})
}

fn network(maker: Maker, entry: Value) -> Result<Network, Failure> {
    let path = vec![maker.folder()?];
    Ok(Network { name: "dropin".into(), version: "1.1.0".into(), plugins: vec![entry], path })
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = |name: String, body: Box<dyn Fn() -> Outcome + Send + Sync>| {
        cases.push(Case { name: format!("dropin_interfaces::{name}"), limit: LIMIT, body });
    };
    for (name, entry) in CONFIGS {
        case(format!("{name}::both_answer_and_leave_the_same"), Box::new(move || same(&entry())));
        for maker in Maker::ALL {
            let (by, other) = (maker.word(), maker.other().word());
            let body = move || exchange(maker, &entry());
            case(format!("{name}::made_by_{by}_and_deleted_by_{other}"), Box::new(body));
        }
        case(format!("{name}::collected"), Box::new(move || collected(&entry())));
    }
    for maker in Maker::ALL {
        let by = maker.word();
        case(format!("{by}::loopback"), Box::new(move || loopback(maker)));
        case(format!("{by}::isolated_ports_do_not_meet"), Box::new(move || isolated(maker)));
        case(format!("{by}::a_forged_sender_is_not_heard"), Box::new(move || forged(maker)));
        case(format!("{by}::versions"), Box::new(move || versions(maker)));
        case(format!("{by}::bad_input"), Box::new(move || bad_input(maker)));
        case(format!("{by}::a_second_add_fails_and_harms_nothing"), Box::new(move || second_add(maker)));
    }
    case("podnet::check_names_every_difference".into(), Box::new(differences_are_named));
    case("podnet::status".into(), Box::new(status));
    case("podnet::a_taken_address_fails_the_probe".into(), Box::new(taken_address));
    case("podnet::a_failed_add_leaves_nothing".into(), Box::new(failed_add));
    case("podnet::mode_kubenet_deletes_what_the_reference_chain_made".into(), Box::new(kubenet_deletes));
    cases
}

fn same(entry: &Value) -> Outcome {
    let mut seen = Vec::new();
    for maker in Maker::ALL {
        let network = network(maker, entry.clone())?;
        let pod = Pod::create("pod")?;
        let added = network.add(&pod).doing(maker.word())?;
        seen.push((view::of_result(&added), view::of_pod(&pod, &added)?));
        network.del(&pod, Some(&added)).doing(maker.word())?;
        reset()?;
    }
    let [(result, state), (wanted_result, wanted_state)] = &seen[..] else {
        return Err(Failure::failed("two"));
    };
    ensure_eq!(result, wanted_result, "result");
    ensure_eq!(state, wanted_state, "state");
    Ok(())
}

/// Takes away what stays of a network, so that the next one starts as the first.
fn reset() -> Outcome {
    for bridge in ["br0", "cni0"] {
        let _may_be_missing = Place::Node.ip(&["link", "delete", bridge]);
    }
    let _none_yet = std::fs::remove_dir_all("/var/lib/cni/networks");
    Ok(())
}

fn exchange(maker: Maker, entry: &Value) -> Outcome {
    let (makes, removes) = (network(maker, entry.clone())?, network(maker.other(), entry.clone())?);
    // Both: the reference's look for iptables leaves an empty table.
    settle(&removes)?;
    settle(&makes)?;
    let before = Snapshot::take()?;
    // The reference's CHECK asks for an IPAM plugin even where its ADD did without.
    let can_check = |by: Maker| by == Maker::Podnet || entry.get("ipam").is_some();
    for has_result in [true, false] {
        let pod = Pod::create("pod")?;
        let added = makes.add(&pod)?;
        for (by, network) in [(maker, &makes), (maker.other(), &removes)] {
            if can_check(by) {
                network.check(&pod, &added).doing(format_args!("CHECK by {}", by.word()))?;
            }
        }
        removes.del(&pod, Some(&added).filter(|_| has_result)).doing("DEL by the other")?;
        before.ensure_unchanged("DEL by the other")?;
        makes.del(&pod, Some(&added)).doing("DEL by its maker, of nothing")?;
        before.ensure_unchanged("DEL by both")?;
    }
    Ok(())
}

/// GC removes what podnet made for a pod that no list names, and leaves a live one alone.
fn collected(entry: &Value) -> Outcome {
    let network = network(Maker::Podnet, entry.clone())?;
    settle(&network)?;
    if entry["ipam"]["type"] == "static" {
        return Ok(());
    }
    let alive = Pod::create("alive")?;
    let added = network.add(&alive)?;
    let before = Snapshot::take()?;
    let lost = Pod::create("lost")?;
    network.add(&lost)?;
    let valid = json!([{"containerID": alive.container, "ifname": alive.ifname}]);
    reply::silence(network.call("GC", None, &[("cni.dev/valid-attachments", valid)])?)?;
    before.ensure_unchanged("GC")?;
    network.check(&alive, &added)
}

fn loopback(maker: Maker) -> Outcome {
    let is_up = |pod: &Pod| -> Result<bool, Failure> {
        let flags = Place::from(&pod.netns).ip_json(&["link", "show", "dev", "lo"])?[0]["flags"].take();
        Ok(flags.as_array().is_some_and(|flags| flags.contains(&json!("UP"))))
    };
    let entry = json!({"type": "loopback"});
    let (makes, removes) = (network(maker, entry.clone())?, network(maker.other(), entry)?);
    let pod = Pod { ifname: "lo".into(), ..Pod::create("pod")? };
    ensure!(makes.check(&pod, &Added(json!({}))).is_err(), "CHECK before ADD passes");
    let added = makes.add(&pod)?;
    ensure_eq!(added.cidrs(), ["127.0.0.1/8", "::1/128"], "addresses");
    ensure_eq!(added.interface(0)?, "lo", "interface");
    ensure!(is_up(&pod)?, "lo is down after ADD");
    makes.check(&pod, &added)?;
    removes.check(&pod, &added)?;
    removes.del(&pod, Some(&added))?;
    ensure!(!is_up(&pod)?, "lo is up after DEL");
    let passed =
        makes.call("ADD", Some(&pod), &[("prevResult", json!({"cniVersion": "1.1.0", "ips": []}))])?;
    ensure!(
        !reply::result(passed)?.0.to_string().contains("127.0.0.1"),
        "the earlier result is not passed on"
    );
    pod.netns.remove()?;
    makes.del(&pod, None)
}

fn pings(pod: &Pod, address: IpAddr) -> Result<bool, Failure> {
    let words = ["netns", "exec", pod.netns.name(), "ping", "-c", "1", "-W", "1", &address.to_string()];
    Ok(run(&mut command("ip", words), b"")?.status.success())
}

fn isolated(maker: Maker) -> Outcome {
    let entry =
        json!({"type": "bridge", "isGateway": true, "portIsolation": true, "ipam": host_local(json!([]))});
    let network = network(maker, entry)?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    network.add(&a)?;
    let address = network.add(&b)?.addresses()?[0];
    ensure!(pings(&a, "10.1.0.1".parse()?)?, "the gateway does not answer");
    ensure!(!pings(&a, address)?, "a neighbour behind an isolated port answers");
    Ok(())
}

fn forged(maker: Maker) -> Outcome {
    let entry =
        json!({"type": "bridge", "isGateway": true, "macspoofchk": true, "ipam": host_local(json!([]))});
    let pod = Pod::create("pod")?;
    network(maker, entry)?.add(&pod)?;
    let gateway = "10.1.0.1".parse()?;
    ensure!(pings(&pod, gateway)?, "the gateway does not answer");
    Place::from(&pod.netns).ip(&["link", "set", "eth0", "address", "02:99:99:99:99:99"])?;
    ensure!(!pings(&pod, gateway)?, "the gateway answers a forged sender");
    Ok(())
}

fn versions(maker: Maker) -> Outcome {
    let entry = json!({"type": "bridge", "isDefaultGateway": true, "ipam": host_local(json!([]))});
    for version in ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        let network = network(maker, entry.clone())?.version(version);
        let pod = Pod::create("pod")?;
        let added = network.add(&pod)?;
        ensure_eq!(added.0["cniVersion"], json!(version), "version of the result");
        ensure_eq!(added.cidrs().len(), 2, "addresses in version {version}");
        network.del(&pod, None)?;
    }
    Ok(())
}

/// What both refuse, and what podnet says of it.
fn bad_input(maker: Maker) -> Outcome {
    let ipam = || host_local(json!([]));
    let entries = [
        (
            json!({"type": "bridge", "vlan": 5000, "ipam": ipam()}),
            "invalid VLAN ID 5000 (must be between 0 and 4094)",
        ),
        (json!({"type": "bridge", "vlanTrunk": [{"minID": 3}], "ipam": ipam()}), "maxID is missing"),
        (
            json!({"type": "bridge", "vlanTrunk": [{"minID": 3, "maxID": 2}], "ipam": ipam()}),
            "minID is greater than maxID",
        ),
        (
            json!({"type": "bridge", "hairpinMode": true, "promiscMode": true, "ipam": ipam()}),
            "at the same time",
        ),
        (
            json!({"type": "bridge", "disableContainerInterface": true, "ipam": ipam()}),
            "disableContainerInterface",
        ),
        (json!({"type": "bridge", "bridge": "lo", "ipam": ipam()}), "lo"),
        (json!({"type": "bridge", "mtu": 70000, "ipam": ipam()}), "mtu"),
        (json!({"type": "bridge", "isGateway": "yes", "ipam": ipam()}), "isGateway"),
        (json!({"type": "bridge", "runtimeConfig": {"mac": "x"}, "ipam": ipam()}), "mac"),
        (json!({"type": "bridge", "ipMasq": true, "ipMasqBackend": "pf", "ipam": ipam()}), "pf"),
        (json!({"type": "bridge", "ipam": {"type": "none-such"}}), "none-such"),
        (json!({"type": "ptp"}), "ipam"),
        (json!({"type": "ptp", "ipMasq": true, "ipMasqBackend": "pf", "ipam": ipam()}), "pf"),
    ];
    if maker == Maker::Podnet {
        settle(&network(maker, CONFIGS[1].1())?)?;
    }
    for (entry, words) in entries {
        let before = Snapshot::take()?;
        let pod = Pod::create("pod")?;
        let refused = network(maker, entry.clone())?.call("ADD", Some(&pod), &[])?;
        ensure!(!refused.status.success(), "{entry} is not refused: {refused}");
        if maker == Maker::Podnet {
            ensure!(reply::error(&refused)?.names(words), "{entry}: {refused}");
            before.ensure_unchanged("a refused ADD")?;
        } else {
            reset()?;
        }
    }
    Ok(())
}

fn second_add(maker: Maker) -> Outcome {
    for entry in [CONFIGS[1].1(), CONFIGS[11].1()] {
        let network = network(maker, entry)?;
        let pod = Pod::create("pod")?;
        let added = network.add(&pod)?;
        let before = Snapshot::take()?;
        let refused = network.call("ADD", Some(&pod), &[])?;
        ensure!(!refused.status.success(), "a second ADD succeeds: {refused}");
        network.check(&pod, &added)?;
        if maker == Maker::Podnet {
            ensure!(reply::error(&refused)?.code >= 100, "{refused}");
            before.ensure_unchanged("the second ADD")?;
        }
        network.del(&pod, Some(&added))?;
    }
    Ok(())
}

fn differences_are_named() -> Outcome {
    let entry = json!({"type": "bridge", "bridge": "br0", "isDefaultGateway": true, "ipMasq": true, "macspoofchk": true,
        "ipMasqBackend": "nftables", "portIsolation": true, "ipam": host_local(json!([]))});
    let network = network(Maker::Podnet, entry)?;
    let pod = Pod::create("pod")?;
    let added = network.add(&pod)?;
    let port = added.interface(1)?;
    tool(&["ip", "link", "set", port, "type", "bridge_slave", "isolated", "off", "hairpin", "on"])?;
    Place::Node.ip(&["addr", "del", "10.1.0.1/24", "dev", "br0"])?;
    Place::from(&pod.netns).ip(&["route", "del", "default"])?;
    tool(&["nft", "flush", "chain", "inet", "cni_plugins_masquerade", "masq_checks"])?;
    tool(&["nft", "flush", "chain", "bridge", "nat", "PREROUTING"])?;
    let found = reply::error(&network.call("CHECK", Some(&pod), &[("prevResult", added.0.clone())])?)?;
    for words in
        ["isolation of", "hairpin mode of", "10.1.0.1/24", "0.0.0.0/0", "masquerading rules", "sender"]
    {
        ensure!(found.names(words), "CHECK does not name {words}: {found:?}");
    }
    network.del(&pod, Some(&added))
}

fn status() -> Outcome {
    let range = json!([[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.7", "rangeEnd": "10.1.0.7"}]]);
    for kind in ["bridge", "ptp"] {
        let entry = json!({"type": kind, "ipam": {"type": "host-local", "ranges": range}});
        let network = network(Maker::Podnet, entry)?;
        reply::silence(network.call("STATUS", None, &[])?)?;
        let pod = Pod::create("pod")?;
        let added = network.add(&pod)?;
        let full = reply::error(&network.call("STATUS", None, &[])?)?;
        ensure_eq!(full.code, 50, "code of STATUS with no address left");
        network.del(&pod, Some(&added))?;
    }
    reply::silence(network(Maker::Podnet, json!({"type": "loopback"}))?.call("STATUS", None, &[])?)
}

fn taken_address() -> Outcome {
    let entry = json!({"type": "bridge", "enabledad": true, "ipam": {"type": "static",
        "addresses": [{"address": "fd01::77/64"}]}});
    let network = network(Maker::Podnet, entry)?;
    let (first, second) = (Pod::create("a")?, Pod::create("b")?);
    network.add(&first)?;
    let before = Snapshot::take()?;
    let refused = reply::error(&network.call("ADD", Some(&second), &[])?)?;
    ensure!(refused.names("fd01::77"), "{refused:?}");
    before.ensure_unchanged("a failed probe")
}

/// Without any iptables, masquerading by it fails when all else is made.
fn failed_add() -> Outcome {
    let entry = json!({"type": "bridge", "isDefaultGateway": true, "macspoofchk": true, "ipMasq": true,
        "ipMasqBackend": "iptables", "ipam": host_local(json!([]))});
    let network = network(Maker::Podnet, entry)?;
    settle(&network)?;
    let before = Snapshot::take()?;
    let pod = Pod::create("pod")?;
    let mut add = network.command(0, "ADD", Some(&pod))?;
    let failed = run(add.env("PATH", "/nowhere"), network.config(0, &[])?.to_string().as_bytes())?;
    ensure!(reply::error(&failed)?.names("iptables"), "{failed}");
    before.ensure_unchanged("a failed ADD")?;
    let added = network.add(&pod)?;
    network.del(&pod, Some(&added))
}

fn kubenet_deletes() -> Outcome {
    let bridge = json!({"type": "bridge", "bridge": "cbr0", "isDefaultGateway": true, "ipMasq": true,
        "ipam": host_local(json!([]))});
    let ports = json!({"type": "portmap", "runtimeConfig": {"portMappings": [
        {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}});
    let limits = json!({"type": "bandwidth", "ingressRate": 8_000_000, "ingressBurst": 8_000_000,
        "egressRate": 8_000_000, "egressBurst": 8_000_000});
    let mut chain = network(Maker::Reference, bridge)?;
    chain.plugins.extend([ports, limits]);
    let podnet = json!({"type": "podnet", "mode": "kubenet", "ipam": host_local(json!([]))});
    let podnet = Network {
        path: vec![tools::podnet()?.parent().map(Into::into).unwrap_or_default()],
        ..network(Maker::Reference, podnet)?
    };
    settle(&chain)?;
    let before = Snapshot::take()?;
    for has_result in [true, false] {
        let pod = Pod::create("pod")?;
        let added = chain.add(&pod)?;
        podnet.del(&pod, Some(&added).filter(|_| has_result))?;
        before.ensure_unchanged("DEL by podnet")?;
    }
    let pod = Pod::create("gone")?;
    let added = chain.add(&pod)?;
    pod.netns.remove()?;
    podnet.del(&pod, Some(&added))?;
    before.ensure_unchanged("DEL by podnet, of a pod whose namespace is gone")
}
