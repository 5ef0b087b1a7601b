//! Host ports: every way in, whose a port is, and what is left when its pod is gone.

mod iptables;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::Duration;

use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::node::OtherNode;
use podnet_netns_tests::process::tool;
use podnet_netns_tests::reply::{self, Added, CniError};
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::subject::{Family, Subject};
use podnet_netns_tests::{ensure, ensure_eq, probe, sctp};
use serde_json::{Value, json};

use crate::differences::{LOOPBACK_OPEN, OTHER_HOST_PORTS, SHARES_HOST_PORTS};
use crate::server::{PATIENCE, Server};
use crate::table::{self, Scene};

pub(crate) fn cases() -> Vec<Case> {
    let each = table::cases(
        "host_ports",
        &[Family::V4, Family::V6],
        &[
            ("every_way_in", |scene| every_way_in(scene, Backend::Default, "0"), None),
            ("every_way_in_with_br_netfilter", |scene| every_way_in(scene, Backend::Default, "1"), None),
            ("a_port_of_one_address", a_port_of_one_address, None),
            ("without_snat_sources_stay", without_snat_sources_stay, None),
            ("services_come_first", services_come_first, None),
            ("sctp_reaches_the_pod_and_its_answer_comes_back", sctp_every_way_in, None),
        ],
    );
    let dual = table::cases(
        "host_ports",
        &[Family::Dual],
        &[
            (
                "a_port_is_one_pods",
                |scene| a_port_is_one_pods(scene, Backend::Default),
                Some(&SHARES_HOST_PORTS),
            ),
            ("a_lost_pods_port_is_free", a_lost_pods_port_is_free, Some(&OTHER_HOST_PORTS)),
            ("a_thousand_ports", a_thousand_ports, Some(&OTHER_HOST_PORTS)),
            (
                "del_needs_no_port_mappings",
                |s| del_needs_no_ports(s, Backend::Default),
                Some(&OTHER_HOST_PORTS),
            ),
            ("gc_takes_rules_alone", |s| gc_takes_rules_alone(s, Backend::Default), Some(&OTHER_HOST_PORTS)),
            ("sctp_has_rules", sctp_has_rules, Some(&OTHER_HOST_PORTS)),
            (
                "check_names_a_missing_port",
                |s| {
                    check_names(
                        s,
                        "host port 8080/tcp of IPv6",
                        &["flush", "map", "inet", "podnet", "hostports6"],
                    )
                },
                Some(&OTHER_HOST_PORTS),
            ),
            (
                "check_names_a_missing_way_back",
                |s| {
                    check_names(
                        s,
                        "way back from 10.244.1.2",
                        &["flush", "map", "inet", "podnet", "hairpin4"],
                    )
                },
                Some(&OTHER_HOST_PORTS),
            ),
            (
                "check_names_a_missing_rule",
                |s| check_names(s, "chain loopback", &["flush", "chain", "inet", "podnet", "loopback"]),
                Some(&OTHER_HOST_PORTS),
            ),
            (
                "check_names_a_missing_chain",
                |s| {
                    check_names(
                        s,
                        "chain hostports-output",
                        &["delete", "chain", "inet", "podnet", "hostports-output"],
                    )
                },
                Some(&OTHER_HOST_PORTS),
            ),
            ("check_names_route_localnet", check_names_route_localnet, Some(&OTHER_HOST_PORTS)),
            ("bad_input_is_named", bad_input_is_named, Some(&OTHER_HOST_PORTS)),
        ],
    );
    let v4 = table::cases(
        "host_ports",
        &[Family::V4],
        &[(
            "loopback_is_closed_to_neighbours",
            |s| loopback_is_closed_to_neighbours(s, Backend::Default),
            Some(&LOOPBACK_OPEN),
        )],
    );
    each.into_iter().chain(dual).chain(v4).chain(iptables::cases()).collect()
}

/// The scene's network with these host ports: by podnet alone, or by the reference's chain.
pub(crate) fn network(scene: Scene, mappings: &Value) -> Result<Network, Failure> {
    let mut network = scene.network()?;
    let runtime = json!({ "portMappings": mappings });
    if scene.subject == Subject::Podnet {
        return Ok(network.with("/runtimeConfig", runtime));
    }
    network.plugins.push(json!({"type": "portmap", "runtimeConfig": runtime}));
    Ok(network)
}

/// Whose rules podnet's host ports are; the reference's are iptables' in any case.
#[derive(Clone, Copy)]
enum Backend {
    Default,
    Iptables,
}

fn network_by(scene: Scene, backend: Backend, mappings: &Value) -> Result<Network, Failure> {
    let network = network(scene, mappings)?;
    Ok(match (scene.subject, backend) {
        (Subject::Podnet, Backend::Iptables) => network.with("/portmapBackend", "iptables"),
        _ => network,
    })
}

pub(crate) fn port(host: u16, pod: u16, protocol: &str) -> Value {
    json!({"hostPort": host, "containerPort": pod, "protocol": protocol})
}

fn every_way_in(scene: Scene, backend: Backend, br_netfilter: &str) -> Outcome {
    let other = OtherNode::create(scene.family)?;
    for name in ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"] {
        fs::write(format!("/proc/sys/net/bridge/{name}"), br_netfilter).doing(name)?;
    }
    let network = network_by(scene, backend, &json!([port(8080, 80, "tcp"), port(8080, 53, "udp")]))?;
    let (pod, neighbour) = (Pod::create("a")?, Pod::create("b")?);
    let address = first(&network.add(&pod)?)?;
    scene.network()?.add(&neighbour)?;
    let uplink = first_of(other.masquerade_addresses()?)?;
    let gateway = first_of(scene.family.gateways())?;
    for (is_udp, pod_port) in [(false, 80), (true, 53)] {
        let server = Server::start(&pod, (address, pod_port).into(), is_udp)?;
        let asked = |from, target: IpAddr| server.asked(from, (target, 8080).into());
        let outside = server.asked_at_first(other.place(), (uplink, 8080).into())?;
        ensure!(outside != uplink && outside != gateway, "the outside is seen as {outside}");
        asked(Place::Node, uplink)?;
        asked(Place::Node, gateway)?;
        if scene.family == Family::V4 {
            asked(Place::Node, Ipv4Addr::LOCALHOST.into())?;
        }
        for inside in [&neighbour, &pod] {
            for target in [uplink, gateway] {
                ensure_eq!(asked((&inside.netns).into(), target)?, gateway, "source that the pod sees");
            }
        }
    }
    Ok(())
}

fn a_port_of_one_address(scene: Scene) -> Outcome {
    let other = OtherNode::create(scene.family)?;
    let uplink = first_of(other.masquerade_addresses()?)?;
    let gateway = first_of(scene.family.gateways())?;
    let mut mapping = port(8080, 80, "tcp");
    mapping["hostIP"] = uplink.to_string().into();
    let pod = Pod::create("a")?;
    let address = first(&network(scene, &json!([mapping]))?.add(&pod)?)?;
    let server = Server::start(&pod, (address, 80).into(), false)?;
    server.asked_at_first(other.place(), (uplink, 8080).into())?;
    server.asked(Place::Node, (uplink, 8080).into())?;
    ensure!(server.asked(Place::Node, (gateway, 8080).into()).is_err(), "the port is open on {gateway}");
    Ok(())
}

fn without_snat_sources_stay(scene: Scene) -> Outcome {
    let other = OtherNode::create(scene.family)?;
    let mut network = network(scene, &json!([port(8080, 80, "tcp")]))?;
    network.plugins.iter_mut().for_each(|entry| entry["snat"] = false.into());
    let pod = Pod::create("a")?;
    let address = first(&network.add(&pod)?)?;
    let server = Server::start(&pod, (address, 80).into(), false)?;
    let uplink = first_of(other.masquerade_addresses()?)?;
    server.asked_at_first(other.place(), (uplink, 8080).into())?;
    if scene.subject == Subject::Podnet {
        let rules = tool(&["nft", "list", "ruleset"])?;
        ensure!(!rules.contains(". 8080 comment") || !rules.contains("jump hairpin-"), "{rules}");
        ensure_eq!(Place::Node.sysctl("ipv4/conf/cbr0/route_localnet")?, "0", "route_localnet");
    }
    Ok(())
}

/// What kube-proxy does: a translation at priority -100, of the very port that a pod has on the node.
fn services_come_first(scene: Scene) -> Outcome {
    let (pod, backend) = (Pod::create("a")?, Pod::create("b")?);
    let other = OtherNode::create(scene.family)?;
    let uplink = first_of(other.masquerade_addresses()?)?;
    let network = network(scene, &json!([port(8080, 80, "tcp"), port(8081, 80, "tcp")]))?;
    let address = first(&network.add(&pod)?)?;
    let service = first(&scene.network()?.add(&backend)?)?;
    let (family, target) = match service {
        IpAddr::V4(service) => ("ip", format!("{service}:80")),
        IpAddr::V6(service) => ("ip6", format!("[{service}]:80")),
    };
    let rules = format!(
        "add table {family} proxy; add chain {family} proxy services {{ type nat hook prerouting priority -100; }}; \
         add rule {family} proxy services {family} daddr {uplink} tcp dport 8080 dnat to {target}"
    );
    tool(&["nft", &rules])?;
    let of_service = Server::start(&backend, (service, 80).into(), false)?;
    let of_pod = Server::start(&pod, (address, 80).into(), false)?;
    of_pod.asked_at_first(other.place(), (uplink, 8081).into())?;
    // The reference's rules have the same priority as the service's: whose comes first is chance.
    if scene.subject == Subject::Podnet {
        of_service.asked(other.place(), (uplink, 8080).into())?;
    }
    Ok(())
}

fn a_port_is_one_pods(scene: Scene, backend: Backend) -> Outcome {
    let network = |scene, mappings: &Value| network_by(scene, backend, mappings);
    settle_ports(scene, backend)?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    let holder = network(scene, &json!([port(8080, 80, "tcp"), port(9090, 90, "udp")]))?;
    let added = holder.add(&a)?;
    let before = Snapshot::take()?;
    let rival = network(scene, &json!([port(7070, 70, "tcp"), port(8080, 80, "tcp")]))?;
    let error = refused(&rival, &b)?;
    ensure_eq!(error.code, 103, "code of {error:?}");
    for text in ["8080/tcp", &a.container, &b.container] {
        ensure!(error.names(text), "{text} is not in {error:?}");
    }
    before.ensure_unchanged("an ADD whose port was taken")?;
    // The same number of another protocol, and of one address, is another port.
    let mut specific = port(8080, 80, "tcp");
    specific["hostIP"] = "127.0.0.1".into();
    network(scene, &json!([port(8080, 80, "udp"), specific]))?.add(&b)?;
    holder.check(&a, &added)
}

fn a_lost_pods_port_is_free(scene: Scene) -> Outcome {
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    let network = network(scene, &json!([port(8080, 80, "tcp")]))?;
    let added = network.add(&a)?;
    fs::remove_dir_all("/run/podnet/attachments")?;
    ensure_eq!(refused(&network, &b)?.code, 103, "code while the holder's link lives");
    Place::Node.ip(&["link", "del", added.interface(1)?])?;
    let added = network.add(&b)?;
    network.check(&b, &added)
}

fn a_thousand_ports(scene: Scene) -> Outcome {
    let ports: Vec<Value> = (20000..21000).map(|number| port(number, number, "tcp")).collect();
    let network = network(scene, &ports.into())?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    settle_ports(scene, Backend::Default)?;
    let before = Snapshot::take()?;
    let added = network.add(&a)?;
    network.check(&a, &added)?;
    for address in added.addresses()? {
        let server = Server::start(&a, (address, 20999).into(), false)?;
        let gateway =
            scene.family.gateways().into_iter().find(|gateway| gateway.is_ipv4() == address.is_ipv4());
        server.asked(Place::Node, (gateway.doing("a gateway")?, 20999).into())?;
    }
    let error = refused(&network, &b)?;
    ensure!(error.names("host port 20"), "no port that is taken is in {error:?}");
    network.del(&a, Some(&added))?;
    before.ensure_unchanged("a pod with a thousand ports")
}

fn del_needs_no_ports(scene: Scene, backend: Backend) -> Outcome {
    let network = |scene, mappings: &Value| network_by(scene, backend, mappings);
    settle_ports(scene, backend)?;
    let before = Snapshot::take()?;
    for has_record in [true, false] {
        let pod = Pod::create("a")?;
        network(scene, &json!([port(8080, 80, "tcp"), port(53, 53, "udp")]))?.add(&pod)?;
        if !has_record {
            fs::remove_file(record()?)?;
        }
        scene.network()?.del(&pod, None)?;
        before.ensure_unchanged("DEL without portMappings")?;
    }
    Ok(())
}

fn gc_takes_rules_alone(scene: Scene, backend: Backend) -> Outcome {
    let network = |scene, mappings: &Value| network_by(scene, backend, mappings);
    settle_ports(scene, backend)?;
    let before = Snapshot::take()?;
    let pod = Pod::create("a")?;
    let network = network(scene, &json!([port(8080, 80, "tcp")]))?;
    let added = network.add(&pod)?;
    fs::remove_file(record()?)?;
    Place::Node.ip(&["link", "del", added.interface(1)?])?;
    reply::silence(network.call("GC", None, &[("cni.dev/valid-attachments", json!([]))])?)?;
    before.ensure_unchanged("GC of a pod without record and link")
}

/// This kernel may have no SCTP sockets; rules and connection tracking do not need them.
fn sctp_every_way_in(scene: Scene) -> Outcome {
    let other = OtherNode::create(scene.family)?;
    let (pod, neighbour) = (Pod::create("a")?, Pod::create("b")?);
    let address = first(&network(scene, &json!([port(9999, 99, "sctp")]))?.add(&pod)?)?;
    scene.network()?.add(&neighbour)?;
    let uplink = first_of(other.masquerade_addresses()?)?;
    let gateway = first_of(scene.family.gateways())?;
    // Waits for the reference's IPv6 gateway, which is still being probed for.
    probe::reach(Place::Node, (&pod.netns).into(), address, Duration::from_secs(8))?;
    let associate = |from, target| sctp::associate(from, (target, 9999), (&pod.netns).into(), 99);
    let outside = associate(other.place(), uplink)?;
    ensure!(outside != uplink && outside != gateway, "the outside is seen as {outside}");
    associate(Place::Node, uplink)?;
    ensure_eq!(associate((&neighbour.netns).into(), uplink)?, gateway, "source that the pod sees");
    Ok(())
}

fn sctp_has_rules(scene: Scene) -> Outcome {
    let pod = Pod::create("a")?;
    let network = network(scene, &json!([port(9999, 99, "SCTP")]))?;
    let added = network.add(&pod)?;
    network.check(&pod, &added)?;
    let rules = tool(&["nft", "list", "table", "inet", "podnet"])?;
    for (map, address) in ["hostports4", "hostports6"].into_iter().zip(added.addresses()?) {
        let map = rules.split(&format!("map {map} {{")).nth(1).doing(map)?;
        let map = map.split('}').next().unwrap_or_default();
        ensure!(map.contains("sctp . 9999") && map.contains(&format!("{address} . 99")), "{map}");
    }
    Ok(())
}

fn check_names(scene: Scene, text: &str, tampering: &[&str]) -> Outcome {
    check_names_after(scene, text, || tool(&[&["nft"], tampering].concat()).map(drop))
}

fn check_names_route_localnet(scene: Scene) -> Outcome {
    let parameter = "/proc/sys/net/ipv4/conf/cbr0/route_localnet";
    check_names_after(scene, "route_localnet", || Ok(fs::write(parameter, "0")?))
}

fn check_names_after(scene: Scene, text: &str, tamper: impl FnOnce() -> Outcome) -> Outcome {
    let pod = Pod::create("a")?;
    let added = network(scene, &json!([port(8080, 80, "tcp")]))?.add(&pod)?;
    // A runtime need not repeat the ports at CHECK.
    let network = scene.network()?;
    network.check(&pod, &added)?;
    tamper()?;
    let error = reply::error(&network.call("CHECK", Some(&pod), &[("prevResult", added.0.clone())])?)?;
    ensure!(error.names(text), "{text:?} is not in {error:?}");
    Ok(())
}

fn bad_input_is_named(scene: Scene) -> Outcome {
    let pod = Pod::create("a")?;
    let before = Snapshot::take()?;
    for (mapping, code, text) in [
        (json!({"hostPort": 0, "containerPort": 80}), 7, "portMappings[1].hostPort: 0"),
        (json!({"hostPort": 65536, "containerPort": 80}), 7, "portMappings[1].hostPort: 65536"),
        (json!({"hostPort": "80", "containerPort": 80}), 6, "portMappings[1].hostPort"),
        (json!({"hostPort": 81, "containerPort": -1}), 7, "portMappings[1].containerPort: -1"),
        (json!({"hostPort": 81, "containerPort": 81, "protocol": "icmp"}), 7, "portMappings[1].protocol"),
        (json!({"hostPort": 81, "containerPort": 81, "hostIP": "1.2.3"}), 7, "portMappings[1].hostIP"),
        (json!({"HostPort": 80, "ContainerPort": 81}), 7, "portMappings[0] has it already"),
    ] {
        let error = refused(&network(scene, &json!([port(80, 80, "tcp"), mapping]))?, &pod)?;
        ensure!(error.code == code && error.names(text), "{code} and {text:?} are not in {error:?}");
    }
    let error = refused(&scene.network()?.with("/portmapBackend", "ebtables"), &pod)?;
    ensure!(error.code == 2 && error.names("portmapBackend"), "{error:?}");
    before.ensure_unchanged("ADDs with bad input")
}

fn loopback_is_closed_to_neighbours(scene: Scene, backend: Backend) -> Outcome {
    let pod = Pod::create("a")?;
    network_by(scene, backend, &json!([port(8080, 80, "tcp")]))?.add(&pod)?;
    let neighbour = Pod::create("b")?;
    scene.network()?.add(&neighbour)?;
    ensure_eq!(Place::Node.sysctl("ipv4/conf/cbr0/route_localnet")?, "1", "route_localnet");
    let secret = Place::Node.inside(|| Ok(UdpSocket::bind("127.0.0.1:7777")?))?;
    secret.set_read_timeout(Some(PATIENCE))?;
    // A neighbour that has given up its own loopback addresses sends to the node's.
    let there = Place::from(&neighbour.netns);
    there.ip(&["rule", "add", "pref", "1", "lookup", "main"])?;
    there.ip(&["rule", "del", "pref", "0"])?;
    there.ip(&["route", "add", "127.0.0.1", "via", "10.244.1.1"])?;
    let own = "/proc/sys/net/ipv4/conf/eth0/route_localnet";
    there.inside(|| Ok(fs::write(own, "1")?))?;
    let client = there.inside(|| Ok(UdpSocket::bind("0.0.0.0:0")?))?;
    client.send_to(b"there", "127.0.0.1:7777")?;
    let mut word = [0; 8];
    if let Ok((_, from)) = secret.recv_from(&mut word) {
        return Err(Failure::failed(format!("{from} reached what listens on 127.0.0.1")));
    }
    Ok(())
}

/// Lets a pod with a port come and go: the table and its chains are the node's own.
fn settle_ports(scene: Scene, backend: Backend) -> Outcome {
    table::settle(&network_by(scene, backend, &json!([port(1, 1, "tcp")]))?)
}

fn refused(network: &Network, pod: &Pod) -> Result<CniError, Failure> {
    reply::error(&network.call("ADD", Some(pod), &[])?)
}

fn record() -> Result<std::path::PathBuf, Failure> {
    let mut records = fs::read_dir("/run/podnet/attachments")?;
    Ok(records.next().doing("a record")??.path())
}

pub(crate) fn first(added: &Added) -> Result<IpAddr, Failure> {
    first_of(added.addresses()?)
}

pub(crate) fn first_of(addresses: Vec<IpAddr>) -> Result<IpAddr, Failure> {
    addresses.into_iter().next().doing("an address")
}
