//! Who reaches whom, and as whom.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::node::OtherNode;
use podnet_netns_tests::process::tool;
use podnet_netns_tests::subject::{Family, Subject};
use podnet_netns_tests::{ensure, ensure_eq, probe};
use serde_json::json;

use super::{Test, daemon, inside, network};
use crate::policy;

pub(super) const TESTS: &[Test] = &[
    ("everybody_is_reached_by_the_first_packet", everybody_is_reached),
    ("host_ports_lead_to_the_pod", host_ports),
    ("beside_pods_of_mode_kubenet", beside_kubenet),
    ("beneath_a_policy", beneath_a_policy),
    ("beneath_a_policy_of_sets", beneath_a_policy_of_sets),
];

const SOON: Duration = Duration::from_secs(3);

fn everybody_is_reached(family: Family) -> Outcome {
    let other = OtherNode::create(family)?;
    let _daemon = daemon(family)?;
    let network = network()?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    let of_a = network.add(&a)?.addresses()?;
    let of_b = network.add(&b)?.addresses()?;
    let far = other.pod_addresses()?;
    let of_node = other.masquerade_addresses()?;
    for (index, (&own, &neighbour)) in of_a.iter().zip(&of_b).enumerate() {
        // The network's side takes a while to learn its own neighbours; the pods' side must not.
        probe::first_packet(Place::Node, inside(&a), own)?;
        ensure_eq!(
            probe::first_packet(inside(&a), inside(&b), neighbour)?,
            own,
            "source seen by the neighbour"
        );
        let (node, far) = (of_node[index], far[index]);
        ensure_eq!(probe::first_packet(inside(&b), Place::Node, node)?, neighbour, "source seen by the node");
        ensure_eq!(probe::reach(inside(&a), other.place(), far, SOON)?, own, "source seen on the other node");
        ensure_eq!(probe::reach(other.place(), inside(&a), own, SOON)?.is_ipv4(), own.is_ipv4(), "family");
        probe::stream(inside(&a), other.place(), far, 1 << 20)?;
        probe::stream(inside(&a), inside(&b), neighbour, 1 << 20)?;
    }
    Ok(())
}

/// A connection to `target`, which arrives at `listen` in the pod; gives the source that is seen there.
pub(super) fn connected(
    from: Place<'_>,
    target: SocketAddr,
    pod: &Pod,
    listen: SocketAddr,
) -> Result<IpAddr, Failure> {
    let what = format!("a connection from {from} to {target}");
    let listener = inside(pod).inside(|| Ok(TcpListener::bind(listen)?)).doing(&what)?;
    let mut client = from.inside(|| Ok(TcpStream::connect_timeout(&target, SOON)?)).doing(&what)?;
    let (mut accepted, seen) = listener.accept()?;
    accepted.set_read_timeout(Some(SOON))?;
    client.write_all(b"there")?;
    accepted.read_exact(&mut [0; 5]).doing(&what)?;
    Ok(seen.ip())
}

fn host_ports(family: Family) -> Outcome {
    let other = OtherNode::create(family)?;
    let _daemon = daemon(family)?;
    let ports = json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]);
    let network = network()?;
    let (server, neighbour) = (Pod::create("server")?, Pod::create("neighbour")?);
    let of_neighbour = network.add(&neighbour)?.addresses()?;
    let network = network.with("/runtimeConfig", json!({ "portMappings": ports }));
    let own = network.add(&server)?.addresses()?;
    let far = other.pod_addresses()?;
    for (index, (&node, &pod)) in other.masquerade_addresses()?.iter().zip(&own).enumerate() {
        let (target, listen) = (SocketAddr::new(node, 8080), SocketAddr::new(pod, 80));
        let seen = |from| connected(from, target, &server, listen);
        ensure_eq!(seen(inside(&neighbour))?, of_neighbour[index], "source, from a neighbour");
        ensure_eq!(seen(other.place())?.is_ipv4(), far[index].is_ipv4(), "family, from another node");
        seen(Place::Node)?;
        // By way of the node, under its address: a pod takes nothing from its own.
        seen(inside(&server))?;
        if pod.is_ipv4() {
            connected(Place::Node, SocketAddr::new([127, 0, 0, 1].into(), 8080), &server, listen)?;
        }
    }
    Ok(())
}

/// Mode kubenet, with addresses that the daemon does not hand out.
pub(super) fn kubenet(family: Family) -> Result<Network, Failure> {
    let ranges = family.pick("10.244.1.128/26", "fd00:10:244:1:8000::/66");
    let ranges: Vec<_> = ranges.into_iter().map(|subnet| json!([{ "subnet": subnet }])).collect();
    Ok(Network::of(Subject::Podnet, family)?.with("/ipam/ranges", json!(ranges)))
}

/// A node is switched from one mode to the other with pods alive: they reach each other all the time.
fn beside_kubenet(family: Family) -> Outcome {
    let other = OtherNode::create(family)?;
    let _daemon = daemon(family)?;
    let kubenet = kubenet(family)?;
    let (old, new, back) = (Pod::create("old")?, Pod::create("new")?, Pod::create("back")?);
    let of_old = kubenet.add(&old)?;
    let of_new = network()?.add(&new)?;
    let of_back = kubenet.add(&back)?;
    let pods = [(&old, &of_old), (&new, &of_new), (&back, &of_back)];
    for (from, _) in pods {
        for (to, added) in pods.into_iter().filter(|(to, _)| to.container != from.container) {
            for address in added.addresses()? {
                probe::reach(inside(from), inside(to), address, SOON)?;
            }
        }
    }
    for (pod, added) in pods {
        for far in other.pod_addresses()? {
            let own = probe::reach(inside(pod), other.place(), far, SOON)?;
            ensure_eq!(added.addresses()?.contains(&own), true, "{own} is the pod's own");
        }
    }
    kubenet.check(&old, &of_old)?;
    network()?.check(&new, &of_new)?;
    network()?.del(&new, Some(&of_new))?;
    kubenet.check(&back, &of_back)
}

/// Engines name a pod's link by the beginning of its name, as Azure NPM does, or the pod by its address.
fn beneath_a_policy(family: Family) -> Outcome {
    let _gives_the_node_an_address = OtherNode::create(family)?;
    let _daemon = daemon(family)?;
    let network = network()?;
    let pods = [Pod::create("client")?, Pod::create("open")?, Pod::create("closed")?];
    let mut addresses = Vec::new();
    for pod in &pods {
        addresses.push(network.add(pod)?.addresses()?);
    }
    let [client, open, closed] = &pods;
    for (&allowed, &denied) in addresses[1].iter().zip(&addresses[2]) {
        let (ip, table) = if denied.is_ipv4() { ("ip", "policy4") } else { ("ip6", "policy6") };
        let rule = format!("iifname \"azv*\" oifname \"azv*\" {ip} daddr {denied} drop");
        let chain = format!("chain forward {{ type filter hook forward priority 0\n{rule}\n}}");
        tool(&["nft", &format!("table {ip} {table} {{\n{chain}\n}}")])?;
        probe::first_packet(inside(client), inside(open), allowed)?;
        let passed = probe::first_packet(inside(client), inside(closed), denied);
        ensure!(passed.is_err(), "{denied} is reached against the policy");
        // The node itself sends by no link of a pod.
        probe::first_packet(Place::Node, inside(closed), denied)?;
    }
    Ok(())
}

/// Azure NPM's way; besides, `azv+` stands for every pod's link.
fn beneath_a_policy_of_sets(family: Family) -> Outcome {
    let _gives_the_node_an_address = OtherNode::create(family)?;
    let _daemon = daemon(family)?;
    for program in ["iptables", "ip6tables"] {
        tool(&[program, "-P", "FORWARD", "DROP"])?;
        tool(&[
            program,
            "-A",
            "FORWARD",
            "-i",
            "azv+",
            "-o",
            "azv+",
            "-m",
            "comment",
            "--comment",
            "pods",
            "-j",
            "ACCEPT",
        ])?;
    }
    policy::on_one_node(&network()?)
}
