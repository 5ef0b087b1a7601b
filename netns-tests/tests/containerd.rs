//! containerd runs pod sandboxes on the subject's network, as kubelet asks it to, and takes them off again.

use std::net::IpAddr;
use std::time::Duration;

use podnet_netns_tests::engine::containerd::Containerd;
use podnet_netns_tests::engine::{self, PodSandbox, PortMapping, Room};
use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::netns::{Netns, Place};
use podnet_netns_tests::node::OtherNode;
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::{ensure, ensure_eq, parallel, probe};
use serde_json::Value;

use crate::look;
use crate::runtime;
use crate::server::Server;
use crate::table::{self, Scene};

pub(crate) fn cases() -> Vec<Case> {
    table::with_limit(
        Duration::from_mins(3),
        "containerd",
        &[Family::V4, Family::Dual],
        &[
            ("ready_with_a_configuration_alone", ready_with_a_configuration_alone, None),
            ("host_ports", |scene| host_ports(scene, runtime::conflist), None),
            ("host_ports_by_the_references_names", |s| host_ports(s, runtime::reference_chain), None),
            ("limits_by_annotation", limits_by_annotation, None),
            ("a_failure_is_told", a_failure_is_told, None),
            ("twelve_pods_at_once", twelve_pods_at_once, None),
        ],
    )
}

/// How the subject's network is configured.
type Conflist = fn(Scene) -> Result<Value, Failure>;

/// containerd on a node with the subject's network, on which a first pod has come and gone.
fn node(room: &Room, scene: Scene) -> Result<Containerd, Failure> {
    node_with(room, scene, runtime::conflist)
}

fn node_with(room: &Room, scene: Scene, conflist: Conflist) -> Result<Containerd, Failure> {
    let node = Containerd::start(room, &runtime::plugins(room, scene)?)?;
    node.configure(&conflist(scene)?)?;
    let id = node.run(&pod("first", vec![tcp(1, 1)]))?;
    table::at_rest()?;
    take_off(&node, &id)?;
    Ok(node)
}

fn pod(name: &str, ports: Vec<PortMapping>) -> PodSandbox {
    PodSandbox { name: name.to_owned(), ports, annotations: Vec::new() }
}

fn tcp(host_port: u16, container_port: u16) -> PortMapping {
    PortMapping { is_udp: false, container_port, host_port, host_ip: String::new() }
}

fn take_off(node: &Containerd, id: &str) -> Outcome {
    node.stop(id)?;
    // kubelet stops a sandbox as often as it likes.
    node.stop(id)?;
    node.remove(id)
}

fn ready_with_a_configuration_alone(scene: Scene) -> Outcome {
    let room = Room::prepare()?;
    let node = Containerd::start(&room, &runtime::plugins(&room, scene)?)?;
    let why = node.network_ready()?.err().unwrap_or_default();
    ensure!(why.contains("cni plugin not initialized"), "without a configuration: {why:?}");
    ensure!(node.run(&pod("early", Vec::new())).is_err(), "a pod without a network");
    node.configure(&runtime::conflist(scene)?)?;
    let id = node.run(&pod("late", Vec::new()))?;
    take_off(&node, &id)
}

fn host_ports(scene: Scene, conflist: Conflist) -> Outcome {
    let other = OtherNode::create(scene.family)?;
    let uplinks = other.masquerade_addresses()?;
    let room = Room::prepare()?;
    let node = node_with(&room, scene, conflist)?;
    let before = Snapshot::take()?;
    let mut ports = vec![tcp(8080, 80)];
    ports.extend(uplinks.iter().map(|uplink| PortMapping {
        is_udp: true,
        container_port: 53,
        host_port: 5353,
        host_ip: uplink.to_string(),
    }));
    let id = node.run(&pod("web", ports))?;
    let status = node.status(&id)?;
    let netns = Netns::of_others(&status.netns)?;
    let link = look::link((&netns).into(), "eth0")?;
    ensure_eq!(look::addresses(&link).len(), status.addresses.len(), "number of addresses of {link}");
    ensure_eq!(
        look::default_gateways((&netns).into())?,
        scene.family.gateways().iter().map(IpAddr::to_string).collect::<Vec<_>>(),
        "default gateways"
    );
    for (&address, uplink) in status.addresses.iter().zip(uplinks) {
        let web = Server::start(&netns, (address, 80).into(), false)?;
        web.asked(other.place(), (uplink, 8080).into())?;
        web.asked(Place::Node, (uplink, 8080).into())?;
        let dns = Server::start(&netns, (address, 53).into(), true)?;
        dns.asked(other.place(), (uplink, 5353).into())?;
    }
    take_off(&node, &id)?;
    ensure_eq!(engine::namespaces()?, [other.place().to_string()], "namespaces");
    before.ensure_unchanged("a pod's sandbox came and went")
}

/// containerd makes `bandwidth` of the annotations, with the burst that means none.
fn limits_by_annotation(scene: Scene) -> Outcome {
    let room = Room::prepare()?;
    let node = node(&room, scene)?;
    let before = Snapshot::take()?;
    let annotations =
        vec![("kubernetes.io/ingress-bandwidth", "40M"), ("kubernetes.io/egress-bandwidth", "20M")];
    let id = node.run(&PodSandbox { annotations, ..pod("limited", Vec::new()) })?;
    let rates: Vec<u64> = look::buckets()?;
    ensure_eq!(rates, [20_000_000 / 8, 40_000_000 / 8], "rates of all buckets, in bytes a second");
    let status = node.status(&id)?;
    let netns = Netns::of_others(&status.netns)?;
    for address in status.addresses {
        probe::stream(Place::Node, (&netns).into(), address, 1 << 20)?;
    }
    take_off(&node, &id)?;
    before.ensure_unchanged("a pod with limits came and went")
}

fn a_failure_is_told(scene: Scene) -> Outcome {
    let room = Room::prepare()?;
    let node = Containerd::start(&room, &runtime::plugins(&room, scene)?)?;
    let mut conflist = runtime::conflist(scene)?;
    // Room for one pod in each range: the node has the first address.
    for range in conflist["plugins"][0]["ipam"]["ranges"].as_array_mut().into_iter().flatten() {
        let subnet = range[0]["subnet"].as_str().unwrap_or_default();
        let first = if subnet.contains(':') { "fd00:10:244:1::2" } else { "10.244.1.2" };
        range[0]["rangeStart"] = first.into();
        range[0]["rangeEnd"] = first.into();
    }
    node.configure(&conflist)?;
    let only = node.run(&pod("only", Vec::new()))?;
    table::at_rest()?;
    let before = Snapshot::take()?;
    let Err(Failure::Failed(text)) = node.run(&pod("another", Vec::new())) else {
        return Err(Failure::failed("a pod for which there is no address"));
    };
    ensure!(text.contains("no IP addresses available") || text.contains("no address"), "{text}");
    before.ensure_unchanged("a pod's sandbox failed")?;
    take_off(&node, &only)?;
    let again = node.run(&pod("again", Vec::new()))?;
    take_off(&node, &again)
}

fn twelve_pods_at_once(scene: Scene) -> Outcome {
    let room = Room::prepare()?;
    let node = node(&room, scene)?;
    let before = Snapshot::take()?;
    let names: Vec<u16> = (0..12).collect();
    let ids = parallel::each(6, &names, |number| {
        node.run(&pod(&format!("pod{number}"), vec![tcp(9000 + number, 80)]))
    })?;
    let mut addresses = Vec::new();
    for id in &ids {
        addresses.extend(node.status(id)?.addresses);
    }
    let given = addresses.len();
    addresses.sort_unstable();
    addresses.dedup();
    ensure_eq!((addresses.len(), given), (12 * scene.family.gateways().len(), given), "different addresses");
    parallel::each(6, &ids, |id| take_off(&node, id))?;
    ensure!(engine::namespaces()?.is_empty(), "namespaces of pods are left");
    before.ensure_unchanged("twelve pods came and went")
}
