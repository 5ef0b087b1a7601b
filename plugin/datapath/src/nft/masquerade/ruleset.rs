//! The rules of masquerading, as messages; see the parent module for what they say.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::{
    netlink::Request,
    nft::{
        expression::{Expressions, IpVersion, Verdict},
        table::{Hook, INET, Rule, Table, VerdictMap},
    },
};

/// The table that holds everything of podnet's that sees IPv4 and IPv6.
pub(super) const TABLE: Table = Table { family: INET, name: "podnet" };

/// The comment of a table with this layout.
pub(super) const SCHEMA: &str = "podnet schema 1";

/// The masqueraded pods' addresses.
pub(super) const MAPS: [VerdictMap; 2] = [
    VerdictMap { name: "masq4", version: IpVersion::V4 },
    VerdictMap { name: "masq6", version: IpVersion::V6 },
];

/// The chain that sees all packets that leave.
const POSTROUTING: &str = "postrouting";

/// `NF_INET_POST_ROUTING`, at the priority that `nft` calls `srcnat` (`NF_IP_PRI_NAT_SRC`).
const SOURCE_NAT: Hook = Hook { kind: "nat", number: 4, priority: 100 };

const MULTICAST: [IpNet; 2] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 4)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8)),
];

/// The map that an address belongs into.
pub(super) fn map(address: IpAddr) -> VerdictMap {
    let [v4, v6] = MAPS;
    if address.is_ipv4() { v4 } else { v6 }
}

/// The chain of a pod subnet: `masq-10.244.1.0-24`, `masq-fd00_244__-64`. nft's grammar allows no colon in a
/// name.
pub(super) fn subnet_chain_name(subnet: IpNet) -> String {
    let network = subnet.network().to_string().replace(':', "_");
    format!("masq-{network}-{}", subnet.prefix_len())
}

fn postrouting_rules() -> [Rule; 2] {
    let [v4, v6] = MAPS;
    let look_up = |map: VerdictMap| Expressions::default().verdict_of_source(map.version, map.name);
    [
        Rule { comment: "masqueraded IPv4 pods", expressions: look_up(v4) },
        Rule { comment: "masqueraded IPv6 pods", expressions: look_up(v6) },
    ]
}

fn subnet_rules(subnet: IpNet) -> [Rule; 3] {
    let [multicast4, multicast6] = MULTICAST;
    let multicast = if subnet.addr().is_ipv4() { multicast4 } else { multicast6 };
    let unchanged = |net| Expressions::default().destination_in(net).verdict(Verdict::Return);
    [
        Rule { comment: "to the pod subnet", expressions: unchanged(subnet) },
        Rule { comment: "to a multicast group", expressions: unchanged(multicast) },
        Rule { comment: "to anywhere else", expressions: Expressions::default().masquerade_fully_random() },
    ]
}

/// Makes the table and the maps, as far as they are not there.
pub(super) fn table_and_maps() -> Vec<Request> {
    let mut changes = vec![TABLE.ensure(SCHEMA)];
    changes.extend(MAPS.into_iter().zip(1..).map(|(map, id)| TABLE.ensure_map(map, id)));
    changes
}

/// A chain and its rules.
#[derive(Debug)]
pub(super) struct Chain {
    /// The name, one in the table.
    pub(super) name: String,
    /// Where it sees packets; `None` for one that is jumped to.
    hook: Option<Hook>,
    /// The rules, in the order in which packets meet them.
    pub(super) rules: Vec<Rule>,
}

/// The chains that pods of these subnets need.
pub(super) fn chains(subnets: impl IntoIterator<Item = IpNet>) -> impl Iterator<Item = Chain> {
    let base =
        Chain { name: POSTROUTING.to_owned(), hook: Some(SOURCE_NAT), rules: postrouting_rules().into() };
    let of_subnets = subnets.into_iter().map(|subnet| Chain {
        name: subnet_chain_name(subnet),
        hook: None,
        rules: subnet_rules(subnet).into(),
    });
    std::iter::once(base).chain(of_subnets)
}

impl Chain {
    /// Makes the chain if it is not there, and its rules the only ones in it.
    pub(super) fn fill(&self) -> Vec<Request> {
        let mut changes = vec![TABLE.ensure_chain(&self.name, self.hook), TABLE.flush(&self.name)];
        changes.extend(self.rules.iter().map(|rule| TABLE.append(&self.name, rule)));
        changes
    }
}
