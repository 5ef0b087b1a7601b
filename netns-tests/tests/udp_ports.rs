//! Host ports of UDP: what the node remembers of connections that have no end.

use std::net::{SocketAddr, UdpSocket};

use podnet_netns_tests::ensure_eq;
use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::Pod;
use podnet_netns_tests::node::OtherNode;
use podnet_netns_tests::process::tool;
use podnet_netns_tests::subject::Family;
use serde_json::{Value, json};

use crate::differences::{FORGETS_ELSEWHERE, UDP_AT_ADD_ONLY};
use crate::host_ports::{first, first_of, network, port};
use crate::server::{PATIENCE, Server};
use crate::table::{self, Scene};

pub(crate) fn cases() -> Vec<Case> {
    table::cases(
        "udp_ports",
        &[Family::V4],
        &[
            ("go_to_the_next_pod", |scene| go_to_the_next_pod(scene, 1), Some(&UDP_AT_ADD_ONLY)),
            ("many_go_to_the_next_pod", |scene| go_to_the_next_pod(scene, 60), Some(&UDP_AT_ADD_ONLY)),
            ("connections_to_elsewhere_stay", connections_to_elsewhere_stay, Some(&FORGETS_ELSEWHERE)),
        ],
    )
}

/// A client that never falls silent keeps its entry alive: it has to reach each pod in turn all the same. From 49 ports
/// on, podnet looks for the entries itself, as it does on kernels before 6.11.
fn go_to_the_next_pod(scene: Scene, ports: u16) -> Outcome {
    let other = OtherNode::create(scene.family)?;
    let target = SocketAddr::new(first_of(other.masquerade_addresses()?)?, 8080);
    let client = other.place().inside(|| Ok(UdpSocket::bind("0.0.0.0:0")?))?;
    let ports: Vec<Value> = (0..ports).map(|number| port(8080 + number, 53 + number, "udp")).collect();
    let network = network(scene, &ports.into())?;
    client.send_to(b"before any pod", target)?;
    for name in ["a", "b"] {
        let pod = Pod::create(name)?;
        let added = network.add(&pod)?;
        let server = Place::from(&pod.netns).inside(|| Ok(UdpSocket::bind((first(&added)?, 53))?))?;
        server.set_read_timeout(Some(PATIENCE))?;
        client.send_to(b"there", target)?;
        let mut word = [0; 16];
        server.recv_from(&mut word).doing(format_args!("a datagram in pod {name}"))?;
        network.del(&pod, Some(&added))?;
    }
    Ok(())
}

/// A pod's question to a name server elsewhere is not to lose its translation when another pod gets port 53 of the node.
fn connections_to_elsewhere_stay(scene: Scene) -> Outcome {
    let other = OtherNode::create(scene.family)?;
    let elsewhere = first_of(other.pod_addresses()?)?;
    let (asking, pod) = (Pod::create("a")?, Pod::create("b")?);
    let network = network(scene, &json!([port(53, 53, "udp")]))?;
    table::settle(&network)?;
    scene.network()?.add(&asking)?;
    let tracked = || {
        let listed = tool(&["conntrack", "-L", "-p", "udp", "-d", &elsewhere.to_string()])?;
        Ok::<_, Failure>(listed.lines().count())
    };
    let server = Server::start(other.place(), (elsewhere, 53).into(), true)?;
    server.asked((&asking.netns).into(), (elsewhere, 53).into())?;
    ensure_eq!(tracked()?, 1, "connections before");
    let added = network.add(&pod)?;
    ensure_eq!(tracked()?, 1, "connections after ADD");
    network.del(&pod, Some(&added))?;
    ensure_eq!(tracked()?, 1, "connections after DEL");
    Ok(())
}
