//! What a pod and its node have in the kernel, and what CHECK, DEL and GC make of it.

use podnet_netns_tests::fabric;
use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::Pod;
use podnet_netns_tests::process::tool;
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::{ensure, ensure_eq, reply};
use serde_json::{Value, json};

use super::super::state::comes_and_goes;
use super::super::{Test, daemon, inside, with_everything};
use super::{NODE, fabric, fixed, network};
use crate::look;

pub(super) const TESTS: &[Test] = &[
    ("the_state_after_add", the_state_after_add),
    ("check_names_what_is_gone", check_names_what_is_gone),
    ("del_leaves_nothing_of_the_pod", del_leaves_nothing),
    ("gc_removes_what_is_not_in_the_list", gc_removes),
];

fn the_state_after_add(family: Family) -> Outcome {
    let fabric = fabric(family)?;
    let _daemon = daemon(family)?;
    let pod = Pod::create("a")?;
    let added = network()?.add(&pod)?;
    let host_link = added.interface(1)?.to_owned();
    ensure_eq!(added.interface(0)?, "azure0", "the first interface");
    ensure!(host_link.starts_with("azv") && host_link.len() == 14, "host link {host_link}");
    ensure_eq!(added.interface(2)?, "eth0", "the third interface");
    let (bridge, uplink) = (look::link(Place::Node, "azure0")?, look::link(Place::Node, "uplink")?);
    let outer = look::link(Place::Node, &host_link)?;
    let inner = look::link(inside(&pod), "eth0")?;
    ensure_eq!(bridge["address"], fabric::mac(NODE), "the bridge's Ethernet address");
    ensure_eq!(bridge["mtu"], uplink["mtu"], "the bridge's MTU");
    ensure_eq!(uplink["master"], "azure0", "where the uplink is a port");
    ensure_eq!(bridge["ifalias"], "podnet uplink uplink", "the bridge's alias");
    ensure_eq!(uplink["addr_info"], json!([]), "addresses of the uplink");
    ensure_eq!(uplink["linkinfo"]["info_slave_data"]["hairpin"], false, "hairpin mode of the uplink");
    ensure_eq!(outer["master"], "azure0", "where the host link is a port");
    ensure_eq!(outer["linkinfo"]["info_slave_data"]["hairpin"], true, "hairpin mode");
    ensure_eq!(look::addresses(&outer), Vec::<String>::new(), "addresses of the host link");
    ensure_eq!(look::addresses(&inner), added.cidrs(), "addresses of the pod");
    let gateways: Vec<String> = family.gateways().iter().map(ToString::to_string).collect();
    ensure_eq!(look::default_gateways(inside(&pod))?, gateways, "the pod's default routes");
    ensure_eq!(look::default_gateways(Place::Node)?, gateways, "the node's default routes");
    for own in fabric.node_addresses(NODE)? {
        let addresses = look::addresses(&bridge);
        ensure!(addresses.iter().any(|it| it.starts_with(&format!("{own}/"))), "{own} in {addresses:?}");
    }
    for own in added.addresses()? {
        let known = Place::Node.ip(&["neigh", "show", "to", &own.to_string(), "dev", "azure0"])?;
        let words = format!("lladdr {} PERMANENT", inner["address"].as_str().unwrap_or_default());
        ensure!(known.contains(&words), "{words} is not in {known:?}");
        let map = if own.is_ipv4() { "stations4" } else { "stations6" };
        let element = json!([own.to_string(), inner["address"]]);
        ensure!(elements(map)?.contains(&element), "{element} is not in map {map}");
    }
    ensure_eq!(elements("uplinks")?, [json!(["uplink", fabric::mac(NODE)])], "map uplinks");
    ensure_eq!(fabric.refused()?, 0, "frames that the network refused");
    Ok(())
}

/// The elements of a map of podnet's, each as key and value; comments are left out.
fn elements(map: &str) -> Result<Vec<Value>, Failure> {
    let text = tool(&["nft", "-j", "list", "map", "bridge", "podnet", map])?;
    let listed: Value = serde_json::from_str(&text)?;
    let objects = listed["nftables"].as_array().into_iter().flatten();
    let elements = objects.filter_map(|object| object["map"]["elem"].as_array()).flatten();
    Ok(elements.map(|element| json!([element[0]["elem"]["val"], element[1]])).collect())
}

fn check_names_what_is_gone(family: Family) -> Outcome {
    let _fabric = fabric(family)?;
    let network = fixed(family, 20)?;
    let pod = Pod::create("a")?;
    let added = network.add(&pod)?;
    network.check(&pod, &added)?;
    let own = added.addresses()?.first().copied().doing("address")?;
    let host_link = added.interface(1)?;
    Place::Node.ip(&["neigh", "del", &own.to_string(), "dev", "azure0"])?;
    Place::Node.ip(&["addr", "add", "192.0.2.1/24", "dev", "uplink"])?;
    Place::Node.ip(&["link", "set", host_link, "type", "bridge_slave", "hairpin", "off"])?;
    tool(&["nft", "delete element bridge podnet uplinks { \"uplink\" }"])?;
    tool(&["nft", "flush", "map", "bridge", "podnet", "announcers4"])?;
    let finished = network.call("CHECK", Some(&pod), &[("prevResult", added.0.clone())])?;
    let error = reply::error(&finished)?;
    ensure_eq!(error.code, 105, "code of {error:?}");
    let announced = family.has_v4().then(|| format!("announcements of {own}"));
    for words in [
        format!("permanent neighbour {own} of bridge azure0"),
        "address 192.0.2.1/24: wanted azure0, found on its port uplink".to_owned(),
        format!("hairpin mode of host link {host_link}"),
        "nftables rules that give what leaves by uplink its address".to_owned(),
    ]
    .into_iter()
    .chain(announced)
    {
        ensure!(error.names(&words), "{words:?} is not in {error:?}");
    }
    // The next ADD puts right what is the node's, and the pod's own is DEL's and ADD's.
    network.del(&pod, Some(&added))?;
    let added = network.add(&pod)?;
    network.check(&pod, &added)
}

fn del_leaves_nothing(family: Family) -> Outcome {
    let _fabric = fabric(family)?;
    let daemon = daemon(family)?;
    let network =
        with_everything(network()?).with("/ipsToRouteViaHost", json!(["169.254.20.10", "fd00::53"]));
    crate::table::settle(&network)?;
    let known = permanent()?;
    comes_and_goes(&network, &daemon)?;
    ensure_eq!(permanent()?, known, "neighbours for good");
    ensure_eq!(elements("stations4")?.len() + elements("stations6")?.len(), 0, "elements");
    Ok(())
}

/// Who the node knows for good on the bridge.
pub(super) fn permanent() -> Result<Vec<String>, Failure> {
    let all = Place::Node.ip(&["neigh", "show", "nud", "permanent"])?;
    Ok(all.lines().filter(|line| line.contains(" dev azure0 ")).map(str::to_owned).collect())
}

fn gc_removes(family: Family) -> Outcome {
    let fabric = fabric(family)?;
    let daemon = daemon(family)?;
    let network = network()?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    let added = network.add(&a)?;
    let (kept, known) = (daemon.assigned()?, permanent()?);
    network.add(&b)?;
    let valid = json!([{"containerID": a.container, "ifname": a.ifname}]);
    reply::silence(network.call("GC", None, &[("cni.dev/valid-attachments", valid)])?)?;
    ensure_eq!(daemon.assigned()?, kept, "what is assigned after GC");
    ensure_eq!(permanent()?, known, "neighbours for good");
    network.check(&a, &added)?;
    ensure_eq!(look::link(Place::Node, "uplink")?["master"], "azure0", "where the uplink is a port");
    ensure_eq!(fabric.refused()?, 0, "frames that the network refused");
    Ok(())
}
