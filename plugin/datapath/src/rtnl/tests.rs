//! What is written can be read, and whatever is read cannot break the reader.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{
        AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoBridgePort, InfoKind, InfoPortData, InfoPortKind,
        LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
    },
};
use proptest::prelude::*;

use super::{
    address,
    link::{Link, Port},
    route,
};
use crate::{
    MacAddr, Route,
    netlink::{Reply, Request},
};

const NEW_LINK: u16 = 16;

fn reply(message: LinkMessage) -> Reply {
    let request = Request::route("", 0, &RouteNetlinkMessage::NewLink(message));
    Reply { kind: NEW_LINK, body: request.body().to_vec() }
}

#[test]
fn a_bridge_port_is_read_whole() {
    let mut message = LinkMessage::default();
    message.header.index = 7;
    message.header.flags = LinkFlags::Up | LinkFlags::LowerUp | LinkFlags::Running;
    message.attributes = vec![
        LinkAttribute::IfName("veth0".to_owned()),
        LinkAttribute::Mtu(1450),
        LinkAttribute::Address(vec![2, 0, 0, 0, 0, 7]),
        LinkAttribute::Link(3),
        LinkAttribute::LinkNetNsId(5),
        LinkAttribute::Controller(4),
        LinkAttribute::IfAlias("whose".to_owned()),
        LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(
            In6AddrGenMode::Eui64,
        )])]),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::PortKind(InfoPortKind::Bridge),
            LinkInfo::PortData(InfoPortData::BridgePort(vec![
                InfoBridgePort::State(3.into()),
                InfoBridgePort::HairpinMode(true),
            ])),
        ]),
    ];
    let expected = Link {
        index: 7,
        name: "veth0".to_owned(),
        is_up: true,
        is_running: true,
        is_promiscuous: false,
        mtu: 1450,
        mac: Some(MacAddr::new([2, 0, 0, 0, 0, 7])),
        peer: Some(3),
        peer_netns: Some(5),
        master: Some(4),
        alias: Some("whose".to_owned()),
        kind: Some("veth".to_owned()),
        port: Port { is_forwarding: true, hairpin: true, isolated: false },
        makes_link_local: true,
    };
    assert_eq!(Link::parse(&reply(message)), Some(expected));
}

#[test]
fn a_blocking_port_without_hairpin_is_told() {
    let mut message = LinkMessage::default();
    message.attributes = vec![LinkAttribute::LinkInfo(vec![
        LinkInfo::PortKind(InfoPortKind::Bridge),
        LinkInfo::PortData(InfoPortData::BridgePort(vec![
            InfoBridgePort::State(4.into()),
            InfoBridgePort::HairpinMode(false),
        ])),
    ])];
    let link = Link::parse(&reply(message)).unwrap();
    assert_eq!((link.is_up, link.port, link.kind), (false, Port::default(), None));
}

#[test]
fn a_wish_is_met_only_by_its_own_route() {
    let wanted = Route {
        protocol: None,
        dst: "10.0.0.0/8".parse().unwrap(),
        source: None,
        via: Some(IpAddr::from([10, 0, 0, 1])),
        mtu: Some(1400),
        advmss: Some(1360),
        priority: Some(5),
        table: Some(300),
        scope: None,
    };
    let installed = route::parse(route::add(9, &wanted).body()).unwrap();
    assert_eq!(installed.link, 9);
    assert!(installed.satisfies(&wanted));
    for other in [
        Route { dst: "10.0.0.0/9".parse().unwrap(), ..wanted.clone() },
        Route { via: None, ..wanted.clone() },
        Route { mtu: Some(1401), ..wanted.clone() },
        Route { advmss: Some(1), ..wanted.clone() },
        Route { priority: None, ..wanted.clone() },
        Route { table: Some(254), ..wanted.clone() },
        Route { scope: Some(253), ..wanted.clone() },
        Route { protocol: Some(Route::STATIC), ..wanted.clone() },
    ] {
        assert!(!installed.satisfies(&other), "{other}");
    }
    assert!(installed.satisfies(&Route { mtu: None, advmss: None, table: None, ..wanted }));
}

#[test]
fn a_default_route_of_several_next_hops_leaves_by_the_first() {
    // rtmsg of family 2, table main; RTA_MULTIPATH with hops over links 6 and 7.
    let body = [
        &[2, 0, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0][..],
        &[20, 0, 9, 0],
        &[8, 0, 0, 0, 6, 0, 0, 0],
        &[8, 0, 0, 0, 7, 0, 0, 0],
    ]
    .concat();
    let installed = route::parse(&body).unwrap();
    assert!(installed.is_main_default());
    assert_eq!((installed.link, installed.route.via), (6, None));
}

#[test]
fn the_next_hop_is_found_wherever_the_kernel_says_it() {
    let header = [2, 24, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0];
    let to = [8, 0, 1, 0, 10, 9, 9, 0];
    let over = [8, 0, 4, 0, 6, 0, 0, 0];
    let via = |body: &[&[u8]]| route::parse(&body.concat()).unwrap().route.via.map(|via| via.to_string());
    // RTA_MULTIPATH of one hop over link 6 with an RTA_GATEWAY, and RTA_VIA with an address of IPv6.
    let hops = [&[20, 0, 9, 0, 16, 0, 0, 0, 6, 0, 0, 0][..], &[8, 0, 5, 0, 10, 0, 0, 1]].concat();
    assert_eq!(via(&[&header, &to, &hops]).as_deref(), Some("10.0.0.1"));
    let v6 = [&[22, 0, 18, 0, 10, 0, 0xfe, 0x80][..], &[0; 13], &[1], &[0; 2]].concat();
    assert_eq!(via(&[&header, &to, &over, &v6]).as_deref(), Some("fe80::1"));
    assert_eq!(via(&[&header, &to, &over]), None);
}

fn address() -> impl Strategy<Value = IpNet> {
    prop_oneof![
        (any::<[u8; 4]>(), 0u8..=32).prop_map(|(ip, length)| IpNet::new(IpAddr::from(ip), length).unwrap()),
        (any::<[u8; 16]>(), 0u8..=128).prop_map(|(ip, length)| IpNet::new(IpAddr::from(ip), length).unwrap()),
    ]
}

proptest! {
    #[test]
    fn an_added_address_reads_as_itself(wanted in address()) {
        let request = address::add("eth0", 2, wanted);
        prop_assert_eq!(address::parse(request.body()), Some(wanted));
    }

    #[test]
    fn any_bytes_are_read_or_refused(body: Vec<u8>) {
        let length = body.len();
        let is_read = address::parse(&body).is_some();
        prop_assert!(!is_read || length > 8);
        let is_read = route::parse(&body).is_some();
        prop_assert!(!is_read || length > 12);
        let is_read = Link::parse(&Reply { kind: NEW_LINK, body }).is_some();
        prop_assert!(!is_read || length >= 12);
    }
}
