//! Pods without a bridge that reach themselves: what was translated from a pod to the same pod gets the node's address.
//!
//! ```text
//! set reflections4 { type ipv4_addr . ipv4_addr                           and reflections6, for IPv6
//!     elements = { 10.224.1.5 . 10.224.1.5 comment "OWNER ALIAS" } }
//! chain reflections-postrouting { type nat hook postrouting priority 99
//!     ct status dnat ip saddr . ip daddr @reflections4 masquerade fully-random
//!     ct status dnat ip6 saddr . ip6 daddr @reflections6 masquerade fully-random }
//! ```
//!
//! By a service or a host port a pod may get to itself. It would not take a packet from its own address; and its
//! answer would never leave it. Everybody else's answers come by way of the node, and need nothing.

use ipnet::IpNet;

use super::{
    element::{Element, Value},
    expression::{Expressions, IpVersion, address},
    key::{KeyWriter, Part},
    layout::{Chain, TABLE},
    table::{Hook, Map, Rule, Values},
};

/// What [`element`]s come into.
pub(super) const MAPS: [Map; 2] = [
    Map {
        table: TABLE,
        name: "reflections4",
        key: &[Part::Source(IpVersion::V4), Part::Destination(IpVersion::V4)],
        values: Values::Nothing,
    },
    Map {
        table: TABLE,
        name: "reflections6",
        key: &[Part::Source(IpVersion::V6), Part::Destination(IpVersion::V6)],
        values: Values::Nothing,
    },
];

/// The chain that gives such packets the node's address.
pub(super) const CHAIN: &str = "reflections-postrouting";

/// Before other programs' masquerading and exemptions from it (`NF_IP_PRI_NAT_SRC`, 100).
const POSTROUTING: Hook = Hook { kind: "nat", number: 4, priority: 99 };

/// The map and the element of a pod's address.
pub(super) fn element(pod: IpNet, comment: &str) -> (Map, Element) {
    let [v4, v6] = MAPS;
    let element = Element {
        key: KeyWriter::default().address(pod.addr()).address(pod.addr()).bytes(),
        value: Value::Nothing,
        comment: comment.to_owned(),
    };
    (if pod.addr().is_ipv4() { v4 } else { v6 }, element)
}

/// The chain that the elements need.
pub(super) fn chain() -> Chain {
    let [v4, v6] = MAPS;
    let reflected = |comment: &'static str, version, map: Map| Rule {
        comment: comment.into(),
        expressions: Expressions::default()
            .of_translated()
            .of_version(version)
            .among(map.key, map.name)
            .masquerade_fully_random(),
    };
    let rules = vec![
        reflected("translated, of IPv4 pods", IpVersion::V4, v4),
        reflected("translated, of IPv6 pods", IpVersion::V6, v6),
    ];
    Chain { table: TABLE, name: CHAIN.to_owned(), hook: Some(POSTROUTING), rules }
}

/// What an element is about, for people.
pub(super) fn describe(key: &[u8]) -> String {
    let pod = key.get(..key.len() / 2).and_then(address).map(|address| address.to_string());
    format!("way of {} to itself", pod.unwrap_or_default())
}
