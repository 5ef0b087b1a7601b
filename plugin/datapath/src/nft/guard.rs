//! What is kept from a pod: other senders' addresses, and the cloud's services for nodes.
//!
//! ```text
//! table bridge podnet {                                          and table inet podnet, for pods without a bridge
//!     set guarded { type ifname
//!         elements = { "veth…" comment "OWNER ALIAS" } }
//!     map senders4 { type ifname . ether_addr . ipv4_addr : verdict       and senders6, for IPv6
//!         elements = { "veth…" . 0a:58:0a:f4:01:05 . 10.244.1.5 comment "OWNER ALIAS" : accept } }
//!     map speakers4 { type ifname . ether_addr . ipv4_addr : verdict      and speakers6, for advertisements
//!         elements = { "veth…" . 0a:58:0a:f4:01:05 . 10.244.1.5 comment "OWNER ALIAS" : return } }
//!     chain antispoofing { type filter hook prerouting priority -300
//!         iifname @guarded jump senders }
//!     chain senders {
//!         ether type arp jump resolution
//!         icmpv6 type nd-neighbor-advert jump advertisement
//!         icmpv6 type nd-router-advert counter drop
//!         iifname . ether saddr . ip saddr vmap @senders4                 and the same for IPv6 and ARP
//!         counter drop }
//!     chain resolution { iifname . arp saddr ether . arp saddr ip vmap @speakers4 ; counter drop }
//!     chain advertisement { iifname . ether saddr . icmpv6 taddr vmap @speakers6 ; counter drop } }
//!
//! table inet podnet {                           and table bridge podnet, at prerouting, for pods on the node's own network
//!     map wireserver { type ipv4_addr : verdict                           and imds
//!         elements = { 10.244.1.5 comment "OWNER ALIAS" : drop } }
//!     chain blocked { type filter hook forward priority filter
//!         ip daddr 168.63.129.16 tcp dport 80 ip saddr vmap @wireserver   and port 32526
//!         ip daddr 169.254.169.254 tcp dport 80 ip saddr vmap @imds } }
//! ```
//!
//! - A pod has its Ethernet address and IP addresses, those of its link (RFC 4291 appendix A) and, where it asks who
//!   else has one, none (RFC 4862 section 5.4.2). What it says of itself in ARP and neighbour discovery is held to the
//!   same, and it is nobody's router.
//! - Before anything else, connection tracking included: what is not the pod's never becomes a connection.
//! - Of the wireserver only the ports that hand out the node's secrets are closed. DNS, on 53, stays.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

use super::{
    element::{Element, Value},
    expression::{Ethertype, Expressions, IpVersion, Verdict, address},
    key::{KeyWriter, Part},
    layout::{Chain, FRAMES, TABLE},
    table::{Hook, Map, Rule, Table, Values},
};
use crate::{Guard, LinkName, Station, Transport};

const SENDER4: &[Part] = &[Part::Link, Part::Station, Part::Source(IpVersion::V4)];
const SENDER6: &[Part] = &[Part::Link, Part::Station, Part::Source(IpVersion::V6)];
const SPEAKER4: &[Part] = &[Part::Link, Part::ArpStation, Part::ArpSource];
const SPEAKER6: &[Part] = &[Part::Link, Part::Station, Part::NdTarget];

/// The maps of a table in which senders are looked up.
#[derive(Debug, Clone, Copy)]
struct SenderMaps {
    guarded: Map,
    senders: [Map; 2],
    speakers: [Map; 2],
}

const fn sender_maps(table: Table) -> SenderMaps {
    const fn map(table: Table, name: &'static str, key: &'static [Part]) -> Map {
        Map { table, name, key, values: Values::Verdicts }
    }
    SenderMaps {
        guarded: Map { table, name: "guarded", key: &[Part::Link], values: Values::Nothing },
        senders: [map(table, "senders4", SENDER4), map(table, "senders6", SENDER6)],
        speakers: [map(table, "speakers4", SPEAKER4), map(table, "speakers6", SPEAKER6)],
    }
}

/// What [`blocks`] come into.
pub(super) const fn block_maps(table: Table) -> [Map; 2] {
    const fn map(table: Table, name: &'static str) -> Map {
        Map { table, name, key: &[Part::Source(IpVersion::V4)], values: Values::Verdicts }
    }
    [map(table, "wireserver"), map(table, "imds")]
}

/// The chain that keeps pods from the node's services.
pub(super) const BLOCKED: &str = "blocked";
/// The chain that asks whether a link's packets are held to their sender.
pub(super) const ANTI_SPOOFING: &str = "antispoofing";

/// Before everything else: `NF_IP_PRI_RAW` of IP, `NF_BR_PRI_NAT_DST_BRIDGED` of bridges.
const PREROUTING: Hook = Hook { kind: "filter", number: 0, priority: -300 };
const FORWARD: Hook = Hook { kind: "filter", number: 2, priority: 0 };
/// Behind the check of senders, whose word it takes.
const ARRIVING: Hook = Hook { kind: "filter", number: 0, priority: -280 };

const WIRESERVER_ADDRESS: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);
const IMDS_ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// The table that sees what comes by the pod's link.
pub(super) fn table(station: &Station) -> Table {
    if station.is_bridged { FRAMES } else { TABLE }
}

/// What [`senders`] come into.
pub(super) fn sender_maps_of(table: Table) -> [Map; 5] {
    let SenderMaps { guarded, senders: [v4, v6], speakers: [speakers4, speakers6] } = sender_maps(table);
    [guarded, v4, v6, speakers4, speakers6]
}

/// The elements that hold a pod to its addresses.
pub(super) fn senders(station: &Station, addresses: &[IpNet], comment: &str) -> Vec<(Map, Element)> {
    let maps = sender_maps(table(station));
    let element = |key: KeyWriter, value| Element { key: key.bytes(), value, comment: comment.to_owned() };
    let of_link = |link: &LinkName| {
        let key = KeyWriter::default().link(link);
        let mut elements = vec![(maps.guarded, element(key, Value::Nothing))];
        let speaks =
            |address: &IpAddr| !address.is_unspecified() && (address.is_ipv6() || station.is_bridged);
        for address in sources(station, addresses) {
            let [v4, v6] = [0, 1];
            let version = if address.is_ipv4() { v4 } else { v6 };
            let key = || KeyWriter::default().link(link).station(station.mac).address(address);
            elements.extend(maps.senders.get(version).map(|map| (*map, element(key(), Value::Accept))));
            let speaker = maps.speakers.get(version).filter(|_| speaks(&address));
            elements.extend(speaker.map(|map| (*map, element(key(), Value::Return))));
        }
        elements
    };
    station.links.iter().flat_map(of_link).collect()
}

/// Every address that the pod may send from.
fn sources(station: &Station, addresses: &[IpNet]) -> Vec<IpAddr> {
    let mut sources: Vec<IpAddr> = addresses.iter().map(IpNet::addr).collect();
    if sources.iter().any(IpAddr::is_ipv6) {
        sources.extend([IpAddr::V6(station.mac.link_local()), IpAddr::V6(Ipv6Addr::UNSPECIFIED)]);
    }
    sources
}

/// The elements that keep a pod from the node's services, in this table.
pub(super) fn blocks(table: Table, guard: Guard, addresses: &[IpNet], comment: &str) -> Vec<(Map, Element)> {
    let [wireserver, imds] = block_maps(table);
    let wanted = [(guard.wireserver, wireserver), (guard.imds, imds)];
    let maps = wanted.into_iter().filter_map(|(is_wanted, map)| is_wanted.then_some(map));
    let v4 = || addresses.iter().map(IpNet::addr).filter(IpAddr::is_ipv4);
    let element = |address| Element {
        key: KeyWriter::default().address(address).bytes(),
        value: Value::Drop,
        comment: comment.to_owned(),
    };
    maps.flat_map(|map| v4().map(move |address| (map, element(address)))).collect()
}

/// The chains that [`senders`] need.
pub(super) fn sender_chains(table: Table) -> [Chain; 4] {
    let maps = sender_maps(table);
    let [senders4, senders6] = maps.senders;
    let [speakers4, speakers6] = maps.speakers;
    let rule = |comment: &'static str, expressions| Rule { comment: comment.into(), expressions };
    let frame = |ethertype| Expressions::default().of_ethertype(ethertype);
    let look_up = |ethertype, map: Map| frame(ethertype).verdict_of(map.key, map.name);
    let refused = || Expressions::default().count().verdict(Verdict::Drop);
    let asked = |map: Map| Expressions::default().verdict_of(map.key, map.name);
    let icmpv6 = |kind| frame(Ethertype::Ipv6).of_icmpv6(kind);
    let chain = |name: &str, hook, rules| Chain { table, name: name.to_owned(), hook, rules };
    let from_pods =
        Expressions::default().among(maps.guarded.key, maps.guarded.name).verdict(Verdict::Jump("senders"));
    let arp_key = &[Part::Link, Part::Station, Part::ArpSource];
    [
        chain("resolution", None, vec![rule("own", asked(speakers4)), rule("somebody else's", refused())]),
        chain("advertisement", None, vec![rule("own", asked(speakers6)), rule("somebody else's", refused())]),
        chain(
            "senders",
            None,
            vec![
                rule("resolution", frame(Ethertype::Arp).verdict(Verdict::Jump("resolution"))),
                rule(
                    "advertisements",
                    icmpv6(NEIGHBOR_ADVERTISEMENT).verdict(Verdict::Jump("advertisement")),
                ),
                rule("no router", icmpv6(ROUTER_ADVERTISEMENT).count().verdict(Verdict::Drop)),
                rule("IPv4", look_up(Ethertype::Ipv4, senders4)),
                rule("IPv6", look_up(Ethertype::Ipv6, senders6)),
                rule("ARP", frame(Ethertype::Arp).verdict_of(arp_key, senders4.name)),
                rule("somebody else's", refused()),
            ],
        ),
        chain(ANTI_SPOOFING, Some(PREROUTING), vec![rule("from pods", from_pods)]),
    ]
}

/// RFC 4861 section 4.2.
const ROUTER_ADVERTISEMENT: u8 = 134;
/// RFC 4861 section 4.4.
const NEIGHBOR_ADVERTISEMENT: u8 = 136;

/// The chain that [`blocks`] need in this table.
pub(super) fn block_chain(table: Table) -> Chain {
    let [wireserver, imds] = block_maps(table);
    let is_of_frames = table == FRAMES;
    let sent_to = |address: Ipv4Addr| {
        let net = IpNet::V4(Ipv4Net::from(address));
        let expressions = Expressions::default();
        if is_of_frames { expressions.frame_destination_in(net) } else { expressions.destination_in(net) }
    };
    let rule = |comment: &'static str, address: Ipv4Addr, port, map: Map| Rule {
        comment: comment.into(),
        expressions: sent_to(address)
            .of_transport(Transport::Tcp)
            .destination_port_is(port)
            .verdict_of(map.key, map.name),
    };
    let rules = vec![
        rule("wireserver", WIRESERVER_ADDRESS, 80, wireserver),
        rule("wireserver, host agent", WIRESERVER_ADDRESS, 32526, wireserver),
        rule("instance metadata", IMDS_ADDRESS, 80, imds),
    ];
    let hook = if is_of_frames { ARRIVING } else { FORWARD };
    Chain { table, name: BLOCKED.to_owned(), hook: Some(hook), rules }
}

/// What an element is about, for people; `None`: it is not of a map of this file.
pub(super) fn describe(map: Map, key: &[u8]) -> Option<String> {
    let of_address = |what: &str| {
        let width = if map.key == SENDER6 || map.key == SPEAKER6 { 16 } else { 4 };
        let address = key.get(key.len().saturating_sub(width)..).and_then(address);
        format!("{what} {}", address.map(|address| address.to_string()).unwrap_or_default())
    };
    match map.name {
        "guarded" => Some("check of senders".to_owned()),
        "senders4" | "senders6" => Some(of_address("sender")),
        "speakers4" | "speakers6" => Some(of_address("owner for neighbours of")),
        "wireserver" => Some(of_address("closed wireserver for")),
        "imds" => Some(of_address("closed instance metadata for")),
        _ => None,
    }
}
