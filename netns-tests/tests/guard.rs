//! What a pod is kept from: other senders' addresses, and the cloud's services for nodes.
//!
//! That something is dropped is seen at the receiver, by what arrives behind it.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::node::OtherNode;
use podnet_netns_tests::process::tool;
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::subject::{Family, Subject};
use podnet_netns_tests::{ensure, ensure_eq, probe, wait};

use crate::differences::{NO_GUARD, SHALLOW_CHECK};
use crate::table::{self, Scene, Test};

pub(crate) fn cases() -> Vec<Case> {
    let none = Some(&NO_GUARD);
    let tests: &[Test] = &[
        ("own_addresses_pass", own_addresses_pass, None),
        ("a_foreign_source_is_dropped", foreign_source, none),
        ("a_neighbours_source_is_dropped", neighbours_source, none),
        ("another_ethernet_address_is_dropped", other_station, none),
        ("a_pod_answers_for_nobody_else", answers_for_others, none),
        ("wireserver_is_closed_but_for_dns", wireserver, none),
        ("instance_metadata_is_closed", instance_metadata, none),
        ("check_and_del", check_and_del, Some(&SHALLOW_CHECK)),
    ];
    table::cases("guard", &[Family::Dual], tests)
}

const SOON: Duration = Duration::from_secs(5);

fn guarded(scene: Scene, members: &[&str]) -> Result<Network, Failure> {
    let network = scene.network()?;
    Ok(match scene.subject {
        Subject::Podnet => {
            members.iter().fold(network, |network, member| network.with(&format!("/{member}"), true))
        }
        Subject::Reference => network,
    })
}

/// Two pods that are held to their addresses.
fn pods(scene: Scene) -> Result<[(Pod, Vec<IpAddr>); 2], Failure> {
    let network = guarded(scene, &["antiSpoofing"])?;
    table::settle(&network)?;
    let pod = |name| {
        let pod = Pod::create(name)?;
        let addresses = network.add(&pod)?.addresses()?;
        Ok::<_, Failure>((pod, addresses))
    };
    Ok([pod("a")?, pod("b")?])
}

fn own_addresses_pass(scene: Scene) -> Outcome {
    let [(a, from), (b, to)] = pods(scene)?;
    for (&source, &target) in from.iter().zip(&to) {
        ensure_eq!(probe::first_packet((&a.netns).into(), (&b.netns).into(), target)?, source, "source");
    }
    for gateway in scene.family.gateways() {
        probe::first_packet((&a.netns).into(), Place::Node, gateway)?;
    }
    Ok(())
}

/// Of a datagram from each source, one behind the other, only the last arrives.
pub(crate) fn only_the_last_arrives(
    from: &Pod,
    sources: [IpAddr; 2],
    to: Place<'_>,
    target: IpAddr,
) -> Outcome {
    let what = format!("datagrams from {sources:?} to {target}");
    let server = to.inside(|| Ok(UdpSocket::bind((target, 0))?)).doing(&what)?;
    server.set_read_timeout(Some(SOON))?;
    let port = server.local_addr()?.port();
    for source in sources {
        let client = Place::from(&from.netns).inside(|| Ok(UdpSocket::bind((source, 0))?)).doing(&what)?;
        client.send_to(b"there", (target, port)).doing(&what)?;
    }
    let (_, seen) = server.recv_from(&mut [0; 8]).doing(&what)?;
    ensure_eq!(seen.ip(), sources[1], "{what}: the first to arrive");
    Ok(())
}

/// Gives the pod an address that is not its own.
fn claim(pod: &Pod, address: IpAddr) -> Outcome {
    let address = if address.is_ipv4() { format!("{address}/24") } else { format!("{address}/64") };
    Place::from(&pod.netns).ip(&["addr", "add", &address, "dev", "eth0", "nodad"]).map(drop)
}

fn is_refused_as_source(scene: Scene, claimed: impl Fn(&[IpAddr]) -> [IpAddr; 2]) -> Outcome {
    let [(a, own), (b, neighbour)] = pods(scene)?;
    let claimed = claimed(&neighbour);
    for (foreign, (own, target)) in claimed.into_iter().zip(own.iter().zip(&neighbour)) {
        // Known before the first packet, so that it does not wait for the answer of neighbour discovery.
        probe::reach((&a.netns).into(), (&b.netns).into(), *target, SOON)?;
        claim(&a, foreign)?;
        if foreign != *target {
            only_the_last_arrives(&a, [foreign, *own], (&b.netns).into(), *target)?;
        }
    }
    for (foreign, (own, gateway)) in claimed.into_iter().zip(own.iter().zip(scene.family.gateways())) {
        only_the_last_arrives(&a, [foreign, *own], Place::Node, gateway)?;
    }
    Ok(())
}

fn foreign_source(scene: Scene) -> Outcome {
    is_refused_as_source(scene, |_| {
        ["10.244.1.200".parse(), "fd00:10:244:1::200".parse()].map(Result::unwrap)
    })
}

fn neighbours_source(scene: Scene) -> Outcome {
    is_refused_as_source(scene, |neighbour| [neighbour[0], neighbour[1]])
}

fn other_station(scene: Scene) -> Outcome {
    let [(a, _), (b, to)] = pods(scene)?;
    let eth0 =
        |address: &str| Place::from(&a.netns).ip(&["link", "set", "eth0", "address", address]).map(drop);
    let own =
        crate::look::link((&a.netns).into(), "eth0")?["address"].as_str().unwrap_or_default().to_owned();
    probe::reach((&a.netns).into(), (&b.netns).into(), to[0], SOON)?;
    eth0("02:00:00:00:00:01")?;
    let passed = probe::first_packet((&a.netns).into(), (&b.netns).into(), to[0]);
    ensure!(passed.is_err(), "a frame from another Ethernet address passes");
    eth0(&own)?;
    probe::reach((&a.netns).into(), (&b.netns).into(), to[0], SOON).map(drop)
}

/// Who an address is, for the pod: its entry in the neighbour table.
fn resolved(pod: &Pod, address: IpAddr) -> Result<String, Failure> {
    let entry = Place::from(&pod.netns).ip(&["neigh", "show", "to", &address.to_string(), "dev", "eth0"])?;
    let mut words = entry.split_whitespace().skip_while(|word| *word != "lladdr");
    Ok(words.nth(1).unwrap_or_default().to_owned())
}

fn answers_for_others(scene: Scene) -> Outcome {
    let [(a, own), (b, _)] = pods(scene)?;
    for (own, gateway) in own.iter().zip(scene.family.gateways()) {
        probe::reach((&b.netns).into(), Place::Node, gateway, SOON)?;
        let before = resolved(&b, gateway)?;
        ensure!(!before.is_empty(), "{gateway} is not resolved");
        claim(&a, gateway)?;
        // The kernel says itself who it is: in the request for the neighbour's address, and to those that ask.
        Place::from(&b.netns).ip(&["neigh", "flush", "dev", "eth0"])?;
        let target = wait::until(SOON, format!("{gateway} reached"), || {
            let _fails_while_nobody_answers = probe::first_packet((&b.netns).into(), Place::Node, gateway);
            Ok(Some(resolved(&b, gateway)?).filter(|entry| !entry.is_empty()))
        })?;
        ensure_eq!(target, before, "who {gateway} is, to the neighbour of {own}");
    }
    Ok(())
}

/// Serves an address on the other node, and says whether a connection from the pod to its port arrives.
pub(crate) fn arrives(pod: &Pod, other: &OtherNode, target: SocketAddr) -> Result<bool, Failure> {
    let _listener = other.place().inside(|| Ok(TcpListener::bind(target)?)).doing(target)?;
    let reach = |place: Place<'_>| {
        place.inside(|| Ok(TcpStream::connect_timeout(&target, Duration::from_secs(1)).is_ok()))
    };
    ensure!(reach(Place::Node)?, "the node itself does not reach {target}");
    reach((&pod.netns).into())
}

fn wireserver(scene: Scene) -> Outcome {
    let other = OtherNode::create(scene.family)?;
    other.serve("168.63.129.16")?;
    let pod = Pod::create("a")?;
    guarded(scene, &["blockWireserver"])?.add(&pod)?;
    for (port, is_open) in [(53, true), (80, false), (32526, false), (443, true)] {
        let found = arrives(&pod, &other, SocketAddr::new([168, 63, 129, 16].into(), port))?;
        ensure_eq!(found, is_open, "TCP port {port} of the wireserver is open");
    }
    Ok(())
}

fn instance_metadata(scene: Scene) -> Outcome {
    let other = OtherNode::create(scene.family)?;
    other.serve("169.254.169.254")?;
    let (open, closed) = (Pod::create("open")?, Pod::create("closed")?);
    guarded(scene, &["blockWireserver"])?.add(&open)?;
    guarded(scene, &["blockIMDS"])?.add(&closed)?;
    let metadata = SocketAddr::new([169, 254, 169, 254].into(), 80);
    ensure!(arrives(&open, &other, metadata)?, "a pod that may reach the metadata does not");
    ensure!(!arrives(&closed, &other, metadata)?, "a pod reaches the instance metadata");
    Ok(())
}

fn check_and_del(scene: Scene) -> Outcome {
    let network = guarded(scene, &["antiSpoofing", "blockWireserver", "blockIMDS"])?;
    table::settle(&network)?;
    let before = Snapshot::take()?;
    let pod = Pod::create("a")?;
    let added = network.add(&pod)?;
    network.check(&pod, &added)?;
    for map in ["bridge podnet senders6", "inet podnet wireserver"] {
        tool(&["nft", &format!("flush map {map}")])?;
    }
    match network.check(&pod, &added) {
        Err(Failure::Failed(found)) => {
            for words in ["sender fe80::", "sender fd00:", "closed wireserver for 10.244.1."] {
                ensure!(found.contains(words), "{words:?} is not in {found}");
            }
        }
        found => ensure!(false, "CHECK of a pod without its guard: {found:?}"),
    }
    network.del(&pod, Some(&added))?;
    before.ensure_unchanged("DEL")
}
