//! Host ports: where they lead, and many at once.

use podnet_netns_tests::dropin::Maker;
use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::Pod;
use podnet_netns_tests::node::OtherNode;
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::{ensure, ensure_eq, parallel};
use serde_json::json;

use super::configs::{alone, chain, network};
use super::state;
use crate::server::Server;

pub(super) fn ports_lead_to_the_pod(maker: Maker, backend: &str) -> Outcome {
    let other = OtherNode::create(Family::V4)?;
    let network = network(maker, chain("portmap", &json!({"backend": backend})))?;
    let pod = Pod::create("pod")?;
    network.add(&pod)?;
    let uplink = other.masquerade_addresses()?.into_iter().next().doing("an uplink")?;
    let address = "10.1.0.77".parse()?;
    for (is_udp, port) in [(false, 80), (true, 53)] {
        let server = Server::start(&pod, std::net::SocketAddr::new(address, port), is_udp)?;
        server.asked_at_first(other.place(), (uplink, 8080).into())?;
        server.asked(Place::Node, (uplink, 8080).into())?;
        server.asked(Place::Node, "127.0.0.1:8080".parse()?)?;
        server.asked((&pod.netns).into(), (uplink, 8080).into())?;
    }
    Ok(())
}

/// On a fresh node: what all share is there once, and each pod's rules come and go.
pub(super) fn parallel_ports(backend: &str) -> Outcome {
    const PODS: u16 = 24;
    let numbers: Vec<u16> = (2..2 + PODS).collect();
    let networks = numbers.iter().map(|number| {
        let members = json!({"backend": backend, "runtimeConfig": {"portMappings": [
            {"hostPort": 8000 + number, "containerPort": 80, "protocol": "tcp"}]}});
        let network = network(Maker::Podnet, alone("portmap", &members))?;
        let addresses =
            json!([{"address": format!("10.1.0.{number}/24")}, {"address": format!("fd01::{number}/64")}]);
        let previous = json!({"cniVersion": "1.1.0", "ips": addresses});
        Ok((network, Pod::create(&format!("pod{number}"))?, previous))
    });
    let networks = networks.collect::<Result<Vec<_>, Failure>>()?;
    let all = |verb: &str| {
        parallel::each(8, &networks, |(network, pod, previous)| {
            network.call(verb, Some(pod), &[("prevResult", previous.clone())])?.success()
        })
    };
    all("ADD")?;
    all("CHECK")?;
    let before = state()?.to_string();
    for shared in ["-A PREROUTING", "-A OUTPUT", "-A POSTROUTING", "--set-xmark"] {
        let count = before.matches(shared).count();
        ensure!(
            count == if backend == "iptables" { 2 } else { 0 },
            "{count} of {shared} in both families: {before}"
        );
    }
    ensure_eq!(
        before.matches("dport 80").count() + before.matches("--dports 80").count(),
        match backend {
            // Three and an entry of IPv4, two and an entry of IPv6.
            "iptables" => usize::from(PODS) * 7,
            _ => 2 * usize::from(PODS),
        },
        "rules of pods"
    );
    all("DEL")?;
    let after = state()?.to_string();
    ensure!(!after.contains("dport 80") && !after.contains("CNI-DN"), "DEL leaves rules: {after}");
    Ok(())
}
