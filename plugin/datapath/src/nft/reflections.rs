//! Pods without a bridge that reach themselves: what was translated from a pod to the same pod gets the node's address.
//!
//! ```text
//! map reflections4 { type ipv4_addr . ipv4_addr : verdict                 and reflections6, for IPv6
//!     elements = { 10.224.1.5 . 10.224.1.5 comment "OWNER ALIAS" : jump reflected } }
//! chain reflections-postrouting { type nat hook postrouting priority 99
//!     ct status dnat ip saddr . ip daddr vmap @reflections4
//!     ct status dnat ip6 saddr . ip6 daddr vmap @reflections6 }
//! chain reflected { masquerade fully-random }
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
    table::{Hook, Map, Rule},
};

/// What [`element`]s come into.
pub(super) const MAPS: [Map; 2] = [
    Map {
        table: TABLE,
        name: "reflections4",
        key: &[Part::Source(IpVersion::V4), Part::Destination(IpVersion::V4)],
        value: None,
    },
    Map {
        table: TABLE,
        name: "reflections6",
        key: &[Part::Source(IpVersion::V6), Part::Destination(IpVersion::V6)],
        value: None,
    },
];

/// The chain that looks for such packets.
pub(super) const LOOK_UP: &str = "reflections-postrouting";
/// The chain that gives them the node's address.
const REFLECTED: &str = "reflected";

/// Before other programs' masquerading and exemptions from it (`NF_IP_PRI_NAT_SRC`, 100).
const POSTROUTING: Hook = Hook { kind: "nat", number: 4, priority: 99 };

/// The map and the element of a pod's address.
pub(super) fn element(pod: IpNet, comment: &str) -> (Map, Element) {
    let [v4, v6] = MAPS;
    let element = Element {
        key: KeyWriter::default().address(pod.addr()).address(pod.addr()).bytes(),
        value: Value::Jump(REFLECTED.to_owned()),
        comment: comment.to_owned(),
    };
    (if pod.addr().is_ipv4() { v4 } else { v6 }, element)
}

/// The chains that the elements need.
pub(super) fn chains() -> [Chain; 2] {
    let [v4, v6] = MAPS;
    let look_up = |comment: &'static str, version, map: Map| Rule {
        comment: comment.into(),
        expressions: Expressions::default().of_translated().of_version(version).verdict_of(map.key, map.name),
    };
    let masquerade = Expressions::default().masquerade_fully_random();
    let chain = |name: &str, hook, rules| Chain { table: TABLE, name: name.to_owned(), hook, rules };
    [
        chain(REFLECTED, None, vec![Rule { comment: "to itself".into(), expressions: masquerade }]),
        chain(
            LOOK_UP,
            Some(POSTROUTING),
            vec![
                look_up("translated, of IPv4 pods", IpVersion::V4, v4),
                look_up("translated, of IPv6 pods", IpVersion::V6, v6),
            ],
        ),
    ]
}

/// What an element is about, for people.
pub(super) fn describe(key: &[u8]) -> String {
    let pod = key.get(..key.len() / 2).and_then(address).map(|address| address.to_string());
    format!("way of {} to itself", pod.unwrap_or_default())
}
