//! Who reaches whom, as whom, and what the network sees of it.

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::netns::{Netns, Place};
use podnet_netns_tests::network::Pod;
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::{ensure, ensure_eq, probe};
use serde_json::json;

use super::super::traffic::connected;
use super::super::{Test, daemon, inside};
use super::{NODE, fabric, fixed, network, set_br_netfilter};
use crate::guard::only_the_last_arrives;
use crate::policy;

pub(super) const TESTS: &[Test] = &[
    ("pods_of_two_nodes_under_their_own_addresses", pods_of_two_nodes),
    ("an_address_that_moves_to_another_node", an_address_that_moves),
    ("questions_for_a_neighbour_stay_on_the_node", questions_stay),
    ("host_ports_lead_to_the_pod", host_ports),
    ("beneath_a_policy_of_sets", beneath_a_policy),
    ("addresses_by_way_of_the_host", by_way_of_the_host),
    ("foreign_sources_are_dropped", foreign_sources),
    ("wireserver_is_closed_but_for_dns", wireserver),
];

const SOON: Duration = Duration::from_secs(5);

/// A second node on the same network, in a namespace of its own.
const SECOND: u8 = 5;

fn pods_of_two_nodes(family: Family) -> Outcome {
    let fabric = fabric(family)?;
    let second = Netns::create("second")?;
    fabric.connect((&second).into(), SECOND)?;
    let pods = [Pod::create("a")?, Pod::create("b")?, Pod::create("c")?];
    let mut addresses = Vec::new();
    for ((pod, host), node) in pods.iter().zip(20..).zip([Place::Node, Place::Node, (&second).into()]) {
        let network = fixed(family, host)?;
        let added = node.inside(|| {
            let added = network.add(pod)?;
            network.check(pod, &added)?;
            Ok(added)
        })?;
        addresses.push(added.addresses()?);
    }
    let [a, b, c] = &pods;
    let [of_a, of_b, of_c] = [&addresses[0], &addresses[1], &addresses[2]];
    for index in 0..of_a.len() {
        for (from, own, to, target) in
            [(a, of_a, b, of_b), (b, of_b, a, of_a), (a, of_a, c, of_c), (c, of_c, b, of_b)]
        {
            let seen = probe::reach(inside(from), inside(to), target[index], SOON)?;
            ensure_eq!(seen, own[index], "source that is seen");
            probe::stream(inside(from), inside(to), target[index], 1 << 20)?;
        }
        probe::first_packet(Place::Node, inside(a), of_a[index])?;
        let far = fabric.far_addresses()?[index];
        ensure_eq!(probe::reach(inside(a), fabric.place(), far, SOON)?, of_a[index], "source far away");
        probe::reach(fabric.place(), inside(b), of_b[index], SOON)?;
        let nodes = [(Place::Node, NODE), ((&second).into(), SECOND)];
        for (node, host) in nodes {
            let own = fabric.node_addresses(host)?[index];
            ensure_eq!(probe::reach(inside(a), node, own, SOON)?, of_a[index], "source seen by a node");
            probe::reach(node, inside(a), of_a[index], SOON)?;
        }
    }
    ensure_eq!(fabric.refused()?, 0, "frames that the network refused");
    Ok(())
}

/// Whoever still thinks that it is on the first node is told otherwise.
fn an_address_that_moves(family: Family) -> Outcome {
    let fabric = fabric(family)?;
    let second = Netns::create("second")?;
    fabric.connect((&second).into(), SECOND)?;
    let network = fixed(family, 20)?;
    let (first, then) = (Pod::create("a")?, Pod::create("b")?);
    for address in network.add(&first)?.addresses()? {
        probe::reach(fabric.place(), inside(&first), address, SOON)?;
    }
    network.del(&first, None)?;
    let added = Place::from(&second).inside(|| network.add(&then))?;
    for address in added.addresses()? {
        probe::reach(fabric.place(), inside(&then), address, SOON)?;
    }
    ensure_eq!(fabric.refused()?, 0, "frames that the network refused");
    Ok(())
}

/// A cloud answers for every address: it must not be asked for what is on this node.
fn questions_stay(family: Family) -> Outcome {
    let fabric = fabric(family)?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    fixed(family, 20)?.add(&a)?;
    let target = fixed(family, 21)?.add(&b)?.addresses()?;
    // What a pod announces of itself has the same target, but the pod's own address as sender.
    let asked = "counter name refused drop";
    fabric.nft(&format!(
        "add rule bridge security from arp daddr ip 10.244.1.21 arp saddr ip != 10.244.1.21 {asked}\n\
         add rule bridge security from icmpv6 type nd-neighbor-solicit @th,64,128 0x{SOLICITED} {asked}\n"
    ))?;
    for address in target {
        probe::reach(inside(&a), inside(&b), address, SOON)?;
        probe::reach(Place::Node, inside(&b), address, SOON)?;
    }
    ensure_eq!(fabric.refused()?, 0, "questions that the network was asked");
    Ok(())
}

/// `fd00:10:244:1::15`.
const SOLICITED: &str = "fd000010024400010000000000000015";

/// What goes between pods passes the engine's chains by `br_netfilter` alone.
fn beneath_a_policy(family: Family) -> Outcome {
    let fabric = fabric(family)?;
    let _daemon = daemon(family)?;
    set_br_netfilter(true)?;
    policy::on_one_node(&network()?)?;
    ensure_eq!(fabric.refused()?, 0, "frames that the network refused");
    Ok(())
}

/// With and without `br_netfilter`, by which the pod's answers pass the node's translation.
fn host_ports(family: Family) -> Outcome {
    let fabric = fabric(family)?;
    let ports = json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]);
    let (neighbour, server) = (Pod::create("neighbour")?, Pod::create("server")?);
    fixed(family, 20)?.add(&neighbour)?;
    let network = fixed(family, 21)?.with("/runtimeConfig", json!({ "portMappings": ports }));
    for br_netfilter in [true, false] {
        set_br_netfilter(br_netfilter)?;
        let added = network.add(&server)?;
        network.check(&server, &added)?;
        let nodes = fabric.node_addresses(NODE)?;
        for ((node, pod), far) in nodes.into_iter().zip(added.addresses()?).zip(fabric.far_addresses()?) {
            let (target, listen) = (SocketAddr::new(node, 8080), SocketAddr::new(pod, 80));
            let seen = |from| connected(from, target, &server, listen);
            seen(inside(&neighbour)).doing(format_args!("br_netfilter {br_netfilter}"))?;
            ensure_eq!(seen(fabric.place())?.is_ipv4(), far.is_ipv4(), "family, from elsewhere");
            seen(Place::Node)?;
            seen(inside(&server))?;
            if pod.is_ipv4() {
                connected(Place::Node, SocketAddr::new([127, 0, 0, 1].into(), 8080), &server, listen)?;
            }
        }
        network.del(&server, Some(&added))?;
    }
    ensure_eq!(fabric.refused()?, 0, "frames that the network refused");
    Ok(())
}

/// As the node's own DNS cache has one, which is no address of any network.
fn by_way_of_the_host(family: Family) -> Outcome {
    let _fabric = fabric(family)?;
    let pod = Pod::create("a")?;
    let network = fixed(family, 20)?;
    let own = network.add(&pod)?.addresses()?;
    let caches = family.pick("169.254.20.10", "fd00:53::10");
    for cache in &caches {
        Place::Node.ip(&["addr", "add", cache, "dev", "lo", "nodad"])?;
    }
    let caches: Vec<IpAddr> =
        caches.iter().map(|cache| Ok(cache.parse()?)).collect::<Result<_, Failure>>()?;
    for &cache in &caches {
        let passed = probe::first_packet(inside(&pod), Place::Node, cache);
        ensure!(passed.is_err(), "{cache} is reached though nobody asked for it");
    }
    network.del(&pod, None)?;
    let network = network.with("/ipsToRouteViaHost", json!(caches));
    let added = network.add(&pod)?;
    network.check(&pod, &added)?;
    for (cache, own) in caches.into_iter().zip(own) {
        ensure_eq!(probe::reach(inside(&pod), Place::Node, cache, SOON)?, own, "source");
    }
    Ok(())
}

fn foreign_sources(family: Family) -> Outcome {
    let fabric = fabric(family)?;
    let pod = Pod::create("a")?;
    let own = fixed(family, 20)?.add(&pod)?.addresses()?;
    let foreign = family.pick("10.244.1.200", "fd00:10:244:1::200");
    for ((own, far), foreign) in own.into_iter().zip(fabric.far_addresses()?).zip(foreign) {
        probe::reach(inside(&pod), fabric.place(), far, SOON)?;
        inside(&pod).ip(&["addr", "add", foreign, "dev", "eth0", "nodad"])?;
        only_the_last_arrives(&pod, [foreign.parse()?, own], fabric.place(), far)?;
    }
    inside(&pod).ip(&["link", "set", "eth0", "address", "02:00:00:00:00:99"])?;
    for far in fabric.far_addresses()? {
        let passed = probe::first_packet(inside(&pod), fabric.place(), far);
        ensure!(passed.is_err(), "a frame from another Ethernet address passes");
    }
    Ok(())
}

fn wireserver(family: Family) -> Outcome {
    if !family.has_v4() {
        return Ok(());
    }
    let fabric = fabric(family)?;
    fabric.place().ip(&["addr", "add", "168.63.129.16/32", "dev", "lo"])?;
    let pod = Pod::create("a")?;
    fixed(family, 20)?.add(&pod)?;
    let server: IpAddr = [168, 63, 129, 16].into();
    for (port, is_open) in [(53, true), (80, false), (32526, false), (443, true)] {
        let target = SocketAddr::new(server, port);
        let _listener = fabric.place().inside(|| Ok(TcpListener::bind(target)?))?;
        let reaches = |place: Place<'_>| {
            place.inside(|| Ok(std::net::TcpStream::connect_timeout(&target, Duration::from_secs(1)).is_ok()))
        };
        ensure!(reaches(Place::Node)?, "the node itself does not reach {target}");
        ensure_eq!(reaches(inside(&pod))?, is_open, "TCP port {port} of the wireserver is open");
    }
    // DNS by UDP.
    let dns = fabric.place().inside(|| Ok(UdpSocket::bind((server, 53))?))?;
    dns.set_read_timeout(Some(SOON))?;
    inside(&pod).inside(|| Ok(UdpSocket::bind("0.0.0.0:0")?.send_to(b"there", (server, 53))?))?;
    dns.recv_from(&mut [0; 8]).doing("a question to Azure's DNS").map(drop)
}
