//! Lists of plugins: the subject first, in the middle and last, with the reference's chained plugins around it.

use std::fs;

use podnet_netns_tests::cnitool::Cnitool;
use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::reply;
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::tools::{self, CnitoolVersion};
use podnet_netns_tests::{ensure, ensure_eq};
use serde_json::{Value, json};

use crate::differences::{DROPS_EARLIER_RESULT, SBR_FAILS_CHECK};
use crate::table::{self, Scene};

pub(crate) fn cases() -> Vec<Case> {
    table::cases(
        "chains",
        &[Family::V4],
        &[
            ("before_portmap", |scene| chain(scene, &[], &[portmap()]), None),
            ("before_bandwidth", |scene| chain(scene, &[], &[bandwidth()]), None),
            ("before_tuning", |scene| chain(scene, &[], &[tuning()]), None),
            ("before_firewall", |scene| chain(scene, &[], &[json!({"type": "firewall"})]), None),
            ("before_sbr", |scene| chain(scene, &[], &[json!({"type": "sbr"})]), Some(&SBR_FAILS_CHECK)),
            ("before_all_but_sbr", before_all_but_sbr, None),
            ("in_the_middle", |scene| chain(scene, &[first()], &[tuning(), portmap()]), None),
            ("last", |scene| chain(scene, &[first()], &[]), None),
            ("an_earlier_result_is_kept", an_earlier_result_is_kept, Some(&DROPS_EARLIER_RESULT)),
        ],
    )
}

fn first() -> Value {
    json!({"type": "first-in-list"})
}

fn portmap() -> Value {
    json!({"type": "portmap", "snat": true, "runtimeConfig": {"portMappings": [
        {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}})
}

fn bandwidth() -> Value {
    json!({"type": "bandwidth", "ingressRate": 8_000_000, "ingressBurst": 8_000_000,
        "egressRate": 8_000_000, "egressBurst": 8_000_000})
}

fn tuning() -> Value {
    json!({"type": "tuning", "mac": "02:11:22:33:44:55", "sysctl": {"net.ipv4.conf.eth0.log_martians": "1"}})
}

fn before_all_but_sbr(scene: Scene) -> Outcome {
    chain(scene, &[], &[tuning(), portmap(), bandwidth(), json!({"type": "firewall"})])
}

/// The list with the subject between the others, and where all of their binaries are.
fn network(scene: Scene, before: &[Value], after: &[Value]) -> Result<Network, Failure> {
    let mut network = scene.network()?;
    for kind in after.iter().filter_map(|entry| entry["type"].as_str()) {
        let binary = tools::reference()?.join(kind);
        ensure!(binary.exists(), "{} is missing: make tools", binary.display());
    }
    network.path.extend([tools::reference()?, tools::workspace().join("netns-tests/plugins")]);
    network.plugins = [before, &network.plugins, after].concat();
    Ok(network)
}

/// Every verb by cnitool; afterwards the node is as it was after a first pod.
fn chain(scene: Scene, before: &[Value], after: &[Value]) -> Outcome {
    let network = network(scene, before, after)?;
    let path = std::env::join_paths(&network.path)?;
    let tool = Cnitool::load(CnitoolVersion::V1_3_1, &network.conflist(), path.as_ref())?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    reply::result(tool.run("add", &a)?)?;
    reply::silence(tool.run("del", &a)?)?;
    let node = Snapshot::take()?;
    for pod in [&a, &b] {
        reply::result(tool.run("add", pod)?)?;
        tool.run("check", pod)?.success()?;
    }
    tool.run("status", &a)?.success()?;
    let routes = Place::from(&a.netns).ip(&["route", "show", "table", "all", "default"])?;
    ensure!(routes.contains("via 10.244.1.1"), "default route: {routes}");
    tool.run("del", &a)?.success()?;
    tool.run("del", &a)?.success()?;
    tool.run("check", &b)?.success()?;
    // cnitool's gc names no attachment as valid: it takes every cached one off, here b.
    tool.run("gc", &b)?.success()?;
    ensure_eq!(fs::read_dir("/var/lib/cni/results")?.count(), 0, "cached results");
    node.ensure_unchanged("add, check, del and gc of a list")
}

fn an_earlier_result_is_kept(scene: Scene) -> Outcome {
    let network = network(scene, &[first()], &[])?;
    let added = network.add(&Pod::create("a")?)?;
    let names: Vec<_> = (0..4).map(|index| added.interface(index)).collect::<Result<_, _>>()?;
    ensure_eq!([names[0], names[1], names[3]], ["x0", "cbr0", "eth0"], "interfaces");
    ensure_eq!(added.cidrs(), ["192.0.2.5/24", "10.244.1.2/24"], "addresses");
    ensure_eq!(
        [&added.0["ips"][0]["interface"], &added.0["ips"][1]["interface"]],
        [&json!(0), &json!(3)],
        "whose the addresses are"
    );
    ensure_eq!(added.0["routes"][0]["dst"], json!("198.51.100.0/24"), "the earlier route");
    ensure_eq!(added.0["dns"], json!({"nameservers": ["192.0.2.1"]}), "the earlier dns");
    ensure_eq!(added.0["vendor.example/member"], json!({"kept": [1, 2]}), "the unknown member");
    Ok(())
}
