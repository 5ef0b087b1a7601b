//! What cannot be, with its code; nothing is left of it.

use std::time::Duration;

use podnet_netns_tests::failure::Outcome;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::{ensure, ensure_eq, probe, reply};
use serde_json::json;

use super::{Test, daemon, network};
use crate::daemon_addresses::{failed_add, nobody_has_any};
use crate::look;

pub(super) const TESTS: &[Test] = &[
    ("an_uplink_that_cannot_serve", an_uplink_that_cannot_serve),
    ("an_mtu_that_is_too_small_for_ipv6", a_small_mtu),
    ("an_address_that_is_in_use", an_address_that_is_in_use),
];

pub(super) fn refused(network: &Network, pod: &str, code: u32, words: &str) -> Outcome {
    let before = Snapshot::take()?;
    let pod = Pod::create(pod)?;
    let error = failed_add(network, &pod)?;
    ensure_eq!(error.code, code, "code of {error:?}");
    ensure!(error.names(words), "{words:?} is not in {error:?}");
    before.ensure_unchanged("a failed ADD")?;
    ensure!(Place::from(&pod.netns).ip(&["link"])?.lines().count() <= 2, "a link is left in the pod");
    Ok(())
}

fn an_uplink_that_cannot_serve(family: Family) -> Outcome {
    let daemon = daemon(family)?;
    crate::table::settle(&network()?)?;
    let network = network()?.with("/master", "uplink");
    refused(&network, "missing", 7, "link uplink")?;
    let status = reply::error(&network.call("STATUS", None, &[])?)?;
    ensure!(status.code == 50 && status.names("link uplink"), "{status:?}");
    Place::Node.ip(&["link", "add", "uplink", "mtu", "1279", "type", "veth"])?;
    refused(&network, "down", 103, "link uplink, by which the node is to reach its network, is down")?;
    Place::Node.ip(&["link", "set", "uplink", "up"])?;
    if family.has_v6() {
        refused(&network, "small", 103, "MTU 1279")?;
    } else {
        network.add(&Pod::create("small")?)?;
        return Ok(());
    }
    nobody_has_any(&daemon)
}

/// That the pod has IPv6, the daemon says.
fn a_small_mtu(family: Family) -> Outcome {
    let daemon = daemon(family)?;
    crate::table::settle(&network()?)?;
    let network = network()?.with("/mtu", 1279);
    if family.has_v6() {
        refused(&network, "a", 7, "IPv6 needs 1280 or more")?;
        return nobody_has_any(&daemon);
    }
    let pod = Pod::create("a")?;
    network.add(&pod)?;
    ensure_eq!(look::link((&pod).into(), "eth0")?["mtu"], 1279, "MTU");
    Ok(())
}

/// By the node itself, and by a pod of another network whose addresses others hand out.
fn an_address_that_is_in_use(family: Family) -> Outcome {
    let daemon = daemon(family)?;
    let network = network()?;
    let pod = Pod::create("a")?;
    let added = network.add(&pod)?;
    let addresses: Vec<_> = added.cidrs().iter().map(|cidr| json!({ "address": cidr })).collect();
    let fixed = network.clone().with("/ipam", json!({"type": "static", "addresses": addresses}));
    refused(&fixed, "twin", 102, "is in use on this node")?;
    network.check(&pod, &added)?;
    network.del(&pod, Some(&added))?;
    nobody_has_any(&daemon)?;
    let used = added.addresses()?;
    for address in &used {
        Place::Node.ip(&["addr", "add", &address.to_string(), "dev", "lo"])?;
        // Of IPv6 the kernel makes the address its own a moment later.
        probe::reach(Place::Node, Place::Node, *address, Duration::from_secs(3))?;
    }
    refused(&fixed, "nodes", 102, "by the node itself")?;
    // The daemon does not know; podnet asks the kernel.
    let pods: Vec<Pod> = (0..8).map(|n| Pod::create(&format!("p{n}"))).collect::<Result<_, _>>()?;
    let mut refusals = 0;
    for pod in &pods {
        let finished = network.call("ADD", Some(pod), &[])?;
        if !finished.status.success() {
            let error = reply::error(&finished)?;
            ensure!(error.code == 102 && error.names("by the node itself"), "{error:?}");
            refusals += 1;
        }
    }
    ensure!(refusals > 0, "the node's own address was given to a pod");
    Ok(())
}
