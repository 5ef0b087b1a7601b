//! A pod reaches itself and its neighbours through a service, with and without `br_netfilter`, and nothing arrives twice.
//!
//! The service is what kube-proxy makes of one: a destination translated, and masqueraded where a pod would talk to
//! itself.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::process::tool;
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::subject::{Family, Subject};
use podnet_netns_tests::{ensure, ensure_eq};
use serde_json::json;

use crate::differences::{ANSWERS_PAST_TRANSLATION, NO_DUPLICATE_RULES, PROMISCUITY_ALONE, SHALLOW_CHECK};
use crate::table::{self, Scene, Test};

pub(crate) fn cases() -> Vec<Case> {
    let past = Some(&ANSWERS_PAST_TRANSLATION);
    let tests: &[Test] = &[
        ("veth_with_br_netfilter", |s| services(s, Mode::Veth, true), None),
        ("veth_without_br_netfilter", |s| services(s, Mode::Veth, false), past),
        ("promiscuous_with_br_netfilter", |s| services(s, Mode::Promiscuous, true), Some(&PROMISCUITY_ALONE)),
        ("promiscuous_without_br_netfilter", |s| services(s, Mode::Promiscuous, false), past),
        ("none_with_br_netfilter", |s| services(s, Mode::None, true), None),
        ("none_without_br_netfilter", |s| services(s, Mode::None, false), past),
        ("pings_come_once", pings_come_once, None),
        ("check_and_del_without_br_netfilter", check_and_del, None),
        ("check_finds_br_netfilter_gone", check_finds_br_netfilter_gone, Some(&SHALLOW_CHECK)),
        ("duplicates_rules_follow_the_gateway", duplicates_rules_follow, Some(&NO_DUPLICATE_RULES)),
        ("another_configuration_ends_promiscuity", another_configuration, Some(&NO_DUPLICATE_RULES)),
        ("check_finds_no_rules_against_duplicates", check_finds_duplicates, Some(&NO_DUPLICATE_RULES)),
    ];
    table::cases("hairpin", &[Family::Dual], tests)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Veth,
    Promiscuous,
    None,
}

impl Mode {
    fn network(self, scene: Scene) -> Result<Network, Failure> {
        let network = scene.network()?;
        Ok(match (scene.subject, self) {
            (Subject::Podnet, Self::Veth) => network.with("/hairpinMode", "hairpin-veth"),
            (Subject::Podnet, Self::Promiscuous) => network.with("/hairpinMode", "promiscuous-bridge"),
            (Subject::Podnet, Self::None) => network.with("/hairpinMode", "none"),
            (Subject::Reference, Self::Veth) => network.with("/hairpinMode", true),
            (Subject::Reference, Self::Promiscuous) => {
                network.with("/hairpinMode", false).with("/promiscMode", true)
            }
            (Subject::Reference, Self::None) => network.with("/hairpinMode", false),
        })
    }
}

fn br_netfilter(is_on: bool) -> Outcome {
    for name in ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"] {
        fs::write(format!("/proc/sys/net/bridge/{name}"), if is_on { "1" } else { "0" }).doing(name)?;
    }
    Ok(())
}

const PORT: u16 = 7777;

/// The service's address for a pod's.
fn service(pod: IpAddr) -> IpAddr {
    match pod {
        IpAddr::V4(_) => [10, 96, 0, 10].into(),
        IpAddr::V6(_) => [0xfd00, 0x96, 0, 0, 0, 0, 0, 0x10].into(),
    }
}

/// Leads the service to one pod.
fn lead_to(pod: &[IpAddr]) -> Outcome {
    let chain = |name: &str, hook: &str, rules: Vec<String>| {
        format!("chain {name} {{ type nat hook {hook}\n{}\n}}\n", rules.join("\n"))
    };
    let ip = |address: &IpAddr| if address.is_ipv4() { "ip" } else { "ip6" };
    let there = pod.iter().flat_map(|address| {
        let (ip, target, from) = (ip(address), SocketAddr::new(*address, PORT), service(*address));
        ["tcp", "udp"].map(|protocol| format!("{ip} daddr {from} {protocol} dport 80 dnat {ip} to {target}"))
    });
    let back = pod.iter().map(|address| {
        let ip = ip(address);
        format!("{ip} saddr {address} {ip} daddr {address} masquerade")
    });
    let there = chain("there", "prerouting priority -100", there.collect());
    let back = chain("back", "postrouting priority 100", back.collect());
    tool(&["nft", &format!("table inet service {{\n{there}{back}}}")]).map(drop)
}

fn services(scene: Scene, mode: Mode, is_filtered: bool) -> Outcome {
    br_netfilter(is_filtered)?;
    let network = mode.network(scene)?;
    table::settle(&network)?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    let of_a = network.add(&a)?.addresses()?;
    let of_b = network.add(&b)?.addresses()?;
    lead_to(&of_b)?;
    for (&client, &server) in of_a.iter().zip(&of_b) {
        let seen = through_service((&a.netns).into(), (&b.netns).into(), server)?;
        ensure!(!is_filtered || seen == client, "the neighbour sees {seen} instead of {client}");
    }
    // A port that sends nothing back to where it came from is what `none` asks for, and is in the way here.
    if mode == Mode::None && is_filtered {
        return Ok(());
    }
    for &own in &of_b {
        through_service((&b.netns).into(), (&b.netns).into(), own)?;
    }
    Ok(())
}

/// A datagram and a connection from `from` to the service of `server`, whose pod `to` is; gives the source it sees.
fn through_service(from: Place<'_>, to: Place<'_>, server: IpAddr) -> Result<IpAddr, Failure> {
    let what = format!("service {} from {from} to {to}", service(server));
    once(from, to, server).doing(format_args!("{what}, UDP"))?;
    let listener = to.inside(|| Ok(TcpListener::bind((server, PORT))?)).doing(&what)?;
    let target = SocketAddr::new(service(server), 80);
    let mut client = from
        .inside(|| Ok(TcpStream::connect_timeout(&target, Duration::from_secs(3))?))
        .doing(format_args!("{what}, TCP"))?;
    let (mut accepted, seen) = listener.accept()?;
    client.set_read_timeout(Some(Duration::from_secs(3)))?;
    accepted.set_read_timeout(Some(Duration::from_secs(3)))?;
    let mut word = [0; 5];
    client.write_all(b"there")?;
    accepted.read_exact(&mut word)?;
    accepted.write_all(b"back!")?;
    client.read_exact(&mut word)?;
    Ok(seen.ip())
}

/// A datagram there and one back, of which neither arrives twice.
fn once(from: Place<'_>, to: Place<'_>, server: IpAddr) -> Outcome {
    const PATIENCE: Duration = Duration::from_secs(6);
    let any: IpAddr = if server.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    let listener = to.inside(|| Ok(UdpSocket::bind((server, PORT))?))?;
    let client = from.inside(|| {
        let socket = UdpSocket::bind((any, 0))?;
        // Only the service's own answers count.
        socket.connect((service(server), 80))?;
        Ok(socket)
    })?;
    for socket in [&listener, &client] {
        socket.set_read_timeout(Some(Duration::from_millis(250)))?;
    }
    let end = Instant::now() + PATIENCE;
    let mut word = [0; 8];
    for number in 0_u64.. {
        client.send(&number.to_ne_bytes())?;
        let answered = receive(&listener, &mut word)?
            .map(|seen| listener.send_to(&word, seen))
            .transpose()?
            .map_or(Ok(None), |_| receive(&client, &mut [0; 8]))?;
        if answered.is_some() {
            ensure_eq!(u64::from_ne_bytes(word), number, "the datagram that arrived");
            ensure!(receive(&listener, &mut word)?.is_none(), "the question arrives twice");
            ensure!(receive(&client, &mut word)?.is_none(), "the answer arrives twice");
            return Ok(());
        }
        ensure!(Instant::now() < end, "no answer to {} datagrams", number + 1);
    }
    Ok(())
}

/// The next datagram's source; nothing where none comes.
fn receive(socket: &UdpSocket, word: &mut [u8; 8]) -> Result<Option<SocketAddr>, Failure> {
    match socket.recv_from(word) {
        Ok((_, from)) => Ok(Some(from)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn pings_come_once(scene: Scene) -> Outcome {
    let network = Mode::Promiscuous.network(scene)?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    network.add(&a)?;
    for target in network.add(&b)?.addresses()?.into_iter().chain(scene.family.gateways()) {
        let target = target.to_string();
        let ping =
            ["ip", "netns", "exec", a.netns.name(), "ping", "-c", "5", "-i", "0.2", "-W", "3", &target];
        let said = tool(&ping)?;
        ensure!(!said.contains("DUP"), "{said}");
        ensure!(said.contains("5 received"), "{said}");
    }
    Ok(())
}

fn check_and_del(scene: Scene) -> Outcome {
    br_netfilter(false)?;
    let network = scene.settled()?;
    let before = Snapshot::take()?;
    let pod = Pod::create("a")?;
    let added = network.add(&pod)?;
    network.check(&pod, &added)?;
    network.del(&pod, Some(&added))?;
    before.ensure_unchanged("DEL")
}

fn finds(network: &Network, pod: &Pod, added: &podnet_netns_tests::reply::Added, text: &str) -> Outcome {
    match network.check(pod, added) {
        Ok(()) => Err(Failure::failed(format!("CHECK does not find it: {text}"))),
        Err(Failure::Failed(found)) => {
            ensure!(found.contains(text), "{text:?} is not in {found}");
            Ok(())
        }
        Err(skipped) => Err(skipped),
    }
}

fn check_finds_br_netfilter_gone(scene: Scene) -> Outcome {
    br_netfilter(true)?;
    let network = scene.network()?;
    let pod = Pod::create("a")?;
    let added = network.add(&pod)?;
    network.check(&pod, &added)?;
    br_netfilter(false)?;
    finds(&network, &pod, &added, "services of neighbours for 10.244.1.2")
}

fn duplicates_rules() -> Result<String, Failure> {
    tool(&["nft", "list", "chain", "bridge", "podnet", "duplicates-cbr0"])
}

fn duplicates_rules_follow(scene: Scene) -> Outcome {
    let network = Mode::Promiscuous.network(scene)?;
    let pod = Pod::create("a")?;
    network.add(&pod)?;
    let link = crate::look::link(Place::Node, "cbr0")?;
    ensure!(crate::look::has_flag(&link, "PROMISC"), "not promiscuous: {link}");
    let mac = link["address"].as_str().unwrap_or_default();
    let sent = format!("ether saddr {mac} oifname \"veth*\"");
    let found = duplicates_rules()?;
    for rule in [
        "type filter hook output priority filter".to_owned(),
        format!("{sent} ip saddr 10.244.1.1 return"),
        format!("{sent} ip saddr 10.244.1.0/24 drop"),
        format!("{sent} ip6 saddr fd00:10:244:1::1 return"),
        format!("{sent} ip6 saddr fd00:10:244:1::/64 drop"),
    ] {
        ensure!(found.contains(&rule), "{rule} is not in {found}");
    }
    // Another subnet on the same bridge.
    let other = network
        .with("/ipam/ranges", json!([[{"subnet": "10.99.0.0/20"}]]))
        .with("/ipam/routes", json!([]))
        .with("/forceAddress", true);
    other.add(&Pod::create("b")?)?;
    let found = duplicates_rules()?;
    ensure!(found.contains("ip saddr 10.99.0.0/20 drop"), "no rule for the new subnet in {found}");
    ensure!(!found.contains("10.244.1."), "a rule for the old subnet in {found}");
    Ok(())
}

fn is_promiscuous() -> Result<bool, Failure> {
    Ok(crate::look::has_flag(&crate::look::link(Place::Node, "cbr0")?, "PROMISC"))
}

fn another_configuration(scene: Scene) -> Outcome {
    let promiscuous = Mode::Promiscuous.network(scene)?;
    promiscuous.add(&Pod::create("a")?)?;
    ensure!(is_promiscuous()?, "not promiscuous");
    duplicates_rules()?;
    let plain = Mode::Veth.network(scene)?;
    let pod = Pod::create("b")?;
    let added = plain.add(&pod)?;
    ensure!(!is_promiscuous()?, "still promiscuous");
    ensure!(duplicates_rules().is_err(), "still rules against duplicates");
    plain.check(&pod, &added)?;
    // And back.
    let pod = Pod::create("c")?;
    let added = promiscuous.add(&pod)?;
    promiscuous.check(&pod, &added)?;
    plain.add(&Pod::create("d")?)?;
    // Promiscuity that somebody else wants stays.
    Place::Node.ip(&["link", "set", "cbr0", "promisc", "on"])?;
    plain.add(&Pod::create("e")?)?;
    ensure!(is_promiscuous()?, "not promiscuous any more");
    Ok(())
}

fn check_finds_duplicates(scene: Scene) -> Outcome {
    let network = Mode::Promiscuous.network(scene)?;
    let pod = Pod::create("a")?;
    let added = network.add(&pod)?;
    network.check(&pod, &added)?;
    tool(&["nft", "delete", "table", "bridge", "podnet"])?;
    finds(&network, &pod, &added, "duplicates of bridge cbr0")
}
