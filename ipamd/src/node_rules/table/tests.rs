use proptest::prelude::*;

use super::*;
use crate::inventory::{Host, Inventory, Network};

fn networks(subnets: &[&str], node: Option<&str>) -> Networks {
    let network = |subnet: &&str| Network {
        id: "n".into(),
        subnet: subnet.parse().unwrap(),
        gateway: None,
        blocks: Vec::new(),
    };
    let host = Host { address: node.map(|node| node.parse().unwrap()), ..Host::default() };
    let networks = subnets.iter().map(network).collect();
    Networks::of(&Inventory { host, networks, ..Inventory::default() })
}

fn everything() -> NodeRules {
    NodeRules {
        snat: vec![Snat::Imds, Snat::AzureDns],
        block: vec![Blocked::Wireserver],
        ..NodeRules::default()
    }
}

/// As nft 1.0.6 printed it.
const PRINTED: &str = "table inet podnet-node {
\tcomment \"podnet-node schema 1\"
\tchain postrouting {
\t\ttype nat hook postrouting priority srcnat - 1; policy accept;
\t\tip saddr 10.241.0.0/16 ip daddr 169.254.169.254 tcp dport 80 fib daddr type != local snat ip to 10.224.0.4
\t\tip saddr 10.241.0.0/16 ip daddr 168.63.129.16 udp dport 53 fib daddr type != local snat ip to 10.224.0.4
\t\tip saddr 10.241.0.0/16 ip daddr 168.63.129.16 tcp dport 53 fib daddr type != local snat ip to 10.224.0.4
\t}

\tchain forward {
\t\ttype filter hook forward priority filter; policy accept;
\t\tip daddr 168.63.129.16 tcp dport 80 counter drop
\t\tip daddr 168.63.129.16 tcp dport 32526 counter drop
\t}
}
";

#[test]
fn what_nft_prints_is_what_is_wanted() {
    let networks = networks(&["10.241.0.0/16", "fd00::/64"], Some("10.224.0.4"));
    let wanted = Table::wanted(&everything(), &networks).unwrap();
    assert_eq!(Table::parse(PRINTED), wanted);
    assert_ne!(Table::parse(&PRINTED.replace("10.224.0.4", "10.224.0.5")), wanted);
    assert_ne!(Table::parse(""), wanted);
}

#[test]
fn only_translations_need_the_nodes_address() {
    let without = networks(&["10.241.0.0/16"], None);
    assert_eq!(Table::wanted(&everything(), &without), Err(NoNodeAddress));
    assert_eq!(
        Table::wanted(&everything(), &networks(&["10.241.0.0/16"], Some("fd00::4"))),
        Err(NoNodeAddress)
    );
    // Neither service has an IPv6 address.
    assert!(Table::wanted(&everything(), &networks(&["fd00::/64"], None)).is_ok());
    let blocks = NodeRules { snat: Vec::new(), ..everything() };
    assert!(Table::wanted(&blocks, &without).is_ok());
}

proptest! {
    #[test]
    fn a_script_is_read_back(subnets in prop::collection::vec((any::<u32>(), 1_u8..=32), 0..6)) {
        let subnets: Vec<String> = subnets
            .into_iter()
            .map(|(bits, length)| Ipv4Net::new(bits.into(), length).unwrap().trunc().to_string())
            .collect();
        let subnets: Vec<&str> = subnets.iter().map(String::as_str).collect();
        let wanted = Table::wanted(&everything(), &networks(&subnets, Some("10.224.0.4"))).unwrap();
        let script = wanted.to_script();
        let rules = script.lines().filter(|line| line.contains("snat ip to 10.224.0.4")).count();
        let different: BTreeSet<_> = subnets.iter().collect();
        prop_assert_eq!(rules, 3 * different.len());
        prop_assert_eq!(Table::parse(script.strip_prefix(&removal()).unwrap()), wanted);
    }
}
