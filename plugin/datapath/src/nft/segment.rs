//! Pods on the node's own network: to the network they have the node's Ethernet address, among themselves and to the node
//! their own.
//!
//! ```text
//! table bridge podnet {
//!     set joined { type ifname
//!         elements = { "azv…" comment "OWNER ALIAS", "eth0" comment "uplink of azure0" } }
//!     map stations4 { type ipv4_addr : ether_addr                          and stations6
//!         elements = { 10.224.1.5 comment "OWNER ALIAS" : 0a:58:0a:e0:01:05 } }
//!     map announcers4 { type ipv4_addr . ipv4_addr : verdict
//!         elements = { 10.224.1.5 . 10.224.1.5 comment "OWNER ALIAS" : accept } }
//!     map diverted4 { type ipv4_addr . ipv4_addr : ether_addr              and diverted6
//!         elements = { 10.224.1.5 . 169.254.20.10 comment "OWNER ALIAS" : 00:0d:3a:00:00:01 } }
//!     map uplinks { type ifname : ether_addr
//!         elements = { "eth0" comment "uplink of azure0" : 00:0d:3a:00:00:01 } }
//!     chain segment { type filter hook prerouting priority -290
//!         iifname @joined jump inward }
//!     chain inward {
//!         arp saddr ip . arp daddr ip vmap @announcers4
//!         ether daddr set arp daddr ip map @stations4 meta pkttype set other
//!         ether daddr set ip saddr . ip daddr map @diverted4 meta pkttype set host       and the same for IPv6
//!         ether daddr set ip daddr map @stations4 meta pkttype set other                 and the same for IPv6
//!         icmpv6 type nd-neighbor-solicit ip6 saddr != :: ether daddr set icmpv6 taddr map @stations6 … }
//!     chain outward { type filter hook postrouting priority 300
//!         arp saddr ether set oifname map @uplinks
//!         icmpv6 type nd-neighbor-solicit, the option in it set oifname map @uplinks     and of advertisements and
//!         ether saddr set oifname map @uplinks } }                                       router solicitations
//! ```
//!
//! - The network of a cloud knows one Ethernet address a node, and answers whoever asks for any address, in ARP too.
//!   So a question for a pod of this node goes to that pod alone, whoever asks: never to the network. What a pod announces
//!   of its own address does go out: others may still think that it is on another node.
//! - What neighbour discovery says of Ethernet addresses is inside its messages, under a checksum.
//! - Behind the check of senders, which sees what the pod really sends.
//! - `nft` has no words for the option of neighbour discovery, and shows it by its place in the packet.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{
    NftError,
    element::{Element, Value},
    expression::{Ethertype, Expressions, IpVersion, Recipient, StationField, Verdict, address},
    key::{KeyWriter, Part, padded},
    layout::{Chain, FRAMES, SCHEMA},
    reading,
    table::{Hook, Map, Rule, Values},
    transaction,
};
use crate::{LinkName, MacAddr, Segment, netlink::Socket};

const fn map(name: &'static str, key: &'static [Part], values: Values) -> Map {
    Map { table: FRAMES, name, key, values }
}

const STATION: Values = Values::Fields(&[Part::Station]);

/// Ports of the bridge.
const JOINED: Map = map("joined", &[Part::Link], Values::Nothing);
/// Pods by their addresses.
pub(super) const STATIONS: [Map; 2] = [
    map("stations4", &[Part::Destination(IpVersion::V4)], STATION),
    map("stations6", &[Part::Destination(IpVersion::V6)], STATION),
];
/// Pods that say who they are.
const ANNOUNCERS: Map = map("announcers4", &[Part::ArpSource, Part::ArpTarget], Values::Verdicts);
/// What goes to the node instead.
const DIVERTED: [Map; 2] = [
    map("diverted4", &[Part::Source(IpVersion::V4), Part::Destination(IpVersion::V4)], STATION),
    map("diverted6", &[Part::Source(IpVersion::V6), Part::Destination(IpVersion::V6)], STATION),
];
/// Links to the network.
const UPLINKS: Map = map("uplinks", &[Part::LeavingLink], STATION);

/// Everything that elements of pods and links come into.
pub(super) const MAPS: [Map; 7] =
    [JOINED, STATIONS[0], STATIONS[1], ANNOUNCERS, DIVERTED[0], DIVERTED[1], UPLINKS];

/// The chain that looks for frames of such pods and to them.
pub(super) const LOOK_UP: &str = "segment";
const INWARD: &str = "inward";

/// Behind the check of senders, before `br_netfilter` (`NF_BR_PRI_BRNF`, 0).
const PREROUTING: Hook = Hook { kind: "filter", number: 0, priority: -290 };
/// `NF_BR_PRI_NAT_SRC`.
const POSTROUTING: Hook = Hook { kind: "filter", number: 4, priority: 300 };

/// The elements of a pod.
pub(super) fn elements(segment: &Segment, addresses: &[IpNet], comment: &str) -> Vec<(Map, Element)> {
    let element = |key: KeyWriter, value| Element { key: key.bytes(), value, comment: comment.to_owned() };
    let mut elements: Vec<_> = segment
        .links
        .iter()
        .map(|link| (JOINED, element(KeyWriter::default().link(link), Value::Nothing)))
        .collect();
    for address in stations(segment, addresses) {
        let station = Value::Data(segment.mac.bytes().to_vec());
        elements
            .push((of_version(STATIONS, address), element(KeyWriter::default().address(address), station)));
    }
    for pod in addresses.iter().map(IpNet::addr) {
        if pod.is_ipv4() {
            let itself = KeyWriter::default().address(pod).address(pod);
            elements.push((ANNOUNCERS, element(itself, Value::Accept)));
        }
        for to in segment.diverted.iter().filter(|to| to.is_ipv4() == pod.is_ipv4()) {
            let node = Value::Data(segment.node.map(MacAddr::bytes).unwrap_or_default().to_vec());
            let way = KeyWriter::default().address(pod).address(*to);
            elements.push((of_version(DIVERTED, pod), element(way, node)));
        }
    }
    elements
}

/// Every address that is asked for the pod by: its link's own, too, which it asks others from.
fn stations(segment: &Segment, addresses: &[IpNet]) -> Vec<IpAddr> {
    let mut stations: Vec<IpAddr> = addresses.iter().map(IpNet::addr).collect();
    if stations.iter().any(IpAddr::is_ipv6) {
        stations.push(segment.mac.link_local().into());
    }
    stations
}

fn of_version([v4, v6]: [Map; 2], address: IpAddr) -> Map {
    if address.is_ipv4() { v4 } else { v6 }
}

/// The address and the Ethernet address of an element of [`STATIONS`].
pub(super) fn station(element: &Element) -> Option<(IpAddr, MacAddr)> {
    let Value::Data(mac) = &element.value else { return None };
    address(&element.key).zip(mac.first_chunk().copied().map(MacAddr::new))
}

/// The chains that the elements need.
pub(super) fn chains() -> [Chain; 3] {
    let rule = |comment: &'static str, expressions| Rule { comment: comment.into(), expressions };
    let chain = |name: &str, hook, rules| Chain { table: FRAMES, name: name.to_owned(), hook, rules };
    let ports = Expressions::default().among(JOINED.key, JOINED.name).verdict(Verdict::Jump(INWARD));
    [
        chain(INWARD, None, inward_rules()),
        chain(LOOK_UP, Some(PREROUTING), vec![rule("of ports", ports)]),
        chain("outward", Some(POSTROUTING), outward_rules()),
    ]
}

fn inward_rules() -> Vec<Rule> {
    let rule = |comment: &'static str, expressions| Rule { comment: comment.into(), expressions };
    let frame = |ethertype| Expressions::default().of_ethertype(ethertype);
    let sent_to = |expressions: Expressions, parts: &[Part], map: Map, recipient| {
        expressions.rewritten(StationField::Destination, parts, map.name).received_for(recipient)
    };
    let to_pod = |expressions, parts: &[Part], map| sent_to(expressions, parts, map, Recipient::Other);
    let [stations4, stations6] = STATIONS;
    let [diverted4, diverted6] = DIVERTED;
    let to_node = |ethertype, map: Map| sent_to(frame(ethertype), map.key, map, Recipient::Node);
    let solicited = frame(Ethertype::Ipv6).of_icmpv6(NEIGHBOR_SOLICITATION).of_known_ipv6_source();
    vec![
        rule("announcements", frame(Ethertype::Arp).verdict_of(ANNOUNCERS.key, ANNOUNCERS.name)),
        rule("resolution", to_pod(frame(Ethertype::Arp), &[Part::ArpTarget], stations4)),
        rule("IPv4 by the node", to_node(Ethertype::Ipv4, diverted4)),
        rule("IPv6 by the node", to_node(Ethertype::Ipv6, diverted6)),
        rule("IPv4", to_pod(frame(Ethertype::Ipv4), stations4.key, stations4)),
        rule("IPv6", to_pod(frame(Ethertype::Ipv6), stations6.key, stations6)),
        rule("solicitations", to_pod(solicited, &[Part::NdTarget], stations6)),
    ]
}

/// RFC 4861 sections 4.1, 4.3 and 4.4, and the bytes before the options of each.
const ROUTER_SOLICITATION: u8 = 133;
const NEIGHBOR_SOLICITATION: u8 = 135;
const NEIGHBOR_ADVERTISEMENT: u8 = 136;
const ROUTER_SOLICITATION_LENGTH: u32 = 8;
const NEIGHBOR_MESSAGE_LENGTH: u32 = 24;
/// RFC 4861 section 4.6.1: whose address the option is.
const SOURCE_OPTION: u8 = 1;
const TARGET_OPTION: u8 = 2;

fn outward_rules() -> Vec<Rule> {
    let rule = |comment: &'static str, expressions: Expressions, field| Rule {
        comment: comment.into(),
        expressions: expressions.rewritten(field, UPLINKS.key, UPLINKS.name),
    };
    let discovery = |comment, kind, behind, option| {
        let message = Expressions::default().of_ethertype(Ethertype::Ipv6).of_icmpv6(kind);
        rule(comment, message.first_option_is(behind, option), StationField::NdOption(behind))
    };
    let arp = Expressions::default().of_ethertype(Ethertype::Arp);
    vec![
        rule("resolution", arp, StationField::ArpSender),
        discovery("solicitations", NEIGHBOR_SOLICITATION, NEIGHBOR_MESSAGE_LENGTH, SOURCE_OPTION),
        discovery("advertisements", NEIGHBOR_ADVERTISEMENT, NEIGHBOR_MESSAGE_LENGTH, TARGET_OPTION),
        discovery("router solicitations", ROUTER_SOLICITATION, ROUTER_SOLICITATION_LENGTH, SOURCE_OPTION),
        rule("frames", Expressions::default(), StationField::Source),
    ]
}

/// What an element is about, for people; `None`: it is not of a map of this file.
pub(super) fn describe(map: Map, key: &[u8]) -> Option<String> {
    let half = || key.get(..key.len() / 2).and_then(address);
    let named = |what: &str, address: Option<IpAddr>| {
        format!("{what} {}", address.map(|address| address.to_string()).unwrap_or_default())
    };
    if STATIONS.contains(&map) {
        return Some(named("way on the bridge to", address(key)));
    }
    if DIVERTED.contains(&map) {
        return Some(named("way by the node for", half()));
    }
    match map.name {
        "joined" => Some("port of the bridge".to_owned()),
        "announcers4" => Some(named("announcements of", half())),
        "uplinks" => Some("link to the network".to_owned()),
        _ => None,
    }
}

/// A link to the network, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UplinkRules<'a> {
    /// The bridge that it is a port of.
    pub(crate) bridge: &'a LinkName,
    /// The link.
    pub(crate) link: &'a LinkName,
    /// Its Ethernet address, which everything gets that leaves by it.
    pub(crate) mac: MacAddr,
}

impl UplinkRules<'_> {
    /// Makes the rules, or puts them right.
    pub(crate) fn ensure(&self, socket: &mut Socket) -> Result<(), NftError> {
        let witnesses = chains().map(|chain| (chain.table, chain.name));
        if self.has_elements(socket)? && reading::has_chains(socket, witnesses)? {
            return Ok(());
        }
        transaction::commit_what_is_read(socket, |socket| {
            reading::refuse_other_layout(socket, FRAMES)?;
            let mut changes = vec![FRAMES.ensure(SCHEMA)];
            changes.extend(MAPS.into_iter().zip(1..).map(|(map, id)| FRAMES.ensure_map(map, id)));
            for chain in chains() {
                if !reading::has_rules(socket, &chain)? {
                    changes.extend(chain.fill());
                }
            }
            for (map, element) in self.elements() {
                let found = reading::elements(socket, map, &[&element.key])?;
                if !found.is_empty() {
                    changes.push(FRAMES.delete(map, &[&element.key]));
                }
                changes.push(FRAMES.add(map, &[&element]));
            }
            Ok(changes)
        })
        .map(drop)
    }

    /// Whether they are there.
    pub(crate) fn are_there(&self, socket: &mut Socket) -> Result<bool, NftError> {
        for chain in chains() {
            if !reading::has_rules(socket, &chain)? {
                return Ok(false);
            }
        }
        self.has_elements(socket)
    }

    fn has_elements(&self, socket: &mut Socket) -> Result<bool, NftError> {
        for (map, element) in self.elements() {
            if reading::elements(socket, map, &[&element.key])? != [element] {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn elements(&self) -> [(Map, Element); 2] {
        let comment = format!("uplink of {}", self.bridge);
        let element = |value| Element { key: padded(self.link), value, comment: comment.clone() };
        [(JOINED, element(Value::Nothing)), (UPLINKS, element(Value::Data(self.mac.bytes().to_vec())))]
    }
}
