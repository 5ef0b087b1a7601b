//! podman runs containers on the subject's network, with published ports, and takes them off again.

use std::net::IpAddr;
use std::time::Duration;

use podnet_netns_tests::engine::podman::Podman;
use podnet_netns_tests::engine::{self, Room};
use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::netns::{Netns, Place};
use podnet_netns_tests::node::OtherNode;
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::{ensure, ensure_eq, probe};
use serde_json::{Value, json};

use crate::look;
use crate::runtime;
use crate::server::Server;
use crate::table::{self, Scene};

pub(crate) fn cases() -> Vec<Case> {
    table::with_limit(
        Duration::from_mins(3),
        "podman",
        &[Family::V4, Family::Dual],
        &[
            ("published_ports", published_ports, None),
            ("asked_addresses", asked_addresses, None),
            ("neighbours", neighbours, None),
            ("podmans_own_network", podmans_own_network, None),
        ],
    )
}

/// podman with the subject's network, on which a first container has come and gone.
fn podman(room: &Room, scene: Scene) -> Result<Podman, Failure> {
    let podman = Podman::prepare(room, &runtime::plugins(room, scene)?, &runtime::conflist(scene)?)?;
    settle(&podman)?;
    Ok(podman)
}

fn settle(podman: &Podman) -> Outcome {
    podman.start("first", &["--publish", "1:1"], &[])?;
    table::at_rest()?;
    podman.call(&["rm", "--force", "--time", "0", "first"]).map(drop)
}

fn published_ports(scene: Scene) -> Outcome {
    let other = OtherNode::create(scene.family)?;
    let room = Room::prepare()?;
    let podman = podman(&room, scene)?;
    let before = Snapshot::take()?;
    let ports = ["8080:80", "5353:53/udp", "7000-7003:7000-7003", "127.0.0.1:9090:80"];
    let options: Vec<&str> = ports.into_iter().flat_map(|port| ["--publish", port]).collect();
    podman.start("web", &options, &["httpd", "-f", "-p", "81"])?;

    let netns = Netns::of_others(&podman.namespace_of("web")?)?;
    let seen = podman.network_of("web")?;
    let addresses = addresses_in(&seen)?;
    let link = look::link((&netns).into(), "eth0")?;
    ensure_eq!(look::addresses(&link).len(), addresses.len(), "number of addresses of {link}");
    ensure_eq!(seen["MacAddress"], link["address"], "hardware address in {seen}");
    for (address, uplink) in addresses.into_iter().zip(other.masquerade_addresses()?) {
        let start = |port: u16, is_udp| Server::start(&netns, (address, port).into(), is_udp);
        let web = start(80, false)?;
        web.asked(other.place(), (uplink, 8080).into())?;
        web.asked(Place::Node, (uplink, 8080).into())?;
        start(53, true)?.asked(other.place(), (uplink, 5353).into())?;
        for port in 7000..7004 {
            start(port, false)?.asked(other.place(), (uplink, port).into())?;
        }
        if address.is_ipv4() {
            web.asked(Place::Node, ([127, 0, 0, 1], 9090).into())?;
        }
        ensure!(web.asked(other.place(), (uplink, 9090).into()).is_err(), "9090 is open on {uplink}");
    }
    podman.call(&["stop", "--time", "0", "web"])?;
    before.ensure_unchanged("podman stop")?;
    podman.call(&["start", "web"])?;
    podman.call(&["rm", "--force", "--time", "0", "web"])?;
    ensure_eq!(engine::namespaces()?, [other.place().to_string()], "namespaces");
    before.ensure_unchanged("podman rm")
}

/// podman asks by `CNI_ARGS`.
fn asked_addresses(scene: Scene) -> Outcome {
    let room = Room::prepare()?;
    let podman = podman(&room, scene)?;
    let before = Snapshot::take()?;
    let (address, mac) = ("10.244.1.77", "02:11:22:33:44:55");
    podman.start("asked", &["--ip", address, "--mac-address", mac], &[])?;
    let netns = Netns::of_others(&podman.namespace_of("asked")?)?;
    let link = look::link((&netns).into(), "eth0")?;
    ensure_eq!(look::addresses(&link).first().map(String::as_str), Some("10.244.1.77/24"), "address");
    ensure_eq!(link["address"], json!(mac), "hardware address of {link}");
    let seen = podman.network_of("asked")?;
    ensure_eq!((&seen["IPAddress"], &seen["MacAddress"]), (&json!(address), &json!(mac)), "in {seen}");

    let again = podman.try_to_start("again", &["--ip", address], &[])?;
    ensure!(!again.status.success(), "an address was given twice: {again}");
    ensure!(again.stderr.contains(address), "{address} is not in {again}");
    podman.call(&["rm", "--force", "--time", "0", "--all"])?;
    before.ensure_unchanged("podman rm")
}

fn neighbours(scene: Scene) -> Outcome {
    let room = Room::prepare()?;
    let podman = podman(&room, scene)?;
    let before = Snapshot::take()?;
    for name in ["a", "b"] {
        podman.start(name, &[], &[])?;
    }
    let [a, b] = [podman.namespace_of("a")?, podman.namespace_of("b")?].map(|path| Netns::of_others(&path));
    let (a, b) = (a?, b?);
    for address in addresses_in(&podman.network_of("b")?)? {
        probe::reach((&a).into(), (&b).into(), address, Duration::from_secs(8))?;
        podman.call(&["exec", "a", "ping", "-c", "1", "-W", "2", &address.to_string()])?;
    }
    podman.call(&["rm", "--force", "--time", "0", "a", "b"])?;
    before.ensure_unchanged("podman rm")
}

/// What `podman network create` writes asks for `bridge`, `host-local`, `portmap`, `firewall` and `tuning`.
fn podmans_own_network(scene: Scene) -> Outcome {
    let other = OtherNode::create(scene.family)?;
    let room = Room::prepare()?;
    let mut podman = podman(&room, scene)?;
    let mut options = vec!["--subnet", "10.92.7.0/24"];
    if scene.family.has_v6() {
        options.extend(["--ipv6", "--subnet", "fd00:92:7::/64"]);
    }
    podman.create_network("own", &options)?;
    settle(&podman)?;
    let before = Snapshot::take()?;
    podman.start("web", &["--publish", "8080:80"], &[])?;
    podman.start("client", &[], &[])?;
    let netns = Netns::of_others(&podman.namespace_of("web")?)?;
    let client = Netns::of_others(&podman.namespace_of("client")?)?;
    for (address, uplink) in
        addresses_in(&podman.network_of("web")?)?.into_iter().zip(other.masquerade_addresses()?)
    {
        let web = Server::start(&netns, (address, 80).into(), false)?;
        web.asked_at_first(other.place(), (uplink, 8080).into())?;
        web.asked(Place::Node, (uplink, 8080).into())?;
        web.asked((&client).into(), (address, 80).into())?;
    }
    // podman's networks are masqueraded.
    for (outside, node) in other.pod_addresses()?.into_iter().zip(other.masquerade_addresses()?) {
        let seen = probe::reach((&client).into(), other.place(), outside, Duration::from_secs(8))?;
        ensure_eq!(seen, node, "address that the outside sees");
    }
    podman.call(&["rm", "--force", "--time", "0", "web", "client"])?;
    before.ensure_unchanged("podman rm")
}

/// The container's addresses, as podman read them from the result.
fn addresses_in(network: &Value) -> Result<Vec<IpAddr>, Failure> {
    let texts = ["IPAddress", "GlobalIPv6Address"].into_iter().filter_map(|member| network[member].as_str());
    let addresses = texts.filter(|text| !text.is_empty()).map(|text| text.parse::<IpAddr>().doing(text));
    let addresses: Vec<_> = addresses.collect::<Result<_, _>>()?;
    ensure!(!addresses.is_empty(), "no address in {network}");
    Ok(addresses)
}
