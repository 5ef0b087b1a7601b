//! Masquerading: what a pod sends to anywhere but its own subnet leaves with the node's address.
//!
//! ```text
//! map masq4 { type ipv4_addr : verdict                and masq6, for IPv6
//!     elements = { 10.244.1.5 comment "OWNER ALIAS" : jump masq-10.244.1.0-24 } }
//! chain postrouting { type nat hook postrouting priority srcnat
//!     ip saddr vmap @masq4
//!     ip6 saddr vmap @masq6 }
//! chain masq-10.244.1.0-24 {                          one a pod subnet
//!     ip daddr 10.244.1.0/24 return
//!     ip daddr 224.0.0.0/4 return                     multicast, ff00::/8 for IPv6
//!     masquerade fully-random }
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{
    address_map,
    element::{Element, Value},
    expression::{Expressions, IpVersion, Verdict},
    layout::{Chain, TABLE},
    subnet_chain_name,
    table::{Hook, Map, Rule},
};

/// The masqueraded pods' addresses.
pub(super) const MAPS: [Map; 2] = address_map::by_source(["masq4", "masq6"]);

/// `NF_INET_POST_ROUTING`, at the priority that `nft` calls `srcnat` (`NF_IP_PRI_NAT_SRC`).
pub(super) const SOURCE_NAT: Hook = Hook { kind: "nat", number: 4, priority: 100 };

/// The groups of IPv4 and IPv6.
pub(super) const MULTICAST: [IpNet; 2] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 4)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8)),
];

/// The chain of a pod subnet.
pub(super) fn chain_name(subnet: IpNet) -> String {
    subnet_chain_name("masq", subnet)
}

/// The map and the element of a pod's address.
pub(super) fn element(address: IpNet, comment: &str) -> (Map, Element) {
    address_map::element(MAPS, address, Value::Jump(chain_name(address)), comment)
}

/// The chains that pods of these subnets need.
pub(super) fn chains(subnets: impl IntoIterator<Item = IpNet>) -> impl Iterator<Item = Chain> {
    let base = Chain {
        table: TABLE,
        name: "postrouting".to_owned(),
        hook: Some(SOURCE_NAT),
        rules: postrouting_rules().into(),
    };
    let of_subnets = subnets.into_iter().map(|subnet| Chain {
        table: TABLE,
        name: chain_name(subnet),
        hook: None,
        rules: subnet_rules(subnet).into(),
    });
    std::iter::once(base).chain(of_subnets)
}

fn postrouting_rules() -> [Rule; 2] {
    let [v4, v6] = MAPS;
    let look_up =
        |version, map: Map| Expressions::default().of_version(version).verdict_of(map.key, map.name);
    [
        Rule { comment: "masqueraded IPv4 pods".into(), expressions: look_up(IpVersion::V4, v4) },
        Rule { comment: "masqueraded IPv6 pods".into(), expressions: look_up(IpVersion::V6, v6) },
    ]
}

fn subnet_rules(subnet: IpNet) -> [Rule; 3] {
    let [multicast4, multicast6] = MULTICAST;
    let multicast = if subnet.addr().is_ipv4() { multicast4 } else { multicast6 };
    let unchanged = |net| Expressions::default().destination_in(net).verdict(Verdict::Return);
    [
        Rule { comment: "to the pod subnet".into(), expressions: unchanged(subnet) },
        Rule { comment: "to a multicast group".into(), expressions: unchanged(multicast) },
        Rule {
            comment: "to anywhere else".into(),
            expressions: Expressions::default().masquerade_fully_random(),
        },
    ]
}

/// What an element is about, for people.
pub(super) fn describe(key: &[u8]) -> String {
    let address = super::expression::address(key).map(|address: IpAddr| address.to_string());
    format!("masquerade of {}", address.unwrap_or_default())
}
