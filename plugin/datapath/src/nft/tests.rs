//! The messages are those of `nft`, and the kernel's answers are understood.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;
use proptest::prelude::*;

use super::{
    element::{Element, Value},
    guard, host_ports,
    layout::{Chain, SCHEMA, TABLE},
    masquerade, message, reflections, segment, services, subnet_chain_name,
    table::{self, Map},
};
use crate::{
    Guard, HostPort, HostPorts, MacAddr, Owner, Segment, Station, Transport,
    netlink::{Reply, Request},
    nft::{Duplicates, PodRules, Uses},
};

/// The recorded messages by name.
fn golden() -> HashMap<&'static str, Vec<u8>> {
    let lines = include_str!("golden.txt").lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, hex)| (name, (0..hex.len()).step_by(2).map(|at| byte(&hex[at..at + 2])).collect()))
        .collect()
}

fn byte(digits: &str) -> u8 {
    u8::from_str_radix(digits, 16).unwrap()
}

/// Holds only if the request is this message, with no more and no less behind the netlink header.
fn assert_is(request: &Request, name: &str) {
    assert_eq!(format!("{:02x?}", request.body()), format!("{:02x?}", golden()[name]), "{name}");
}

fn nets<const N: usize>(texts: [&str; N]) -> [IpNet; N] {
    texts.map(|text| text.parse().unwrap())
}

fn subnets_of_golden() -> [IpNet; 2] {
    nets(["10.244.1.0/24", "fd00:244::/62"])
}

fn chains_of_golden() -> Vec<Chain> {
    let masquerade = masquerade::chains(subnets_of_golden());
    masquerade
        .chain(host_ports::chains(subnets_of_golden()))
        .chain(services::chains(subnets_of_golden()))
        .collect()
}

#[test]
fn table_and_maps_are_as_nft_makes_them() {
    assert_is(&TABLE.ensure(SCHEMA), "add table");
    for maps in [&masquerade::MAPS[..], &host_ports::MAPS[..], &services::MAPS[..]] {
        for (map, id) in maps.iter().zip(1..) {
            assert_is(&TABLE.ensure_map(*map, id), &format!("add map {}", map.name));
        }
    }
}

#[test]
fn chains_and_rules_are_as_nft_makes_them() {
    let chains = chains_of_golden();
    let is_of_pods = |name: &&&str| name.starts_with("add chain") && !name.contains("duplicates");
    assert_eq!(chains.len(), golden().keys().filter(is_of_pods).count());
    for chain in chains {
        let changes = chain.fill();
        assert_is(&changes[0], &format!("add chain {}", chain.name));
        let rules = &changes[2..];
        assert_eq!(rules.len(), chain.rules.len());
        for (number, rule) in rules.iter().enumerate() {
            assert_is(rule, &format!("add rule {} {number}", chain.name));
        }
    }
    assert_is(&TABLE.flush("masq-10.244.1.0-24"), "flush masq-10.244.1.0-24");
}

#[test]
fn a_chain_is_emptied_before_it_is_filled_and_there_before_it_is_jumped_to() {
    let chains = chains_of_golden();
    for chain in &chains {
        let changes = chain.fill();
        assert_eq!(changes[1].what(), format!("empty chain {}", chain.name));
        assert!(changes[2..].iter().all(|change| change.what().starts_with("add rule")));
    }
    let place = |name| chains.iter().position(|chain| chain.name == name).unwrap();
    assert!(place(host_ports::LOOK_UP) < place("hostports-prerouting").min(place("hostports-output")));
}

fn port(transport: Transport, host_ip: Option<&str>, port: u16, pod: &str, pod_port: u16) -> HostPort {
    let host_ip = host_ip.map(|ip| ip.parse().unwrap());
    HostPort { transport, host_ip, port, pod: pod.parse().unwrap(), pod_port }
}

fn ports_of_golden() -> [HostPort; 4] {
    [
        port(Transport::Tcp, None, 8080, "10.244.1.5/24", 80),
        port(Transport::Tcp, None, 8080, "fd00:244::5/62", 80),
        port(Transport::Udp, Some("127.0.0.1"), 53, "10.244.1.5/24", 5353),
        port(Transport::Udp, Some("2001:db8::1"), 53, "fd00:244::5/62", 5353),
    ]
}

#[test]
fn elements_are_as_nft_makes_and_deletes_them() {
    let masqueraded = nets(["10.244.1.5/24", "fd00:244::5/62"]);
    let of_addresses = masqueraded.iter().flat_map(|address| {
        [masquerade::element(*address, "OWNER ALIAS"), services::element(*address, "OWNER ALIAS")]
    });
    let ports = ports_of_golden();
    let of_ports =
        ports.iter().flat_map(|port| host_ports::elements(port, Some(port.pod.trunc()), "OWNER ALIAS"));
    let mut by_map: HashMap<&str, (Map, Vec<Element>)> = HashMap::new();
    for (map, element) in of_addresses.chain(of_ports) {
        by_map.entry(map.name).or_insert((map, Vec::new())).1.push(element);
    }
    assert_eq!(by_map.len(), 10);
    for (name, (map, elements)) in by_map {
        if name != "hairpin6" {
            assert_is(&TABLE.add(map, &[&elements[0]]), &format!("add elements {name}"));
        }
        if ["masq4", "hostports4"].contains(&name) {
            assert_is(&TABLE.delete(map, &[&elements[0].key]), &format!("delete elements {name}"));
        }
    }
}

#[test]
fn rules_against_duplicates_are_as_nft_makes_them() {
    let bridge = "cbr0".parse().unwrap();
    let mac = MacAddr::new([0x0a, 0x58, 0x0a, 0xf4, 0x01, 0x01]);
    let gateways = nets(["10.244.1.1/24", "fd00:244::1/62"]);
    let fill = Duplicates { bridge: &bridge, mac, gateways: &gateways }.fill();
    let names = ["add table bridge", "add chain duplicates-cbr0", "flush duplicates-cbr0"];
    let rules = (0..4).map(|number| format!("add rule duplicates-cbr0 {number}"));
    let names: Vec<_> = names.map(str::to_owned).into_iter().chain(rules).collect();
    assert_eq!(fill.len(), names.len());
    for (request, name) in fill.iter().zip(&names) {
        assert_is(request, name);
    }
}

#[test]
fn answers_of_the_kernel_are_understood() {
    let mut golden = golden();
    let mut answer = |name| Reply { kind: 0, body: golden.remove(name).unwrap() };
    assert_eq!(table::table_comment(&answer("answer table")), Some(SCHEMA));
    assert_eq!(table::rule_comment(&answer("answer rule")), Some("masqueraded IPv4 pods"));
    let found: Vec<_> = Element::read_all(message::attributes(&answer("answer element"))).collect();
    let owner = Owner::new("kubenet", "one", "eth0");
    let [address] = nets(["10.244.1.5/24"]);
    assert_eq!(found, [masquerade::element(address, &owner.alias()).1]);
}

#[test]
fn rules_of_a_chain_are_told_apart_by_their_comments() {
    for chain in chains_of_golden() {
        let comments: BTreeSet<_> = chain.rules.iter().map(|rule| &rule.comment).collect();
        assert_eq!(comments.len(), chain.rules.len(), "{}", chain.name);
    }
}

#[test]
fn a_port_is_read_from_its_element_and_a_way_back_is_none() {
    for port in ports_of_golden() {
        let elements: Vec<_> = host_ports::elements(&port, Some(port.pod.trunc()), "x").collect();
        let [(map, there), (back_map, back)] = &elements[..] else { panic!("{elements:?}") };
        let read = host_ports::node_port(*map, &there.key).unwrap();
        assert_eq!((read.transport, read.host_ip, read.port), (port.transport, port.host_ip, port.port));
        assert_eq!(read.is_ipv4, port.pod.addr().is_ipv4());
        assert_eq!(host_ports::node_port(*back_map, &back.key), None);
        let words = format!("way back from {} for host port {}", port.pod.addr(), port.port);
        assert_eq!(host_ports::describe(*back_map, &back.key), words);
    }
    let texts: Vec<_> = ports_of_golden()
        .iter()
        .map(|port| host_ports::elements(port, None, "x").next().unwrap())
        .map(|(map, element)| host_ports::describe(map, &element.key))
        .collect();
    let wanted = [
        "host port 8080/tcp of IPv4",
        "host port 8080/tcp of IPv6",
        "host port 53/udp of 127.0.0.1",
        "host port 53/udp of 2001:db8::1",
    ];
    assert_eq!(texts, wanted);
}

#[test]
fn without_snat_a_port_has_no_way_back() {
    for port in ports_of_golden() {
        assert_eq!(host_ports::elements(&port, None, "x").count(), 1);
    }
}

#[test]
fn one_port_of_two_addresses_has_one_way_back() {
    let twice = ["192.0.2.1", "192.0.2.2"].map(|ip| port(Transport::Tcp, Some(ip), 80, "10.244.1.5/24", 80));
    let host_ports = HostPorts { ports: twice.into(), snat: true };
    let rules = PodRules::new(
        &Owner::new("net", "one", "eth0"),
        &Uses {
            addresses: &[],
            masqueraded: &[],
            unfiltered: &[],
            host_ports: &host_ports,
            is_routed: false,
            guard: Guard::default(),
            station: None,
            segment: None,
        },
    );
    assert_eq!(rules.len(), 3);
}

#[test]
fn a_routed_pod_answers_all_but_loopback_addresses_by_itself() {
    let addresses = nets(["10.224.1.5/16", "fd00:224::5/64"]);
    let ports = ["10.224.1.5/16", "fd00:224::5/64"].map(|pod| port(Transport::Tcp, None, 80, pod, 80));
    let host_ports = HostPorts { ports: ports.into(), snat: true };
    let (guard, owner) = (Guard::default(), Owner::new("net", "one", "eth0"));
    let uses = Uses {
        addresses: &addresses,
        masqueraded: &[],
        unfiltered: &[],
        host_ports: &host_ports,
        is_routed: true,
        guard,
        station: None,
        segment: None,
    };
    let helped = |port| host_ports::helped(port, true, false).map(host_ports::chain_name);
    let chains: Vec<_> = host_ports.ports.iter().map(helped).collect();
    assert_eq!(chains, [Some("hairpin-127.0.0.0-8".to_owned()), None]);
    // Both ports, the way back to 127.0.0.1, and both addresses' way to themselves.
    assert_eq!(PodRules::new(&owner, &uses).len(), 5);
}

/// The kernel would look through all pods' elements with each (`Values::Verdicts`).
#[test]
fn no_element_of_a_routed_pod_jumps() {
    let addresses = nets(["10.224.1.5/16", "fd00:224::5/64"]);
    let mac = MacAddr::new([0x0a, 0x58, 0x0a, 0xe0, 1, 5]);
    let station = Station { links: vec!["azv1".parse().unwrap()], mac, is_bridged: false };
    let senders = guard::senders(&station, &addresses, "OWNER ALIAS");
    let reflections = addresses.map(|address| reflections::element(address, "OWNER ALIAS"));
    let blocks =
        guard::blocks(TABLE, Guard { wireserver: true, imds: true, ..Guard::default() }, &addresses, "x");
    let elements: Vec<_> = senders.into_iter().chain(reflections).chain(blocks).collect();
    assert_eq!(elements.len(), 11);
    assert!(!elements.iter().any(|(_, element)| matches!(element.value, Value::Jump(_))), "{elements:?}");
}

#[test]
fn a_pod_on_the_network_is_found_by_every_address_it_is_asked_for_by() {
    let addresses = nets(["10.224.1.5/16", "fd00:224::5/64"]);
    let segment = Segment {
        links: vec!["azv1".parse().unwrap(), "azv2".parse().unwrap()],
        mac: MacAddr::new([0x0a, 0x58, 0x0a, 0xe0, 1, 5]),
        node: Some(MacAddr::new([0, 0x0d, 0x3a, 0, 0, 1])),
        diverted: vec!["169.254.20.10".parse().unwrap()],
    };
    let elements = segment::elements(&segment, &addresses, "OWNER ALIAS");
    let texts: Vec<_> = elements.iter().filter_map(|(map, it)| segment::describe(*map, &it.key)).collect();
    assert_eq!(
        texts,
        [
            "port of the bridge",
            "port of the bridge",
            "way on the bridge to 10.224.1.5",
            "way on the bridge to fd00:224::5",
            "way on the bridge to fe80::858:aff:fee0:105",
            "announcements of 10.224.1.5",
            "way by the node for 10.224.1.5",
        ]
    );
    let stations = elements.iter().filter(|(map, _)| segment::STATIONS.contains(map));
    let stations = stations.filter_map(|(_, it)| segment::station(it));
    let stations: Vec<_> = stations.map(|(address, mac)| (address.to_string(), mac)).collect();
    let expected = ["10.224.1.5", "fd00:224::5", "fe80::858:aff:fee0:105"];
    assert_eq!(stations, expected.map(|address| (address.to_owned(), segment.mac)));
}

#[test]
fn pods_on_the_network_answer_past_the_node_unless_the_bridge_is_filtered() {
    let ports = ["10.224.1.5/16", "fd00:224::5/64"].map(|pod| port(Transport::Tcp, None, 80, pod, 80));
    let helped = |port, is_past_all| host_ports::helped(port, false, is_past_all).map(host_ports::chain_name);
    let chains = |is_past_all| ports.each_ref().map(|port| helped(port, is_past_all).unwrap());
    assert_eq!(chains(false), ["hairpin-10.224.0.0-16", "hairpin-fd00_224__-64"]);
    assert_eq!(chains(true), ["hairpin-0.0.0.0-0", "hairpin-__-0"]);
}

fn any_subnet() -> impl Strategy<Value = IpNet> {
    let net = |(address, length)| IpNet::new(address, length).unwrap().trunc();
    let v4 = (any::<[u8; 4]>(), 0_u8..=32).prop_map(move |(octets, length)| net((octets.into(), length)));
    // Many zeros, so that addresses are written with "::" at every place.
    let groups = prop::array::uniform8(prop_oneof![Just(0_u16), any::<u16>()]);
    let v6 = (groups, 0_u8..=128).prop_map(move |(groups, length)| net((IpAddr::from(groups), length)));
    prop_oneof![v4, v6]
}

proptest! {
    #[test]
    fn a_chain_name_can_be_typed_into_nft_and_stands_for_one_subnet(a in any_subnet(), b in any_subnet()) {
        let (name, other) = (subnet_chain_name("hairpin", a), subnet_chain_name("hairpin", b));
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
        prop_assert!(name.starts_with("hairpin-") && name.chars().all(is_allowed), "{name}");
        prop_assert!(name.len() < 64, "{name}");
        prop_assert_eq!(a == b, name == other);
    }

    #[test]
    fn any_key_can_be_described(key: Vec<u8>) {
        for map in host_ports::MAPS {
            prop_assert!(host_ports::describe(map, &key).contains("host port"));
        }
        prop_assert!(masquerade::describe(&key).starts_with("masquerade"));
        for map in segment::MAPS {
            prop_assert!(segment::describe(map, &key).is_some());
        }
    }
}
