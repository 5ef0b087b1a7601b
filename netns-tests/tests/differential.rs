//! The differential test: the reference chain and podnet, each on a fresh node with the same configuration, answer and do
//! the same, as seen from outside. What differs on purpose is listed with its reason, and has to differ.
//!
//! podnet is asked in two ways: by the names of the reference plugins, and as `type: podnet`, one entry for the chain.

mod configurations;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use podnet_netns_tests::dropin::Maker;
use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::netns::{Netns, Place};
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::node::OtherNode;
use podnet_netns_tests::observed::{self, Neighbourhood};
use podnet_netns_tests::subject::{Family, Subject};
use podnet_netns_tests::{ensure, view};
use serde_json::{Value, json};

use self::configurations::{CONFIGURATIONS, Configuration};
use crate::differences::Difference;
use crate::table;

/// A TCP port of the node, and the pod's that it leads to.
const HOST_PORT: (u16, u16) = (8080, 80);
const NAME: &str = "kubenet";
const LIMIT: Duration = Duration::from_mins(2);

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for configuration in &CONFIGURATIONS {
        for &family in configuration.families {
            for by_name in [true, false] {
                let way = if by_name { "by_name" } else { "as_podnet" };
                let name = format!("differential::{}::{}::{way}", configuration.name, family.word());
                cases.push(Case {
                    name,
                    limit: LIMIT,
                    body: Box::new(move || compare(configuration, family, by_name)),
                });
            }
        }
    }
    cases
}

fn compare(configuration: &Configuration, family: Family, by_name: bool) -> Outcome {
    let reference =
        facts(&observe(&configuration.chain(Maker::Reference, family)?, family).doing("reference")?);
    let podnet =
        if by_name { configuration.chain(Maker::Podnet, family)? } else { configuration.podnet(family)? };
    let podnet = facts(&observe(&podnet, family).doing("podnet")?);
    let explained = if by_name { &[] } else { configuration.explained };
    let all: BTreeSet<_> = reference.keys().chain(podnet.keys()).collect();
    let mut unexplained = Vec::new();
    let mut seen = BTreeSet::new();
    for fact in all.into_iter().filter(|fact| reference.get(*fact) != podnet.get(*fact)) {
        match explained.iter().find(|(start, _)| fact.starts_with(start)) {
            Some((start, _)) => drop(seen.insert(start)),
            None => unexplained.push(format!(
                "{fact}: reference {:?}, podnet {:?}",
                reference.get(fact),
                podnet.get(fact)
            )),
        }
    }
    ensure!(unexplained.is_empty(), "differences without a reason:\n  {}", unexplained.join("\n  "));
    for (start, Difference { reference, .. }) in explained {
        ensure!(seen.contains(start), "a difference is gone, take it from the list: {start}: {reference}");
    }
    Ok(())
}

impl Configuration {
    /// The chain by the reference plugins' names.
    fn chain(&self, maker: Maker, family: Family) -> Result<Network, Failure> {
        let mut ipam =
            json!({"type": "host-local", "ranges": family.ranges(), "routes": family.default_routes()});
        merge(&mut ipam, (self.ipam)());
        let mut bridge = json!({"type": "bridge", "bridge": "cbr0", "ipam": ipam});
        merge(&mut bridge, (self.bridge)());
        let plugins = std::iter::once(bridge).chain((self.behind)()).collect();
        Ok(Network { name: NAME.into(), version: "1.1.0".into(), plugins, path: vec![maker.folder()?] })
    }

    /// The same said to podnet in one entry. Its defaults are kubenet's: what the reference does not do unasked is denied.
    fn podnet(&self, family: Family) -> Result<Network, Failure> {
        let chain = self.chain(Maker::Podnet, family)?;
        let mut entry = json!({"isGateway": false, "isDefaultGateway": false, "hairpinMode": false});
        chain.plugins.into_iter().rev().for_each(|plugin| merge(&mut entry, plugin));
        if entry["isDefaultGateway"] == true {
            entry["isGateway"] = true.into();
        }
        merge(&mut entry, json!({"type": "podnet", "mode": "kubenet"}));
        Ok(Network { plugins: vec![entry], path: vec![Subject::Podnet.folder()?], ..chain })
    }
}

/// Sets members; objects in both are merged.
fn merge(into: &mut Value, members: Value) {
    match (into, members) {
        (Value::Object(into), Value::Object(members)) => {
            for (name, value) in members {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, value) => *into = value,
    }
}

/// Everything seen of a pod of the network, on a node of its own.
fn observe(network: &Network, family: Family) -> Result<Value, Failure> {
    let node = Netns::create("node")?;
    for folder in ["/var/lib/cni/networks", "/run/podnet"] {
        if fs::exists(folder)? {
            fs::remove_dir_all(folder)?;
        }
    }
    Place::from(&node).inside(|| {
        Place::Node.ip(&["link", "set", "lo", "up"])?;
        // Nobody is to be waited for: no address of the node is probed for.
        fs::write("/proc/sys/net/ipv6/conf/default/accept_dad", "0")?;
        let other = OtherNode::create(family)?;
        let for_another = for_another(network);
        let (pod, neighbour) = (Pod::create("pod")?, Pod::create("neighbour")?);
        let added = network.add(&pod)?;
        network.check(&pod, &added)?;
        let neighbours = for_another.add(&neighbour)?;
        let has_ports =
            network.plugins.iter().any(|entry| entry.pointer("/runtimeConfig/portMappings").is_some());
        table::at_rest()?;
        let around = Neighbourhood {
            pod: &pod,
            added: &added,
            neighbour: &neighbour,
            neighbours: &neighbours,
            other: &other,
            host_port: has_ports.then_some(HOST_PORT),
        };
        let mut seen = json!({
            "result": view::of_result(&added),
            "reachability": around.reachability()?,
            "parameters": observed::parameters("cbr0")?,
            "limits": observed::limits(added.interface(1)?)?,
        });
        // Last: by now all addresses are at rest.
        seen["links"] = view::of_pod(&pod, &added)?;
        network.del(&pod, Some(&added))?;
        for_another.del(&neighbour, Some(&neighbours))?;
        seen["afterwards"] = observed::remains(NAME)?;
        Ok(seen)
    })
}

/// The network as a second pod is put on it: without the first one's ports, and where its address is fixed, with another.
fn for_another(network: &Network) -> Network {
    let mut network = network.clone();
    for entry in &mut network.plugins {
        if let Some(Value::Object(runtime)) = entry.get_mut("runtimeConfig") {
            runtime.clear();
        }
        if let Some(address) = entry.pointer_mut("/ipam/addresses/0/address") {
            *address = "10.244.1.78/24".into();
        }
    }
    network
}

/// One line for each leaf of the tree, by its path.
fn facts(seen: &Value) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    collect(seen, "", &mut facts);
    facts
}

fn collect(value: &Value, path: &str, facts: &mut BTreeMap<String, String>) {
    let mut inner = |name: &str, value: &Value| collect(value, &format!("{path}/{name}"), facts);
    match value {
        Value::Object(members) if !members.is_empty() => {
            members.iter().for_each(|(name, value)| inner(name, value));
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(index, value)| inner(&index.to_string(), value));
        }
        leaf => drop(facts.insert(path.to_owned(), leaf.to_string())),
    }
}
