//! `podnet doctor` in mode vnet: nothing ails a node that is well, and what does is found.

use std::path::Path;
use std::time::Duration;

use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::installed::{self, CONFIGURATIONS};
use podnet_netns_tests::ipamd::{self, Ipamd};
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::process::tool;
use podnet_netns_tests::stand_in::{Answer, StandIn};
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::{ensure, ensure_eq, tools, wait};
use serde_json::{Value, json};

use super::tool::{Datapath, Stage, Test};
use super::{bridge, network};
use crate::daemon_addresses::{FOLDER, SOCKET, start_with};
use crate::doctor::{AILMENTS, Ailment, HEALTHY, findings, install, is_mended};
use crate::node_tool::await_end;

/// By either datapath.
pub(super) const TESTS: &[Test] = &[
    ("nothing_ails_a_good_node", nothing_ails_a_good_node),
    ("a_daemon_that_died_is_all_that_ails", a_dead_daemon),
    ("a_dead_pod_is_found_and_taken_off", a_dead_pod),
];

/// Each on a node of its own kind.
const ALONE: &[crate::node_tool::Test] = &[
    ("nothing_ails_the_list_of_an_overlay", overlay),
    ("nothing_ails_pods_of_the_nodes_own_subnet", own_subnet),
    ("a_cns_that_is_well_or_away", a_cns),
    ("podnet_ipamd_in_the_place_of_a_cns", in_the_place_of_a_cns),
    ("no_link_to_the_network_at_all", no_uplink_at_all),
    ("a_list_that_the_daemon_owes", a_list_that_is_owed),
];

pub(super) fn cases() -> impl Iterator<Item = Case> {
    let alone = ALONE.iter().map(|&(name, body)| super::case(&format!("doctor::{name}"), body));
    let of_kubenet = OF_KUBENET.iter().map(|&(datapath, name)| {
        mended(datapath, name, move || AILMENTS.iter().find(|ailment| ailment.name == name).doing(name))
    });
    let of_uplinks = [Datapath::Transparent, Datapath::Bridge].into_iter().flat_map(|datapath| {
        OF_UPLINKS.iter().map(move |ailment| mended(datapath, ailment.name, move || Ok(ailment)))
    });
    alone.chain(of_kubenet).chain(of_uplinks)
}

/// What ails nodes of mode kubenet too, by name.
const OF_KUBENET: &[(Datapath, &str)] = &[
    (Datapath::Transparent, "forwarding_of_ipv6"),
    (Datapath::Transparent, "a_policy_of_ip6tables"),
    (Datapath::Bridge, "br_netfilter"),
];

/// What may be wrong with the link that the list names.
const OF_UPLINKS: &[Ailment] = &[
    Ailment {
        name: "a_link_to_the_network_that_is_down",
        provoke: "ip link set uplink down",
        check: "uplink",
        object: "network azure",
        severity: "error",
        ..HEALTHY
    },
    Ailment {
        name: "a_link_to_the_network_of_another_name",
        provoke: "ip link set uplink down; ip link set uplink name renamed up",
        check: "uplink",
        object: "network azure",
        severity: "error",
        ..HEALTHY
    },
];

fn mended(
    datapath: Datapath,
    name: &str,
    ailment: impl Fn() -> Result<&'static Ailment, Failure> + Send + Sync + 'static,
) -> Case {
    let name = format!("doctor::{}::mends_{name}", datapath.word());
    super::case(&name, move || mends(datapath, ailment()?))
}

/// Each on a node with a pod, whose list names the link to the network.
fn mends(datapath: Datapath, ailment: &Ailment) -> Outcome {
    if datapath == Datapath::Transparent {
        make_uplink()?;
    }
    let mut stage = Stage::set(datapath, Family::Dual)?;
    stage.network = stage.network.with("/master", "uplink");
    std::fs::write("/run/net.d/10-podnet.conflist", stage.network.conflist().to_string())?;
    let _pod = stage.up("a")?;
    well("the node")?;
    is_mended(ailment)
}

/// A link of the node's, to no network.
fn make_uplink() -> Outcome {
    tool(&["ip", "link", "add", "uplink", "type", "veth", "peer", "name", "cable"])?;
    tool(&["ip", "link", "set", "cable", "up"])?;
    tool(&["ip", "link", "set", "uplink", "up"]).map(drop)
}

/// As the first ADD would have it.
fn forward() -> Outcome {
    tool(&["sysctl", "-qw", "net.ipv4.ip_forward=1"]).map(drop)
}

/// Nothing at all is found.
fn well(what: &str) -> Outcome {
    let (found, code) = findings(&[])?;
    ensure_eq!((json!(found), code), (json!([]), 0), "findings on {what}");
    Ok(())
}

/// The one thing that is found, but for notices.
fn only_finding() -> Result<Value, Failure> {
    let (found, code) = findings(&[])?;
    let bad: Vec<&Value> = found.iter().filter(|finding| finding["severity"] != "notice").collect();
    ensure_eq!((bad.len(), code), (1, 1), "findings and exit code of {}", json!(found));
    bad.first().map(|&finding| finding.clone()).doing("a finding")
}

fn nothing_ails_a_good_node(datapath: Datapath, family: Family) -> Outcome {
    let stage = Stage::set(datapath, family)?;
    if family.has_v4() {
        // Of a daemon's addresses nobody knows before the first pod which family they are of.
        well("a node without pods")?;
    }
    let _pods = [stage.up("a")?, stage.up("b")?];
    if datapath == Datapath::Transparent {
        // No frame passes a bridge.
        bridge::set_br_netfilter(false)?;
    }
    well("a node with pods")?;
    let ranges = ["--pod-cidr", "10.244.0.0/16", "--service-cidr", "10.96.0.0/16"];
    ensure_eq!(findings(&ranges)?, (Vec::new(), 0), "findings with the cluster's ranges");
    Ok(())
}

fn a_dead_daemon(datapath: Datapath, family: Family) -> Outcome {
    let stage = Stage::set(datapath, family)?;
    let _pods = [stage.up("a")?, stage.up("b")?];
    drop(stage.daemon);
    let finding = only_finding()?;
    ensure_eq!(finding["check"], "daemon", "{finding}");
    ensure_eq!(finding["severity"], "error", "{finding}");
    ensure_eq!(finding["object"], format!("podnet-ipamd at {SOCKET}"), "{finding}");
    ensure!(finding["fix"].to_string().contains("systemctl restart podnet-ipamd"), "{finding}");
    let _daemon = super::daemon(family)?;
    well("a node whose daemon is back")
}

fn a_dead_pod(datapath: Datapath, family: Family) -> Outcome {
    let stage = Stage::set(datapath, family)?;
    let _living = stage.up("a")?;
    let (dead, added) = stage.up("b")?;
    dead.netns.remove()?;
    await_end(added.interface(usize::from(datapath == Datapath::Bridge))?)?;
    wait::until(Duration::from_secs(10), "the daemon misses the pod", || {
        let missing = stage.daemon.get("/debug/status")?.json()?["reconciliation"]["missing"].take();
        Ok((missing.as_array().is_some_and(|missing| !missing.is_empty())).then_some(()))
    })?;
    let (found, code) = findings(&[])?;
    let leftovers = found.iter().find(|finding| finding["check"] == "leftovers").doing(json!(found))?;
    ensure_eq!((&leftovers["object"], code), (&json!("network azure"), 1), "{leftovers}");
    ensure!(leftovers["problem"].to_string().contains(&dead.container), "{leftovers}");
    crate::doctor::shell(leftovers["fix"].as_str().doing("the command")?)?;
    well("a node that a dead pod was taken off")
}

/// The shipped list, whose addresses host-local has, with a route of its own to each.
fn overlay() -> Outcome {
    let file = tools::workspace().join("conf/vnet-overlay.conflist");
    let mut list: Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    list["plugins"][0]["blockIMDS"] = true.into();
    install(&list)?;
    forward()?;
    well("a node without pods")?;
    let network = Network { plugins: vec![list["plugins"][0].clone()], ..network()? };
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    let added = network.add(&a)?;
    network.add(&b)?;
    bridge::set_br_netfilter(false)?;
    well("a node with pods")?;
    ensure_eq!(findings(&["--pod-cidr", "10.244.0.0/16"])?.1, 0, "exit code with the cluster's range");
    // The route of an address that is nobody's yet is in the next pod's way.
    make_uplink()?;
    tool(&["ip", "route", "add", "10.244.1.200/32", "dev", "uplink"])?;
    let finding = only_finding()?;
    ensure!(finding["problem"].to_string().contains("10.244.1.200/32 leads to link uplink"), "{finding}");
    crate::doctor::shell(finding["fix"].as_str().doing("the command")?)?;
    well("a node without that route")?;
    network.check(&a, &added)
}

/// As in a virtual network: the node's subnet is the pods', and its gateway has a route of its own.
fn own_subnet() -> Outcome {
    make_uplink()?;
    tool(&["ip", "addr", "add", "10.244.1.4/24", "dev", "uplink"])?;
    tool(&["ip", "route", "add", "10.244.1.1", "dev", "uplink"])?;
    let range = json!([[{"subnet": "10.244.1.0/24", "rangeStart": "10.244.1.16"}]]);
    let ipam = json!({"type": "host-local", "ranges": range});
    let network = network()?.with("/blockIMDS", true).with("/ipam", ipam);
    install(&network.conflist())?;
    let pod = Pod::create("a")?;
    network.add(&pod)?;
    well("a node in its pods' subnet")?;
    tool(&["ip", "addr", "add", "10.244.1.99/32", "dev", "uplink"])?;
    let finding = only_finding()?;
    ensure_eq!(finding["severity"], "warning", "{finding}");
    ensure!(finding["problem"].to_string().contains("10.244.1.99/32"), "{finding}");
    Ok(())
}

/// Addresses of a CNS at this port.
fn of_cns(port: u16) -> Result<Network, Failure> {
    let ipam = json!({"type": "azure-cns", "url": format!("http://127.0.0.1:{port}")});
    Ok(network()?.with("/blockIMDS", true).with("/ipam", ipam))
}

fn a_cns() -> Outcome {
    let (cns, port) = StandIn::on_tcp()?;
    let network = of_cns(port)?;
    install(&network.conflist())?;
    cns.answers(Answer::grant("10.244.1.5", ("10.244.1.0", 24), ""));
    let pod = Pod::create("a")?;
    network.add(&pod)?;
    well("a node with a CNS")?;
    // A port that nobody listens on.
    let away = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    std::fs::write("/run/net.d/10-podnet.conflist", of_cns(away)?.conflist().to_string())?;
    let finding = only_finding()?;
    ensure_eq!(finding["check"], "daemon", "{finding}");
    ensure_eq!(finding["severity"], "error", "{finding}");
    ensure_eq!(finding["object"], format!("azure-cns at http://127.0.0.1:{away}"), "{finding}");
    ensure!(finding["problem"].to_string().contains("cannot reach the address daemon"), "{finding}");
    ensure!(finding["fix"].to_string().contains("azure-cns"), "{finding}");
    Ok(())
}

fn in_the_place_of_a_cns() -> Outcome {
    let listen = format!("listen: {{http: '127.0.0.1:10090', socket: {SOCKET}}}\n");
    let daemon = start_with(&format!("{listen}{}", ipamd::pool(Family::V4, 16, 1)))?;
    let network = of_cns(10090)?;
    install(&network.conflist())?;
    forward()?;
    well("a node without pods")?;
    let pod = Pod::create("a")?;
    network.add(&pod)?;
    // What it says of itself is heard.
    let finding = only_finding()?;
    ensure!(finding["problem"].to_string().contains("it is not ready"), "{finding}");
    network.del(&pod, None)?;
    well("a node without pods again")?;
    drop(daemon);
    ensure_eq!(only_finding()?["object"], "azure-cns at http://127.0.0.1:10090", "what is away");
    Ok(())
}

/// By datapath bridge, without a word in the list.
fn no_uplink_at_all() -> Outcome {
    let _daemon = super::daemon(Family::V4)?;
    forward()?;
    install(&network()?.with("/blockIMDS", true).with("/datapath", "bridge").conflist())?;
    let finding = only_finding()?;
    ensure_eq!((&finding["check"], &finding["severity"]), (&json!("uplink"), &json!("error")), "{finding}");
    ensure!(finding["problem"].to_string().contains("no default route"), "{finding}");
    Ok(())
}

/// The daemon writes the list itself, once it has addresses: there are none yet.
fn a_list_that_is_owed() -> Outcome {
    installed::install()?;
    std::fs::create_dir_all(FOLDER)?;
    let (socket, list) = ("/run/podnet/ipamd.sock", format!("{CONFIGURATIONS}/10-podnet.conflist"));
    std::fs::create_dir_all(CONFIGURATIONS)?;
    let source = format!("source: {{kind: podCIDR, file: {FOLDER}/node.json}}");
    let conflist = format!("conflist: {{path: {list}, template: vnet-transparent}}");
    let config = format!("listen: {{socket: {socket}}}\n{source}\n{conflist}\n");
    let daemon = Ipamd::start_at(Path::new(socket), Path::new(FOLDER), &config)?;
    let (found, code) = findings(&[])?;
    ensure_eq!(code, 1, "exit code");
    let of = |check: &str| found.iter().find(|finding| finding["check"] == check).doing(json!(found));
    ensure_eq!(of("conflist")?["fix"], "podnet-ipamd status", "what to do");
    let problem = of("daemon")?["problem"].to_string();
    ensure!(problem.contains("it is not ready"), "{problem}");
    let node = json!({"spec": {"podCIDRs": ["10.244.1.0/24"]}});
    std::fs::write(format!("{FOLDER}/node.json"), node.to_string())?;
    daemon.ready()?;
    wait::until(Duration::from_secs(10), "the list", || Ok(Path::new(&list).exists().then_some(())))?;
    forward()?;
    let (found, code) = findings(&[])?;
    ensure_eq!(code, 0, "exit code with {}", json!(found));
    Ok(())
}
