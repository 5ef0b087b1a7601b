//! `portmap`, `bandwidth`, `host-local` and `static`: podnet called by their names, beside the plugins themselves.
//!
//! Each configuration is run by both, which must answer and leave the same; and each pod is checked and deleted by the
//! other one than made it, which must leave nothing.

mod configs;
mod faults;
mod ports;

use std::time::Duration;

use podnet_netns_tests::cnitool::Cnitool;
use podnet_netns_tests::dropin::Maker;
use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::Pod;
use podnet_netns_tests::process::{run, tool};
use podnet_netns_tests::reply;
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::tools::CnitoolVersion;
use podnet_netns_tests::{ensure, ensure_eq, view, wait};
use serde_json::{Value, json};

use configs::{BANDWIDTH, chain, configs, network, ranges};

use crate::table::settle;

const LIMIT: Duration = Duration::from_mins(1);

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
        case(format!("{by}::versions"), Box::new(move || faults::versions(maker)));
        case(format!("{by}::bad_input"), Box::new(move || faults::bad_input(maker)));
        case(format!("{by}::a_second_address_is_refused"), Box::new(move || faults::second_address(maker)));
        for backend in ["iptables", "nftables"] {
            let name = format!("{by}::ports_lead_to_the_pod_by_{backend}");
            case(name, Box::new(move || ports::ports_lead_to_the_pod(maker, backend)));
        }
    }
    // The reference's parallel ADDs fail on a node without its chains, or double what is shared.
    for backend in ["iptables", "nftables"] {
        case(format!("podnet::parallel_by_{backend}"), Box::new(move || ports::parallel_ports(backend)));
    }
    case("podnet::a_list_by_cnitool".into(), Box::new(list_by_cnitool));
    case("podnet::status".into(), Box::new(faults::status));
    case("podnet::del_finds_the_other_backend".into(), Box::new(faults::del_finds_the_other_backend));
    case("podnet::a_failed_limit_leaves_nothing".into(), Box::new(faults::failed_limit));
    case("podnet::check_names_every_limit".into(), Box::new(faults::limits_are_named));
    cases
}

/// What the plugins have left that no view of a pod shows.
pub(super) fn state() -> Result<Value, Failure> {
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
    let mut seen = Vec::new();
    for kind in ["veth", "ifb"] {
        for link in Place::Node.ip_json(&["link", "show", "type", kind])?.as_array().into_iter().flatten() {
            let name = link["ifname"].as_str().unwrap_or_default();
            let shown = if kind == "ifb" { name } else { kind };
            seen.push(json!([shown, link["mtu"], limits(name)?]));
        }
    }
    let reservations: Vec<String> =
        files.names().filter(|name| name.starts_with("file ")).map(str::to_owned).collect();
    Ok(
        json!({"iptables": lines(&["iptables", "-t", "nat", "-S"])?, "ip6tables": lines(&["ip6tables", "-t", "nat", "-S"])?,
        "nft": [nft("ip"), nft("ip6")], "links": seen, "files": reservations}),
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
    let (of_maker, of_other) = (network(maker, plugins.to_vec())?, network(maker.other(), plugins.to_vec())?);
    // Both: the reference's look for iptables leaves an empty table.
    settle(&of_other)?;
    settle(&of_maker)?;
    let before = Snapshot::take()?;
    for has_result in [true, false] {
        let pod = Pod::create("pod")?;
        let added = of_maker.add(&pod)?;
        for (by, network) in [(maker, &of_maker), (maker.other(), &of_other)] {
            network.check(&pod, &added).doing(format_args!("CHECK by {}", by.word()))?;
        }
        of_other.del(&pod, Some(&added).filter(|_| has_result)).doing("DEL by the other")?;
        before.ensure_unchanged("DEL by the other")?;
        let is_noticed = !plugins.iter().any(is_without_effect);
        ensure!(!is_noticed || of_maker.check(&pod, &added).is_err(), "CHECK passes after DEL");
        of_maker.del(&pod, Some(&added)).doing("DEL by its maker, of nothing")?;
        before.ensure_unchanged("DEL by both")?;
    }
    Ok(())
}

/// The whole chain under the reference's names, run by the reference runtime's own tool.
fn list_by_cnitool() -> Outcome {
    let mut plugins =
        [chain("portmap", &json!({})), chain("bandwidth", &BANDWIDTH[0].1()).split_off(1)].concat();
    plugins[0]["ipam"] = ranges();
    let network = network(Maker::Podnet, plugins)?;
    let path = std::env::join_paths(&network.path)?;
    let tool = Cnitool::load(CnitoolVersion::V1_3_1, &network.conflist(), path.as_ref())?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    reply::result(tool.run("add", &a)?)?;
    reply::silence(tool.run("del", &a)?)?;
    let before = Snapshot::take()?;
    for _ in 0..2 {
        let added = reply::result(tool.run("add", &a)?)?;
        ensure!(added.interface(3)?.starts_with("bwp"), "no ifb in {added:?}");
        tool.run("check", &a)?.success()?;
        tool.run("status", &a)?.success()?;
        tool.run("del", &a)?.success()?;
        tool.run("del", &a)?.success()?;
        before.ensure_unchanged("add, check and del of a list")?;
    }
    tool.run("add", &b)?.success()?;
    // cnitool's gc names no attachment as valid: it takes every cached one off, here b.
    tool.run("gc", &b)?.success()?;
    before.ensure_unchanged("gc of a list")
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
