//! What cannot be, with its code: the node's link and what it has stay where they are.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;

use podnet_netns_tests::fabric::Fabric;
use podnet_netns_tests::failure::Outcome;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::{ensure, ensure_eq, ipamd, reply};
use serde_json::json;

use super::super::Test;
use super::super::bad_input::refused;
use super::{NODE, fabric, fixed, network};
use crate::daemon_addresses::{failed_add, nobody_has_any, start_with};

pub(super) const TESTS: &[Test] = &[
    ("an_uplink_that_cannot_serve", an_uplink_that_cannot_serve),
    ("a_node_without_default_route", without_default_route),
    ("a_bridge_that_leads_elsewhere", a_bridge_that_leads_elsewhere),
    ("a_gateway_that_is_absent", a_gateway_that_is_absent),
    ("an_address_of_the_node", an_address_of_the_node),
    ("a_first_add_that_fails_moves_back", a_first_add_that_fails),
];

/// What every ADD leaves, one that fails, too.
fn make_registry() -> Outcome {
    Ok(DirBuilder::new().recursive(true).mode(0o700).create("/run/podnet/attachments")?)
}

fn not_ready(network: &Network, words: &str) -> Outcome {
    let status = reply::error(&network.call("STATUS", None, &[])?)?;
    ensure!(status.code == 50 && status.names(words), "{status:?}");
    Ok(())
}

fn an_uplink_that_cannot_serve(family: Family) -> Outcome {
    let node = |words: &str| Place::Node.ip(&words.split(' ').collect::<Vec<_>>()).map(drop);
    let network = fixed(family, 20)?.with("/master", "other");
    make_registry()?;
    refused(&network, "missing", 7, "link other")?;
    not_ready(&network, "link other")?;
    node("link add other mtu 1279 type veth peer name wire")?;
    node("link set wire up")?;
    refused(&network, "down", 103, "link other, by which the node is to reach its network, is down")?;
    not_ready(&network, "is down")?;
    node("link set other up")?;
    if family.has_v6() {
        refused(&network, "small", 103, "MTU 1279")?;
    }
    node("link set other mtu 1500")?;
    node("link add br1 type bridge")?;
    node("link set other master br1")?;
    refused(
        &network,
        "taken",
        103,
        "link other, by which the node is to reach its network, is a port of br1",
    )?;
    not_ready(&network, "a port of br1")?;
    refused(&network.clone().with("/master", "lo"), "loopback", 7, "link lo")?;
    refused(&network.clone().with("/bridge", "br1").with("/master", "wire"), "itself", 103, "by link other")?;
    refused(&network.clone().with("/bridge", "wire").with("/master", "br1"), "kind", 103, "is not a bridge")?;
    refused(&network.with("/bridge", "other"), "same", 7, "master")
}

fn without_default_route(family: Family) -> Outcome {
    make_registry()?;
    let network = fixed(family, 20)?;
    refused(&network, "a", 7, "no default route")?;
    not_ready(&network, "no default route")
}

/// Two links of one node in one bridge are a loop.
fn a_bridge_that_leads_elsewhere(family: Family) -> Outcome {
    let fabric = fabric(family)?;
    let network = fixed(family, 20)?;
    let first = Pod::create("a")?;
    network.add(&first)?;
    Place::Node.ip(&["link", "add", "other", "type", "veth"])?;
    Place::Node.ip(&["link", "set", "other", "up"])?;
    let other = fixed(family, 21)?.with("/master", "other");
    refused(&other, "b", 103, "bridge azure0 leads to the network by link uplink, not other")?;
    ensure_eq!(fabric.refused()?, 0, "frames that the network refused");
    Ok(())
}

fn a_gateway_that_is_absent(family: Family) -> Outcome {
    let _fabric = fabric(family)?;
    let mut source = ipamd::source(family, 16, 8);
    for member in ["gateway", "gatewayV6"] {
        source.as_object_mut().map(|members| members.remove(member));
    }
    let daemon = start_with(&format!("source: {source}\npool: {{coolDown: 0s}}\n"))?;
    make_registry()?;
    refused(&network()?, "a", 7, "the bridge datapath needs one")?;
    nobody_has_any(&daemon)?;
    let mut nameless = fixed(family, 20)?;
    for address in nameless.plugins[0]["ipam"]["addresses"].as_array_mut().into_iter().flatten() {
        address.as_object_mut().map(|members| members.remove("gateway"));
    }
    refused(&nameless, "b", 7, "the bridge datapath needs one")?;
    let outside = json!([{"address": "10.244.1.20/24", "gateway": "10.99.0.1"}]);
    refused(&nameless.with("/ipam/addresses", outside), "c", 7, "gateway 10.99.0.1 is not in the network")
}

fn an_address_of_the_node(family: Family) -> Outcome {
    let _fabric = fabric(family)?;
    make_registry()?;
    refused(&fixed(family, NODE)?, "a", 102, "in use on this node")
}

/// The pod has a link of the name already: that is found out behind the move.
fn a_first_add_that_fails(family: Family) -> Outcome {
    let fabric: Fabric = fabric(family)?;
    let network = fixed(family, 20)?;
    // Rules and forwarding are the node's, and stay.
    crate::table::settle(&network)?;
    super::moved::go_back(&fabric, family)?;
    let before = Snapshot::take()?;
    let pod = Pod::create("a")?;
    Place::from(&pod.netns).ip(&["link", "add", "eth0", "type", "veth"])?;
    let error = failed_add(&network, &pod)?;
    ensure_eq!(error.code, 103, "code of {error:?}");
    before.ensure_unchanged("a failed first ADD")?;
    super::moved::has_link_local("uplink")?;
    // With another pod there, the bridge stays.
    let neighbour = Pod::create("b")?;
    let beside = fixed(family, 21)?;
    let added = beside.add(&neighbour)?;
    let error = failed_add(&network, &pod)?;
    ensure_eq!(error.code, 103, "code of {error:?}");
    beside.check(&neighbour, &added)
}
