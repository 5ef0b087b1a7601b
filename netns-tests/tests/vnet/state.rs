//! What a pod leaves in the kernel, line by line, and what CHECK says when a line is gone.

use std::fs;
use std::net::IpAddr;

use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::ipamd::Ipamd;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::process::tool;
use podnet_netns_tests::reply::Added;
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::{ensure, ensure_eq, reply};
use serde_json::{Value, json};

use super::{Test, daemon, inside, network, with_everything};
use crate::daemon_addresses::{FOLDER, failed_add, nobody_has_any, soon_nobody_has_any};
use crate::look;

pub(super) const TESTS: &[Test] = &[
    ("the_state_after_add", the_state_after_add),
    ("check_names_what_is_gone", check_names_what_is_gone),
    ("del_leaves_nothing", del_leaves_nothing),
    ("a_second_add_changes_nothing", a_second_add_changes_nothing),
    ("without_its_daemon", without_its_daemon),
    ("a_daemon_without_memory_asks_the_node", a_daemon_without_memory),
    ("gc_removes_what_is_not_in_the_list", gc_removes),
];

const UPLINK_MTU: &str = "1400";

/// The routes as azure-vnet leaves them: destination, next hop, protocol, scope.
fn routes(place: Place<'_>, family: &str, device: &str) -> Result<Vec<Value>, Failure> {
    let all = place.ip_json(&[family, "route", "show", "dev", device])?;
    let own = all.as_array().into_iter().flatten();
    // fe80::/64 and multicast are the kernel's on every link.
    let own = own.filter(|route| route["protocol"] != "kernel");
    Ok(own.map(|route| json!([route["dst"], route["gateway"], route["protocol"], route["scope"]])).collect())
}

fn the_state_after_add(family: Family) -> Outcome {
    Place::Node.ip(&["link", "add", "uplink", "mtu", UPLINK_MTU, "type", "veth"])?;
    Place::Node.ip(&["link", "set", "uplink", "up"])?;
    Place::Node.ip(&["route", "add", "default", "dev", "uplink"])?;
    let _daemon = daemon(family)?;
    let pod = Pod::create("a")?;
    let routes_ipv6 = Place::Node.sysctl("ipv6/conf/all/forwarding")?;
    let added = network()?.add(&pod)?;
    let host_link = added.interface(0)?.to_owned();
    ensure_eq!(added.interface(1)?, "eth0", "the second interface");
    let (outer, inner) = (look::link(Place::Node, &host_link)?, look::link(inside(&pod), "eth0")?);
    names_follow(&added, &outer, &inner)?;
    ensure_eq!(look::addresses(&outer), Vec::<String>::new(), "addresses of the host link");
    ensure_eq!(look::addresses(&inner), added.cidrs(), "addresses of the pod");
    for link in [&outer, &inner] {
        ensure!(look::has_flag(link, "UP") && look::has_flag(link, "MULTICAST"), "{link}");
        ensure_eq!(link["mtu"].to_string(), UPLINK_MTU, "MTU");
    }
    ensure_eq!(Place::Node.sysctl(&format!("ipv4/conf/{host_link}/proxy_arp"))?, "1", "proxy ARP");
    ensure_eq!(
        Place::Node.sysctl(&format!("ipv6/conf/{host_link}/accept_ra"))?,
        "0",
        "routers heard by the node"
    );
    ensure_eq!(inside(&pod).sysctl("ipv6/conf/eth0/accept_ra")?, "0", "routers heard by the pod");
    ensure_eq!(inside(&pod).sysctl("ipv6/conf/eth0/disable_ipv6")?, "0", "IPv6 off in the pod");
    pods_parameters(&pod, &inner)?;
    let reverse_path = |link: &str| Place::Node.sysctl(&format!("ipv4/conf/{link}/rp_filter"));
    ensure_eq!(reverse_path(&host_link)?, reverse_path("default")?, "reverse path filter");
    if !family.has_v6() {
        ensure_eq!(outer["addr_info"], json!([]), "addresses that the kernel gave the host link");
        let routes_now = Place::Node.sysctl("ipv6/conf/all/forwarding")?;
        ensure_eq!(routes_now, routes_ipv6, "forwarding of a family that the pod has not");
    }
    ensure_eq!(Place::Node.ip(&["link", "show", "type", "bridge"])?, "", "bridges");
    let tables = tool(&["nft", "list", "tables"])?;
    ensure_eq!(tables.trim(), "table inet podnet", "tables of rules");
    for (version, gateway, default, whole) in gateways(family) {
        let own =
            added.addresses()?.into_iter().find(|own| own.is_ipv4() == (version == "-4")).doing("address")?;
        ensure_eq!(
            routes(Place::Node, version, &host_link)?,
            [json!([own.to_string(), null, "static", null])],
            "the node's routes"
        );
        let scope = if version == "-4" { json!("link") } else { Value::Null };
        let mut found = routes(inside(&pod), version, "eth0")?;
        found.sort_by_key(|route| route[0] == "default");
        let expected = [json!([gateway, null, "static", scope]), json!([default, gateway, "static", null])];
        ensure_eq!(found, expected, "the pod's routes");
        let of_pod =
            neighbours(inside(&pod), &[version, "neigh", "show", "dev", "eth0", "nud", "permanent"])?;
        ensure!(of_pod.contains(&json!([gateway, outer["address"]])), "the gateway's entry in {of_pod:?}");
        let of_node = neighbours(Place::Node, &[version, "neigh", "show", "dev", &host_link])?;
        ensure!(of_node.contains(&json!([own.to_string(), inner["address"]])), "the pod's in {of_node:?}");
        let subnet = inside(&pod).ip(&[version, "route", "show", "proto", "kernel"])?;
        ensure!(!subnet.contains(whole), "a route to the subnet: {subnet}");
        let forwarding = if version == "-4" { "ipv4/ip_forward" } else { "ipv6/conf/all/forwarding" };
        ensure_eq!(Place::Node.sysctl(forwarding)?, "1", "{forwarding}");
    }
    Ok(())
}

/// How the pod's link treats its addresses.
fn pods_parameters(pod: &Pod, inner: &Value) -> Outcome {
    let infos = inner["addr_info"].as_array().into_iter().flatten();
    let own: Vec<_> = infos.filter(|info| info["scope"] == "global").collect();
    ensure!(own.iter().all(|info| info["noprefixroute"] == true), "routes to subnets in {inner}");
    let v6: Vec<_> = own.into_iter().filter(|info| info["family"] == "inet6").collect();
    ensure!(v6.iter().all(|info| info["nodad"] == true), "addresses that are probed for in {inner}");
    ensure_eq!(inside(pod).sysctl("ipv4/conf/eth0/arp_notify")?, "1", "arp_notify");
    if !v6.is_empty() {
        for (name, value) in [("keep_addr_on_down", "1"), ("ndisc_notify", "1"), ("accept_dad", "0")] {
            ensure_eq!(inside(pod).sysctl(&format!("ipv6/conf/eth0/{name}"))?, value, "{name}");
        }
    }
    Ok(())
}

/// Entries of neighbours: address and Ethernet address.
fn neighbours(place: Place<'_>, args: &[&str]) -> Result<Vec<Value>, Failure> {
    let listed = place.ip_json(args)?;
    Ok(listed.as_array().into_iter().flatten().map(|entry| json!([entry["dst"], entry["lladdr"]])).collect())
}

/// The host link's name and Ethernet address follow from the owner, the pod's Ethernet address from its address.
fn names_follow(added: &Added, outer: &Value, inner: &Value) -> Outcome {
    let mut records = fs::read_dir("/run/podnet/attachments")?;
    let id = records.next().doing("a record")??.file_name().into_string().ok().doing("an owner's id")?;
    ensure_eq!(added.interface(0)?, format!("azv{}", &id[..11]), "host link");
    ensure!(outer["ifalias"].as_str().is_some_and(|alias| alias.starts_with(&id)), "label in {outer}");
    let mac = |digits: &str| {
        let bytes: Vec<&str> = (0..digits.len() / 2).map(|n| &digits[2 * n..2 * n + 2]).collect();
        bytes.join(":")
    };
    ensure_eq!(outer["address"], mac(&format!("02{}", &id[22..])), "the host link's Ethernet address");
    let addresses = added.addresses()?;
    let own = inner["address"].as_str().unwrap_or_default();
    match addresses.iter().find_map(|address| if let IpAddr::V4(v4) = address { Some(v4) } else { None }) {
        Some(v4) => ensure_eq!(own, mac(&format!("0a58{:08x}", v4.to_bits())), "the pod's Ethernet address"),
        None => ensure!(own.starts_with("0a:58:"), "the pod's Ethernet address {own}"),
    }
    for (index, link) in [(0, outer), (1, inner)] {
        ensure_eq!(added.0["interfaces"][index]["mac"], link["address"], "Ethernet address in the result");
    }
    Ok(())
}

/// For each family: its option of `ip`, the gateway, the default route, the beginning of the subnet.
fn gateways(family: Family) -> Vec<(&'static str, &'static str, &'static str, &'static str)> {
    family.pick(
        ("-4", "169.254.1.1", "default", "10.244.1"),
        ("-6", "fe80::1234:5678:9abc", "default", "fd00:10:244:1::/"),
    )
}

fn check_names_what_is_gone(family: Family) -> Outcome {
    let _daemon = daemon(family)?;
    let network = network()?;
    for (version, gateway, _, _) in gateways(family) {
        let pod = Pod::create(&format!("a{version}"))?;
        let added = network.add(&pod)?;
        network.check(&pod, &added)?;
        let host_link = added.interface(0)?;
        let own =
            added.addresses()?.into_iter().find(|own| own.is_ipv4() == (version == "-4")).doing("address")?;
        Place::Node.ip(&[version, "route", "del", &own.to_string(), "dev", host_link])?;
        fs::write(format!("/proc/sys/net/ipv4/conf/{host_link}/proxy_arp"), "0")?;
        fs::write(format!("/proc/sys/net/ipv6/conf/{host_link}/accept_ra"), "1")?;
        inside(&pod).ip(&["neigh", "del", gateway, "dev", "eth0"])?;
        let finished = network.call("CHECK", Some(&pod), &[("prevResult", added.0.clone())])?;
        let error = reply::error(&finished)?;
        for words in [
            format!("route to {own}"),
            format!("permanent neighbour {gateway}"),
            "proxy_arp: wanted 1, found 0".to_owned(),
            "accept_ra: wanted 0, found 1".to_owned(),
        ] {
            ensure!(error.names(&words), "{words:?} is not in {error:?}");
        }
        network.del(&pod, Some(&added))?;
    }
    Ok(())
}

fn del_leaves_nothing(family: Family) -> Outcome {
    let daemon = daemon(family)?;
    let network = with_everything(network()?);
    crate::table::settle(&network)?;
    comes_and_goes(&network, &daemon)
}

/// A pod goes with its record, and another without; nothing is left of either.
pub(super) fn comes_and_goes(network: &Network, daemon: &Ipamd) -> Outcome {
    let before = Snapshot::take()?;
    let pod = Pod::create("a")?;
    let added = network.add(&pod)?;
    ensure_eq!(look::buckets()?, [1_000_000, 1_000_000], "rates of the pod's limits");
    network.check(&pod, &added)?;
    network.del(&pod, None)?;
    before.ensure_unchanged("DEL")?;
    network.del(&pod, None)?;
    nobody_has_any(daemon)?;
    // Without its record, and without its namespace.
    network.add(&pod)?;
    fs::remove_dir_all("/run/podnet/attachments")?;
    pod.netns.remove()?;
    network.del(&pod, None)?;
    ensure!(!Place::Node.ip(&["link"])?.contains("azv"), "a link is left");
    nobody_has_any(daemon)
}

fn a_second_add_changes_nothing(family: Family) -> Outcome {
    let daemon = daemon(family)?;
    let network = network()?;
    let pod = Pod::create("a")?;
    let added = network.add(&pod)?;
    let (before, assigned) = (Snapshot::take()?, daemon.assigned()?);
    let error = failed_add(&network, &pod)?;
    ensure!(error.code >= 100 && error.names(&pod.container), "{error:?}");
    before.ensure_unchanged("a second ADD")?;
    ensure_eq!(daemon.assigned()?, assigned, "what is assigned");
    network.check(&pod, &added)
}

fn without_its_daemon(family: Family) -> Outcome {
    let network = network()?;
    let first = daemon(family)?;
    let pod = Pod::create("a")?;
    network.add(&pod)?;
    first.stop()?;
    let error = failed_add(&network, &Pod::create("b")?)?;
    ensure_eq!(error.code, 11, "code of {error:?}");
    let status = reply::error(&network.call("STATUS", None, &[])?)?;
    ensure_eq!(status.code, 50, "code of {status:?}");
    network.del(&pod, None)?;
    ensure!(!Place::Node.ip(&["link"])?.contains("azv"), "a link is left");
    let second = daemon(family)?;
    soon_nobody_has_any(&second)?;
    reply::silence(network.call("STATUS", None, &[])?)
}

/// First the plugin's records, and without them the routes to the pods.
fn a_daemon_without_memory(family: Family) -> Outcome {
    let network = network()?;
    let mut daemon = daemon(family)?;
    let pod = Pod::create("a")?;
    network.add(&pod)?;
    let assigned = daemon.assigned()?;
    for lost in ["/run/podnet/none", "/run/podnet/attachments"] {
        daemon.stop()?;
        fs::remove_file(format!("{FOLDER}/state/pool.journal"))?;
        if std::path::Path::new(lost).exists() {
            fs::remove_dir_all(lost)?;
        }
        daemon = super::daemon(family)?;
        ensure_eq!(daemon.assigned()?, assigned, "what is assigned, known by the node");
    }
    network.del(&pod, None)?;
    nobody_has_any(&daemon)
}

fn gc_removes(family: Family) -> Outcome {
    let daemon = daemon(family)?;
    let network = network()?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    let added = network.add(&a)?;
    let kept = daemon.assigned()?;
    network.add(&b)?;
    let valid = json!([{"containerID": a.container, "ifname": a.ifname}]);
    reply::silence(network.call("GC", None, &[("cni.dev/valid-attachments", valid)])?)?;
    ensure_eq!(daemon.assigned()?, kept, "what is assigned after GC");
    let links = Place::Node.ip(&["-o", "link"])?;
    ensure_eq!(links.matches(": azv").count(), 1, "pods' links in {links}");
    network.check(&a, &added)
}
