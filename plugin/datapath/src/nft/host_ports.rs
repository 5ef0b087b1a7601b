//! Host ports: what arrives at a port of the node goes on to a port of a pod.
//!
//! ```text
//! map hostports4 { type inet_proto . inet_service : ipv4_addr . inet_service         a port of every address
//!     elements = { tcp . 8080 comment "OWNER ALIAS" : 10.244.1.5 . 80 } }
//! map hostips4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service       of one address
//!     elements = { 127.0.0.1 . tcp . 8081 comment "OWNER ALIAS" : 10.244.1.5 . 80 } }
//! chain hostports-prerouting { type nat hook prerouting priority -90    and hostports-output, for the node's own
//!     fib daddr type local jump hostports }
//! chain hostports {
//!     ip6 daddr ::1 return
//!     dnat ip to ip daddr . meta l4proto . th dport map @hostips4       and the same for IPv6
//!     dnat ip to meta l4proto . th dport map @hostports4 }
//!
//! map hairpin4 { type ipv4_addr . inet_proto . inet_service . inet_service : verdict
//!     elements = { 10.244.1.5 . tcp . 80 . 8080 comment "OWNER ALIAS" : jump hairpin-10.244.1.0-24 } }
//! chain hostports-postrouting { type nat hook postrouting priority 99
//!     ct status dnat ip daddr . meta l4proto . tcp dport . ct original proto-dst vmap @hairpin4 }
//! chain hairpin-10.244.1.0-24 {                                         one a pod subnet
//!     ip saddr 10.244.1.0/24 masquerade fully-random
//!     ip saddr 127.0.0.0/8 masquerade fully-random }
//! chain hairpin-127.0.0.0-8 {                                           for pods without a bridge
//!     ip saddr 127.0.0.0/8 masquerade fully-random }
//!
//! chain loopback { type filter hook prerouting priority raw
//!     iif != lo ip daddr 127.0.0.0/8 drop
//!     iif != lo ip saddr 127.0.0.0/8 drop }
//! ```
//!
//! - **After kube-proxy.** Its destination translation has priority -100; a packet that it translates never comes
//!   to a later chain of the kind, so that a service is never taken for a host port.
//! - **Only what is the node's.** The maps are asked only for packets to an address of the node. One port of one
//!   address comes before that port of all of them; two pods may have one each.
//! - **The way back.** A pod answers what comes from its own subnet directly, past the translation, and cannot
//!   answer 127.0.0.1 at all. Such connections therefore get the bridge's address, neighbours' and the pod's own
//!   among them; those from elsewhere keep theirs. A pod without a bridge answers everybody by way of the
//!   node, so that for it only loopback addresses are left. The key has the port that was asked for, so that what
//!   another program translated is left alone, unless it came to a port of the same number. No packet mark is
//!   spent on it: other programs have meanings for those.
//! - **`::1` stays the node's.** A packet from there cannot leave by another link, whatever the rules say. Left
//!   alone it is refused at once and the client goes on to 127.0.0.1.
//! - **CVE-2020-8558.** 127.0.0.1 needs `route_localnet` on the bridge, by which the kernel no longer drops packets
//!   to and from 127.0.0.0/8 that come in there. The chain `loopback` does, before any translation.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{
    element::{Element, Value},
    expression::{Expressions, IpVersion, Verdict, address},
    key::{KeyWriter, Part},
    layout::{Chain, TABLE},
    subnet_chain_name,
    table::{Hook, Map, Rule, Values},
};
use crate::{HostPort, Transport};

const VALUE4: Values = Values::Fields(&[Part::Destination(IpVersion::V4), Part::Port]);
const VALUE6: Values = Values::Fields(&[Part::Destination(IpVersion::V6), Part::Port]);

/// Ports of all addresses of the node.
const PORTS: [Map; 2] = [
    Map { table: TABLE, name: "hostports4", key: &[Part::Protocol, Part::Port], values: VALUE4 },
    Map { table: TABLE, name: "hostports6", key: &[Part::Protocol, Part::Port], values: VALUE6 },
];

/// Ports of one address of the node.
const ADDRESS_PORTS: [Map; 2] = [
    Map {
        table: TABLE,
        name: "hostips4",
        key: &[Part::Destination(IpVersion::V4), Part::Protocol, Part::Port],
        values: VALUE4,
    },
    Map {
        table: TABLE,
        name: "hostips6",
        key: &[Part::Destination(IpVersion::V6), Part::Protocol, Part::Port],
        values: VALUE6,
    },
];

/// Pods' ports whose answers need help to come back.
const HAIRPIN: [Map; 2] = [
    Map {
        table: TABLE,
        name: "hairpin4",
        key: &[Part::Destination(IpVersion::V4), Part::Protocol, Part::Port, Part::OriginalPort],
        values: Values::Verdicts,
    },
    Map {
        table: TABLE,
        name: "hairpin6",
        key: &[Part::Destination(IpVersion::V6), Part::Protocol, Part::Port, Part::OriginalPort],
        values: Values::Verdicts,
    },
];

/// Everything that [`elements`] come into.
pub(super) const MAPS: [Map; 6] =
    [PORTS[0], PORTS[1], ADDRESS_PORTS[0], ADDRESS_PORTS[1], HAIRPIN[0], HAIRPIN[1]];

/// The chain that looks for host ports.
pub(super) const LOOK_UP: &str = "hostports";

/// Behind kube-proxy's -100 (`NF_IP_PRI_NAT_DST`).
const AFTER_SERVICES: i32 = -90;
const PREROUTING: Hook = Hook { kind: "nat", number: 0, priority: AFTER_SERVICES };
const OUTPUT: Hook = Hook { kind: "nat", number: 3, priority: AFTER_SERVICES };
/// Before other programs' masquerading and exemptions from it (`NF_IP_PRI_NAT_SRC`, 100).
const POSTROUTING: Hook = Hook { kind: "nat", number: 4, priority: 99 };
/// Before any translation (`NF_IP_PRI_RAW`).
const RAW: Hook = Hook { kind: "filter", number: 0, priority: -300 };

const LOOPBACK4: IpNet = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8));
const LOOPBACK6: IpNet = IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128));

/// A port of the node as the maps have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NodePort {
    /// The protocol.
    pub(crate) transport: Transport,
    /// Whether it is of IPv4.
    pub(crate) is_ipv4: bool,
    /// `None`: of all addresses.
    pub(crate) host_ip: Option<IpAddr>,
    /// The port.
    pub(crate) port: u16,
}

/// The chain of senders to which a pod's answers need help.
pub(super) fn chain_name(senders: IpNet) -> String {
    subnet_chain_name("hairpin", senders)
}

/// To whom a pod's answers would not come back by way of the node's translation: to its subnet. A pod that is routed
/// answers all by way of the node; only loopback addresses it cannot answer. One on the node's own network answers all
/// past the node (`is_past_all`), unless `br_netfilter` sees it.
pub(super) fn helped(port: &HostPort, is_routed: bool, is_past_all: bool) -> Option<IpNet> {
    match (is_routed, port.pod) {
        (false, IpNet::V4(_)) if is_past_all => Some(IpNet::V4(Ipv4Net::default())),
        (false, IpNet::V6(_)) if is_past_all => Some(IpNet::V6(Ipv6Net::default())),
        (false, pod) => Some(pod.trunc()),
        (true, IpNet::V4(_)) => Some(LOOPBACK4),
        (true, IpNet::V6(_)) => None,
    }
}

/// The elements of a host port: where it leads and the way back to those whom answers need help to.
pub(super) fn elements(
    port: &HostPort,
    helped: Option<IpNet>,
    comment: &str,
) -> impl Iterator<Item = (Map, Element)> {
    let there = {
        let pod = KeyWriter::default().address(port.pod.addr()).port(port.pod_port).bytes();
        let (maps, key) = match port.host_ip {
            Some(host_ip) => (ADDRESS_PORTS, KeyWriter::default().address(host_ip)),
            None => (PORTS, KeyWriter::default()),
        };
        let key = key.protocol(port.transport.number()).port(port.port).bytes();
        (of_version(maps, port.pod), Element { key, value: Value::Data(pod), comment: comment.to_owned() })
    };
    let back = helped.map(|helped| {
        let key = KeyWriter::default()
            .address(port.pod.addr())
            .protocol(port.transport.number())
            .port(port.pod_port)
            .port(port.port)
            .bytes();
        let value = Value::Jump(chain_name(helped));
        (of_version(HAIRPIN, port.pod), Element { key, value, comment: comment.to_owned() })
    });
    std::iter::once(there).chain(back)
}

/// The port of the node that an element of this map and key is; `None`: it is none.
pub(super) fn node_port(map: Map, key: &[u8]) -> Option<NodePort> {
    if !PORTS.contains(&map) && !ADDRESS_PORTS.contains(&map) {
        return None;
    }
    let (host_ip, rest) = key.split_at_checked(key.len().checked_sub(8)?)?;
    let &[protocol, _, _, _, high, low, ..] = rest else { return None };
    let [v4, _] = PORTS;
    let [address_v4, _] = ADDRESS_PORTS;
    Some(NodePort {
        transport: Transport::of_number(protocol)?,
        is_ipv4: map == v4 || map == address_v4,
        host_ip: address(host_ip),
        port: u16::from_be_bytes([high, low]),
    })
}

/// What an element is about, for people.
pub(super) fn describe(map: Map, key: &[u8]) -> String {
    if let Some(port) = node_port(map, key) {
        return port.to_string();
    }
    let address = key.get(..key.len().saturating_sub(12)).and_then(address);
    let address = address.map(|address| address.to_string()).unwrap_or_default();
    let port = key.last_chunk::<4>().map_or(0, |[high, low, ..]| u16::from_be_bytes([*high, *low]));
    format!("way back from {address} for host port {port}")
}

impl std::fmt::Display for NodePort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "host port {}/{}", self.port, self.transport)?;
        match self.host_ip {
            Some(host_ip) => write!(f, " of {host_ip}"),
            None if self.is_ipv4 => f.write_str(" of IPv4"),
            None => f.write_str(" of IPv6"),
        }
    }
}

/// The chains that host ports need; `senders` are those to whom answers need help.
pub(super) fn chains(senders: impl IntoIterator<Item = IpNet>) -> impl Iterator<Item = Chain> {
    let base = |name: &str, hook, rules| Chain { table: TABLE, name: name.to_owned(), hook, rules };
    let to_the_node = || {
        let expressions = Expressions::default().destination_is_local().verdict(Verdict::Jump(LOOK_UP));
        vec![Rule { comment: "to the node".into(), expressions }]
    };
    let of_node = [
        base(LOOK_UP, None, look_up_rules().into()),
        base("hostports-prerouting", Some(PREROUTING), to_the_node()),
        base("hostports-output", Some(OUTPUT), to_the_node()),
        base("hostports-postrouting", Some(POSTROUTING), postrouting_rules()),
        base("loopback", Some(RAW), loopback_rules().into()),
    ];
    let of_senders = senders.into_iter().map(|senders| Chain {
        table: TABLE,
        name: chain_name(senders),
        hook: None,
        rules: hairpin_rules(senders),
    });
    of_node.into_iter().chain(of_senders)
}

fn look_up_rules() -> [Rule; 5] {
    let rule = |comment: &'static str, expressions| Rule { comment: comment.into(), expressions };
    let translate = |version, map: Map| Expressions::default().destination_of(version, map.key, map.name);
    let in_family = |version, map: Map| {
        Expressions::default().of_version(version).destination_of(version, map.key, map.name)
    };
    let [ports4, ports6] = PORTS;
    let [address4, address6] = ADDRESS_PORTS;
    let localhost = Expressions::default().destination_in(LOOPBACK6).verdict(Verdict::Return);
    [
        rule("to ::1", localhost),
        rule("port of an IPv4 address", in_family(IpVersion::V4, address4)),
        rule("port of IPv4", translate(IpVersion::V4, ports4)),
        rule("port of an IPv6 address", in_family(IpVersion::V6, address6)),
        rule("port of IPv6", translate(IpVersion::V6, ports6)),
    ]
}

/// One rule a protocol although the maps know it: `nft` takes the original port for a port only behind a rule's
/// own word on the protocol.
fn postrouting_rules() -> Vec<Rule> {
    let [v4, v6] = HAIRPIN;
    let families = [
        (IpVersion::V4, v4, ["back, TCP over IPv4", "back, UDP over IPv4", "back, SCTP over IPv4"]),
        (IpVersion::V6, v6, ["back, TCP over IPv6", "back, UDP over IPv6", "back, SCTP over IPv6"]),
    ];
    let rules = families.into_iter().flat_map(|(version, map, comments)| {
        Transport::ALL.into_iter().zip(comments).map(move |(transport, comment)| {
            let translated = Expressions::default().of_translated().of_transport(transport);
            let expressions = translated.of_version(version).verdict_of(map.key, map.name);
            Rule { comment: comment.into(), expressions }
        })
    });
    rules.collect()
}

fn loopback_rules() -> [Rule; 2] {
    let foreign = || Expressions::default().not_by_loopback();
    [
        Rule {
            comment: "to loopback addresses".into(),
            expressions: foreign().destination_in(LOOPBACK4).verdict(Verdict::Drop),
        },
        Rule {
            comment: "from loopback addresses".into(),
            expressions: foreign().source_in(LOOPBACK4).verdict(Verdict::Drop),
        },
    ]
}

fn hairpin_rules(senders: IpNet) -> Vec<Rule> {
    let from = |net| Expressions::default().source_in(net).masquerade_fully_random();
    let subnet = || Rule { comment: "from the pod subnet".into(), expressions: from(senders) };
    let loopback = || Rule { comment: "from loopback addresses".into(), expressions: from(LOOPBACK4) };
    let of_subnet = (senders != LOOPBACK4).then(subnet);
    of_subnet.into_iter().chain(senders.addr().is_ipv4().then(loopback)).collect()
}

fn of_version([v4, v6]: [Map; 2], pod: IpNet) -> Map {
    if pod.addr().is_ipv4() { v4 } else { v6 }
}
