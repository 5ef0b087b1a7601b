//! Two whole nodes, each with its daemon and its plugin, on a network that routes between them and sees who sends.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::ipamd::Ipamd;
use podnet_netns_tests::machine::Machine;
use podnet_netns_tests::network::Pod;
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::{ensure_eq, probe};
use serde_json::{Value, json};

use super::{Test, inside, network};
use crate::daemon_addresses::{FOLDER, nobody_has_any};
use crate::{cloud, policy};

pub(super) const TESTS: &[Test] = &[
    ("two_nodes_of_one_network", |family| reach_each_other(family, flat)),
    ("two_nodes_of_an_overlay", |family| reach_each_other(family, overlay)),
    ("beneath_a_policy_across_nodes", beneath_a_policy),
];

const SOON: Duration = Duration::from_secs(5);

/// What is particular to a node: its number is the last digit of all of it.
struct Node {
    number: u8,
    /// The block that the network routes to it, of each family.
    blocks: Vec<String>,
    /// The daemon's `source`.
    source: String,
    /// A file of the daemon's folder that `source` names.
    file: Option<(&'static str, Value)>,
}

/// Pods have addresses of the nodes' own network, where each node was given some.
fn flat(family: Family, number: u8) -> Node {
    let blocks = family.pick(format!("10.224.{number}.32/28"), format!("fd00:224::{number}:20/124"));
    let mut source = json!({"kind": "static", "ranges": blocks});
    let names = family.pick(("subnet", "gateway"), ("subnetV6", "gatewayV6"));
    let values = family.pick(("10.224.0.0/16", cloud::GATEWAY.0), ("fd00:224::/64", cloud::GATEWAY.1));
    for ((subnet, gateway), (net, address)) in names.into_iter().zip(values) {
        source[subnet] = net.into();
        source[gateway] = address.into();
    }
    Node { number, blocks, source: source.to_string(), file: None }
}

/// Pods have addresses that the network knows only as a block of each node, as the cluster gave it.
fn overlay(family: Family, number: u8) -> Node {
    let blocks = family.pick(format!("10.244.{number}.0/24"), format!("fd00:244:{number}::/64"));
    let node = json!({"kind": "Node", "spec": {"podCIDR": blocks[0], "podCIDRs": blocks}});
    let source = json!({"kind": "podCIDR", "file": format!("{FOLDER}/node.json")}).to_string();
    Node { number, blocks, source, file: Some(("node.json", node)) }
}

/// A machine with its daemon.
struct Running {
    machine: Machine,
    daemon: Ipamd,
}

impl Running {
    fn start(family: Family, node: &Node) -> Result<Self, Failure> {
        let machine = cloud::join(family, node.number, &node.blocks)?;
        let folder = Path::new(FOLDER);
        if let Some((name, content)) = &node.file {
            fs::write(machine.path(&folder.join(name)), content.to_string())?;
        }
        let config = format!("source: {}\npool: {{coolDown: 0s}}\n", node.source);
        let daemon = Ipamd::start_on(&machine, folder, &config)?;
        daemon.ready()?;
        Ok(Self { machine, daemon })
    }
}

/// A pod that is up, and its addresses.
struct Guest {
    pod: Pod,
    addresses: Vec<IpAddr>,
}

fn reach_each_other(family: Family, node: fn(Family, u8) -> Node) -> Outcome {
    cloud::open()?;
    let nodes = [1, 2].map(|number| Running::start(family, &node(family, number)));
    let [first, second] = nodes;
    let (first, second) = (first?, second?);
    let guests = |node: &Running, names: [&str; 2]| -> Result<Vec<Guest>, Failure> {
        let add = |name: &str| {
            let pod = Pod::create(name)?;
            let added = node.machine.add(&network()?, &pod)?;
            node.machine.check(&network()?, &pod, &added)?;
            Ok(Guest { addresses: added.addresses()?, pod })
        };
        names.into_iter().map(add).collect()
    };
    let (here, there) = (guests(&first, ["a", "b"])?, guests(&second, ["c", "d"])?);
    for neighbours in [&here, &there] {
        passes(&neighbours[0], &neighbours[1])?;
    }
    ensure_eq!(
        cloud::carried()?,
        BTreeSet::new(),
        "what neighbours said to each other by way of the network"
    );
    let mut expected = BTreeSet::new();
    for (from, to) in here.iter().zip(&there) {
        passes(from, to)?;
        passes(to, from)?;
        for (&from, &to) in from.addresses.iter().zip(&to.addresses) {
            expected.extend([(from, to), (to, from)]);
        }
    }
    ensure_eq!(cloud::carried()?, expected, "who spoke to whom, as the network saw it");
    for (node, guests) in [(&first, &here), (&second, &there)] {
        let records = node.machine.path(Path::new("/run/podnet/attachments"));
        ensure_eq!(fs::read_dir(&records)?.count(), guests.len(), "records");
        for guest in guests {
            node.machine.del(&network()?, &guest.pod)?;
        }
        ensure_eq!(fs::read_dir(&records)?.count(), 0, "records after DEL");
        let links = node.machine.place().ip(&["-o", "link"])?;
        ensure_eq!(links.matches(": azv").count(), 0, "links of pods in {links}");
        nobody_has_any(&node.daemon)?;
    }
    Ok(())
}

/// Each of the other's addresses is reached, and sees the sender's own.
fn passes(from: &Guest, to: &Guest) -> Outcome {
    for (&own, &target) in from.addresses.iter().zip(&to.addresses) {
        let seen = probe::reach(inside(&from.pod), inside(&to.pod), target, SOON)?;
        ensure_eq!(seen, own, "source seen by {target}");
        probe::stream(inside(&from.pod), inside(&to.pod), target, 1 << 20)?;
    }
    Ok(())
}

fn beneath_a_policy(family: Family) -> Outcome {
    cloud::open()?;
    let (here, there) =
        (Running::start(family, &flat(family, 1))?, Running::start(family, &flat(family, 2))?);
    policy::across([(&here.machine, network()?), (&there.machine, network()?)])
}
