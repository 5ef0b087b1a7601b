//! Services: what another program translated from one pod of a subnet to another gets the bridge's address.
//!
//! ```text
//! map services4 { type ipv4_addr : verdict                and services6, for IPv6
//!     elements = { 10.244.1.5 comment "OWNER ALIAS" : jump services-10.244.1.0-24 } }
//! chain services-postrouting { type nat hook postrouting priority 99
//!     ct status dnat ip saddr vmap @services4
//!     ct status dnat ip6 saddr vmap @services6 }
//! chain services-10.244.1.0-24 {                          one a pod subnet
//!     ip daddr 10.244.1.0/24 masquerade fully-random }
//! ```
//!
//! Needed where frames between ports of a bridge do not pass the rules of IP (no `br_netfilter`): the neighbour would
//! answer the pod directly, past the translation, and the pod take the answer for a stranger's. Where they do
//! pass, a pod has no element here, and its neighbours see its own address.

use ipnet::IpNet;

use super::{
    address_map,
    element::{Element, Value},
    expression::{Expressions, IpVersion},
    layout::{Chain, TABLE},
    subnet_chain_name,
    table::{Hook, Map, Rule},
};

/// The addresses of pods whose neighbours' answers would go past the rules.
pub(super) const MAPS: [Map; 2] = address_map::by_source(["services4", "services6"]);

/// Before other programs' masquerading and exemptions from it (`NF_IP_PRI_NAT_SRC`, 100).
const POSTROUTING: Hook = Hook { kind: "nat", number: 4, priority: 99 };

/// The chain of a pod subnet.
pub(super) fn chain_name(subnet: IpNet) -> String {
    subnet_chain_name("services", subnet)
}

/// The map and the element of a pod's address.
pub(super) fn element(address: IpNet, comment: &str) -> (Map, Element) {
    address_map::element(MAPS, address, Value::Jump(chain_name(address)), comment)
}

/// The chains that pods of these subnets need.
pub(super) fn chains(subnets: impl IntoIterator<Item = IpNet>) -> impl Iterator<Item = Chain> {
    let base = Chain {
        table: TABLE,
        name: "services-postrouting".to_owned(),
        hook: Some(POSTROUTING),
        rules: postrouting_rules().into(),
    };
    let of_subnets = subnets.into_iter().map(|subnet| Chain {
        table: TABLE,
        name: chain_name(subnet),
        hook: None,
        rules: vec![Rule {
            comment: "to the pod subnet".into(),
            expressions: Expressions::default().destination_in(subnet).masquerade_fully_random(),
        }],
    });
    std::iter::once(base).chain(of_subnets)
}

fn postrouting_rules() -> [Rule; 2] {
    let [v4, v6] = MAPS;
    let look_up = |version, map: Map| {
        Expressions::default().of_translated().of_version(version).verdict_of(map.key, map.name)
    };
    [
        Rule { comment: "translated, from IPv4 pods".into(), expressions: look_up(IpVersion::V4, v4) },
        Rule { comment: "translated, from IPv6 pods".into(), expressions: look_up(IpVersion::V6, v6) },
    ]
}

/// What an element is about, for people.
pub(super) fn describe(key: &[u8]) -> String {
    let address = super::expression::address(key).map(|address| address.to_string());
    format!("services of neighbours for {}", address.unwrap_or_default())
}
