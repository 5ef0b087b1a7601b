//! The bridge takes the place of the node's link: nothing of the node's own network is lost, whoever does it, however often.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use podnet_netns_tests::fabric::{self, Fabric};
use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::Pod;
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::{ensure_eq, parallel, probe, wait};
use serde_json::Value;

use super::super::{Test, inside};
use super::{NODE, fabric, fixed};
use crate::look;

pub(super) const TESTS: &[Test] = &[
    ("the_nodes_connections_survive", connections_survive),
    ("addresses_and_routes_keep_what_they_have", routes_keep_what_they_have),
    ("first_adds_at_once", first_adds_at_once),
    ("what_comes_to_the_link_later_is_moved", what_comes_later),
    ("a_bridge_of_others_in_place_already", a_bridge_of_others),
    ("the_way_back_by_hand", the_way_back),
];

pub(super) const SOON: Duration = Duration::from_secs(5);

/// A stream each way runs while the first pod comes, and goes on afterwards.
fn connections_survive(family: Family) -> Outcome {
    let fabric = fabric(family)?;
    let network = fixed(family, 20)?;
    let pod = Pod::create("a")?;
    let (over, passed) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut streams = Vec::new();
    for (far, own) in fabric.far_addresses()?.into_iter().zip(fabric.node_addresses(NODE)?) {
        streams.push(established(Place::Node, fabric.place(), far)?);
        streams.push(established(fabric.place(), Place::Node, own)?);
    }
    thread::scope(|scope| {
        let moved = streams.into_iter().map(|stream| scope.spawn(|| pump(stream, &over, &passed)));
        let moved: Vec<_> = moved.collect();
        let added = (|| {
            advance(&passed)?;
            network.add(&pod)?;
            advance(&passed)
        })();
        over.store(true, Ordering::Relaxed);
        for stream in moved {
            stream.join().map_err(|_panic| Failure::failed("a stream panicked"))??;
        }
        added
    })
}

fn established(from: Place<'_>, to: Place<'_>, address: IpAddr) -> Result<[TcpStream; 2], Failure> {
    let listener = to.inside(|| Ok(TcpListener::bind((address, 0))?)).doing(address)?;
    let target = listener.local_addr()?;
    let client = from.inside(|| Ok(TcpStream::connect_timeout(&target, SOON)?)).doing(target)?;
    let (server, _) = listener.accept()?;
    for end in [&client, &server] {
        end.set_read_timeout(Some(SOON))?;
        end.set_nodelay(true)?;
    }
    Ok([client, server])
}

/// One word after the other, each answered, until it is over.
fn pump([mut client, mut server]: [TcpStream; 2], over: &AtomicBool, passed: &AtomicU64) -> Outcome {
    let mut word = [0; 4];
    while !over.load(Ordering::Relaxed) {
        client.write_all(b"ping")?;
        server.read_exact(&mut word).doing("a word that is on its way")?;
        server.write_all(b"pong")?;
        client.read_exact(&mut word).doing("an answer that is on its way")?;
        passed.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Waits until many more words have passed.
fn advance(passed: &AtomicU64) -> Outcome {
    let goal = passed.load(Ordering::Relaxed) + 200;
    wait::until(SOON, "words pass", || Ok((passed.load(Ordering::Relaxed) >= goal).then_some(())))
}

/// All routes that leave by the node's link to the network, but for what the kernel makes for each link.
fn routes(device: &str) -> Result<Vec<String>, Failure> {
    let mut routes = Vec::new();
    for version in ["-4", "-6"] {
        let listed = Place::Node.ip(&[version, "-d", "route", "show", "table", "all", "type", "unicast"])?;
        let of_device = listed.lines().filter(|route| route.contains(&format!("dev {device} ")));
        routes.extend(of_device.map(|route| route.replace(&format!("dev {device} "), "")));
    }
    routes.retain(|route| !route.contains("fe80::/64"));
    routes.sort();
    Ok(routes)
}

fn addresses(device: &str) -> Result<Vec<Value>, Failure> {
    let link = look::link(Place::Node, device)?;
    let infos = link["addr_info"].as_array().cloned().unwrap_or_default();
    let mut infos: Vec<Value> = infos.into_iter().filter(|info| info["scope"] != "link").collect();
    for info in &mut infos {
        // Named after the link, and what only IPv6 has of it: nobody else is looked for again.
        for member in ["label", "nodad", "tentative"] {
            info.as_object_mut().doing("an address")?.remove(member);
        }
    }
    Ok(infos)
}

fn routes_keep_what_they_have(family: Family) -> Outcome {
    let fabric = fabric(family)?;
    let node = |words: &str| Place::Node.ip(&words.split(' ').collect::<Vec<_>>()).map(drop);
    if family.has_v4() {
        node("addr add 10.244.1.44/24 dev uplink")?;
        node("addr add 10.99.0.1/24 dev uplink metric 77")?;
        node("addr add 10.98.0.1/24 dev uplink noprefixroute")?;
        node("route add 10.50.0.0/16 via 10.244.1.1 proto dhcp metric 100 mtu 1400")?;
        node("route add 10.51.0.0/16 via 10.244.1.1 src 10.244.1.44")?;
        node("route add 10.51.0.0/16 via 10.244.1.9 metric 7")?;
        node("route add 10.52.0.0/16 dev uplink scope link table 77")?;
        node("route add 10.53.0.0/16 via 10.97.0.1 dev uplink onlink")?;
        node("route add 10.54.0.0/16 nexthop via 10.244.1.1 weight 2 nexthop via 10.244.1.9")?;
    }
    if family.has_v6() {
        node("addr add fd00:99::1/64 dev uplink nodad")?;
        node("addr add fd00:98::1/64 dev uplink nodad noprefixroute")?;
        node("-6 route add fd00:50::/32 via fd00:10:244:1::1 proto ra metric 512 mtu 1300")?;
        node("-6 route add fd00:51::/32 via fe80::1 dev uplink src fd00:99::1")?;
        node("-6 route add fd00:52::/32 dev uplink table 77")?;
        node("-6 route add fd00:54::/32 nexthop via fe80::1 dev uplink nexthop via fe80::2 dev uplink")?;
    }
    let (routes_before, addresses_before) = (routes("uplink")?, addresses("uplink")?);
    let first = Pod::create("a")?;
    fixed(family, 20)?.add(&first)?;
    ensure_eq!(routes("azure0")?, routes_before, "routes by the bridge");
    ensure_eq!(addresses("azure0")?, addresses_before, "addresses of the bridge");
    ensure_eq!(routes("uplink")?, Vec::<String>::new(), "routes by the link");
    ensure_eq!(addresses("uplink")?, Vec::<Value>::new(), "addresses of the link");
    for far in fabric.far_addresses()? {
        probe::reach(Place::Node, fabric.place(), far, SOON)?;
    }
    Ok(())
}

fn first_adds_at_once(family: Family) -> Outcome {
    let fabric = fabric(family)?;
    let (routes_before, addresses_before) = (routes("uplink")?, addresses("uplink")?);
    let pods: Vec<(Pod, u8)> =
        (20..28).map(|host| Ok((Pod::create(&format!("p{host}"))?, host))).collect::<Result<_, Failure>>()?;
    let added = parallel::each(pods.len(), &pods, |(pod, host)| fixed(family, *host)?.add(pod))?;
    ensure_eq!(routes("azure0")?, routes_before, "routes by the bridge");
    ensure_eq!(addresses("azure0")?, addresses_before, "addresses of the bridge");
    for ((pod, host), added) in pods.iter().zip(&added) {
        fixed(family, *host)?.check(pod, added)?;
        for far in fabric.far_addresses()? {
            probe::reach(inside(pod), fabric.place(), far, SOON)?;
        }
    }
    ensure_eq!(fabric.refused()?, 0, "frames that the network refused");
    Ok(())
}

/// As from a DHCP client that takes the link for the node's.
fn what_comes_later(family: Family) -> Outcome {
    let _fabric = fabric(family)?;
    let first = Pod::create("a")?;
    fixed(family, 20)?.add(&first)?;
    for address in family.pick("10.97.0.1/24", "fd00:97::1/64") {
        Place::Node.ip(&["addr", "add", address, "dev", "uplink", "nodad"])?;
    }
    let network = fixed(family, 21)?;
    let pod = Pod::create("b")?;
    let added = network.add(&pod)?;
    ensure_eq!(addresses("uplink")?, Vec::<Value>::new(), "addresses of the link");
    let moved = look::addresses(&look::link(Place::Node, "azure0")?);
    ensure_eq!(moved.len(), 2 * family.pick((), ()).len(), "addresses of the bridge, {moved:?}");
    network.check(&pod, &added)
}

/// As azure-vnet leaves it, or an administrator has made it.
fn a_bridge_of_others(family: Family) -> Outcome {
    let fabric = fabric(family)?;
    let node = |words: &str| Place::Node.ip(&words.split(' ').collect::<Vec<_>>()).map(drop);
    node(&format!("link add azure0 address {} type bridge", fabric::mac(NODE)))?;
    node("link set azure0 up")?;
    node("link set uplink master azure0")?;
    node("addr flush dev uplink")?;
    for (address, gateway) in fabric.node_addresses(NODE)?.into_iter().zip(family.gateways()) {
        let length = if address.is_ipv4() { 24 } else { 64 };
        node(&format!("addr add {address}/{length} dev azure0 nodad"))?;
        node(&format!("route replace default via {gateway} dev azure0"))?;
    }
    let network = fixed(family, 20)?;
    let pod = Pod::create("a")?;
    let added = network.add(&pod)?;
    network.check(&pod, &added)?;
    for far in fabric.far_addresses()? {
        probe::reach(inside(&pod), fabric.place(), far, SOON)?;
    }
    Ok(())
}

/// What the documentation says, in one line; the pods are gone.
pub(super) fn go_back(fabric: &Fabric, family: Family) -> Outcome {
    Place::Node.ip(&["link", "set", "uplink", "nomaster"])?;
    // Without its link-local address the node, a router, sends on what the gateway asks of that address.
    std::fs::write("/proc/sys/net/ipv6/conf/uplink/addr_gen_mode", "0")?;
    for address in fabric.node_addresses(NODE)? {
        let length = if address.is_ipv4() { 24 } else { 64 };
        Place::Node.ip(&["addr", "add", &format!("{address}/{length}"), "dev", "uplink", "nodad"])?;
    }
    Place::Node.ip(&["link", "del", "azure0"])?;
    for gateway in family.gateways() {
        Place::Node.ip(&["route", "replace", "default", "via", &gateway.to_string(), "dev", "uplink"])?;
    }
    Ok(())
}

/// Made by the kernel as it comes to it.
pub(super) fn has_link_local(device: &str) -> Outcome {
    wait::until(SOON, "a link-local address", || {
        let link = look::link(Place::Node, device)?;
        let mut infos = link["addr_info"].as_array().into_iter().flatten();
        Ok(infos.any(|info| info["scope"] == "link" && info["family"] == "inet6").then_some(()))
    })
}

fn the_way_back(family: Family) -> Outcome {
    let fabric = fabric(family)?;
    let before = routes("uplink")?;
    let network = fixed(family, 20)?;
    for name in ["a", "b"] {
        let pod = Pod::create(name)?;
        let added = network.add(&pod)?;
        network.check(&pod, &added)?;
        network.del(&pod, Some(&added))?;
        go_back(&fabric, family)?;
        ensure_eq!(routes("uplink")?, before, "routes by the link");
        has_link_local("uplink")?;
        for far in fabric.far_addresses()? {
            probe::reach(Place::Node, fabric.place(), far, SOON)?;
        }
    }
    Ok(())
}
