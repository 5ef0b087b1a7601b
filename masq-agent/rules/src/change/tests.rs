//! Changes, carried out on a model of a table.

use proptest::prelude::*;

use super::*;
use crate::policy::Policy;
use crate::rule_set::{Family, Style};

/// What iptables-restore --noflush does, for the lines that a change has. A deletion of what is not there fails.
fn execute(table: &Table, change: &Change, chain: &ChainName) -> Table {
    let mut table = table.clone();
    for line in change.lines() {
        let words = words::split(line).unwrap();
        match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [declared, "-", _] if declared.strip_prefix(':') == Some(chain.as_str()) => {
                table.chain = Some(Vec::new());
            }
            ["-X", name] => {
                assert_eq!(*name, chain.as_str());
                assert_eq!(table.chain, Some(Vec::new()), "removed while it holds rules");
                assert!(
                    !table.postrouting.iter().any(|rule| is_jump(rule, chain)),
                    "removed while it is in use"
                );
                table.chain = None;
            }
            ["-D", "POSTROUTING", ..] => {
                let at =
                    table.postrouting.iter().position(|rule| *rule == words[2..]).expect("no rule to delete");
                table.postrouting.remove(at);
            }
            ["-I", "POSTROUTING", at, ..] => {
                table.postrouting.insert(at.parse::<usize>().unwrap() - 1, words[3..].to_vec());
            }
            ["-A", "POSTROUTING", ..] => table.postrouting.push(words[2..].to_vec()),
            ["-A", name, ..] if *name == chain.as_str() => {
                table.chain.as_mut().unwrap().push(words[2..].to_vec());
            }
            other => panic!("{other:?}"),
        }
    }
    table
}

fn wanted() -> RuleSet {
    let style = Style { random_fully: true, ports: "".parse().unwrap() };
    RuleSet::of(&Policy::defaults(false), Family::V4, ChainName::default(), style)
}

fn printed(wanted: &RuleSet) -> String {
    let rules: Vec<_> = wanted.rules().iter().map(|rule| format!("-A {} {rule}\n", wanted.chain)).collect();
    format!(
        "-P POSTROUTING ACCEPT\n-N {}\n-A POSTROUTING {}\n{}",
        wanted.chain,
        wanted.jump(),
        rules.concat()
    )
}

const MASQUERADE: &str = "-s 10.1.0.0/16 -j MASQUERADE";
const KUBE: &str = "-m comment --comment \"kubernetes postrouting rules\" -j KUBE-POSTROUTING";

fn table(postrouting: &[&str]) -> Table {
    let wanted = wanted();
    let mut table = Table::parse(&printed(&wanted), &wanted.chain);
    table.postrouting = postrouting.iter().map(|rule| words::split(rule).unwrap()).collect();
    table
}

fn restored(postrouting: &[&str]) -> Vec<String> {
    let (wanted, table) = (wanted(), table(postrouting));
    let after = execute(&table, &Change::between(&wanted, &table), &wanted.chain);
    after.postrouting.iter().map(|rule| words::join(rule).unwrap()).collect()
}

#[test]
fn what_is_right_is_left_alone() {
    let wanted = wanted();
    let change = Change::between(&wanted, &Table::parse(&printed(&wanted), &wanted.chain));
    assert!(change.is_empty(), "{change:?}");
}

#[test]
fn an_empty_table_gets_upstreams_transaction() {
    let text = Change::between(&wanted(), &Table::default()).to_restore();
    assert!(text.starts_with("*nat\n:IP-MASQ-AGENT - [0:0]\n-A IP-MASQ-AGENT -d 169.254.0.0/16 "), "{text}");
    assert!(text.ends_with("--dst-type LOCAL -j IP-MASQ-AGENT\nCOMMIT\n"), "{text}");
}

#[test]
fn the_jump_stands_before_what_masquerades_by_itself() {
    let jump = wanted().jump();
    assert_eq!(restored(&[]), [jump.as_str()]);
    assert_eq!(restored(&[KUBE]), [KUBE, &jump]);
    assert_eq!(restored(&[KUBE, MASQUERADE, &jump]), [KUBE, &jump, MASQUERADE]);
    assert_eq!(restored(&[KUBE, MASQUERADE]), [KUBE, &jump, MASQUERADE]);
    assert_eq!(restored(&[&jump, KUBE, MASQUERADE]), [&jump, KUBE, MASQUERADE]);
}

#[test]
fn jumps_of_both_agents_become_one_in_place() {
    let jump = wanted().jump();
    let v2 = jump.replacen("\"ip-masq", "\"\\\"ip-masq", 1).replacen("chain\"", "chain\\\"\"", 1);
    assert_eq!(restored(&[&v2, KUBE]), [&jump, KUBE]);
    assert_eq!(restored(&[KUBE, &jump, &v2, &jump]), [KUBE, &jump]);
    assert_eq!(restored(&["-j IP-MASQ-AGENT", KUBE]), [&jump, KUBE]);
}

#[test]
fn foreign_chains_are_told_from_our_own() {
    let name = ChainName::default();
    let foreign = Table::parse("-N IP-MASQ-AGENT\n-A IP-MASQ-AGENT -j ACCEPT\n", &name);
    assert!(foreign.is_foreign(&name));
    assert!(!Table::parse("-N IP-MASQ-AGENT\n", &name).is_foreign(&name));
    let tampered =
        format!("{}\n-A POSTROUTING {}", "-N IP-MASQ-AGENT\n-A IP-MASQ-AGENT -j ACCEPT", wanted().jump());
    assert!(!Table::parse(&tampered, &name).is_foreign(&name));
}

fn a_rule() -> impl Strategy<Value = String> {
    let jump = wanted().jump();
    prop_oneof![
        Just(jump.clone()),
        Just(jump.replacen("\"ip-masq", "\"\\\"ip-masq", 1).replacen("chain\"", "chain\\\"\"", 1)),
        Just("-s 1.2.3.0/24 -j IP-MASQ-AGENT".to_owned()),
        Just(MASQUERADE.to_owned()),
        Just(KUBE.to_owned()),
        Just("-d 10.0.0.0/8 -m comment --comment \"a \\\"b\\\" 'c' \\\\\" -j ACCEPT".to_owned()),
    ]
}

fn a_table() -> impl Strategy<Value = Table> {
    let rules = || prop::collection::vec(a_rule(), 0..6);
    (prop::option::of(rules()), rules(), any::<bool>()).prop_map(|(chain, postrouting, is_right)| {
        let split =
            |rules: Vec<String>| rules.iter().map(|rule| words::split(rule).unwrap()).collect::<Vec<_>>();
        let chain = if is_right { Some(split(wanted().rules())) } else { chain.map(split) };
        Table { chain, postrouting: split(postrouting) }
    })
}

fn a_policy() -> impl Strategy<Value = Policy> {
    let range = (any::<u32>(), 0_u8..=32).prop_map(|(bits, length)| {
        ipnet::IpNet::new(std::net::Ipv4Addr::from_bits(bits).into(), length).unwrap().trunc()
    });
    (prop::collection::hash_set(range, 0..12), any::<bool>()).prop_map(|(ranges, masq_link_local)| Policy {
        ranges: ranges.into_iter().filter(|range| range.to_string() != "169.254.0.0/16").collect(),
        masq_link_local,
        masq_link_local_ipv6: true,
        resync_interval: None,
    })
}

proptest! {
    #[test]
    fn a_change_carried_out_leaves_nothing_to_change(table in a_table()) {
        let wanted = wanted();
        let after = execute(&table, &Change::between(&wanted, &table), &wanted.chain);
        prop_assert!(Change::between(&wanted, &after).is_empty());
        let jumps: Vec<_> = after.postrouting.iter().filter(|rule| is_jump(rule, &wanted.chain)).collect();
        prop_assert_eq!(jumps.len(), 1);
        prop_assert_eq!(&words::join(jumps[0]), &words::split(&wanted.jump()).and_then(|words| words::join(&words)));
        let others = |table: &Table| -> Vec<Rule> {
            table.postrouting.iter().filter(|rule| !is_jump(rule, &wanted.chain)).cloned().collect()
        };
        prop_assert_eq!(others(&after), others(&table), "foreign rules in their order");
    }

    #[test]
    fn a_removal_leaves_nothing(table in a_table()) {
        let chain = ChainName::default();
        let after = execute(&table, &Change::removal(&chain, &table), &chain);
        prop_assert!(!after.has_any(&chain));
        prop_assert!(Change::removal(&chain, &after).is_empty());
    }

    #[test]
    fn rules_as_text_are_read_back(policy in a_policy(), ports in prop::sample::select(vec!["", "5", "1-10,20-40,50"])) {
        let style = Style { random_fully: true, ports: ports.parse().unwrap() };
        let wanted = RuleSet::of(&policy, Family::V4, ChainName::default(), style);
        let found = Table::parse(&printed(&wanted), &wanted.chain);
        prop_assert!(Change::between(&wanted, &found).is_empty());
        prop_assert_eq!(found.ranges(Family::V4).map(Policy::of_exempted), Some(policy));
    }

    #[test]
    fn any_text_is_survived(text in "(-A (POSTROUTING|IP-MASQ-AGENT) [ -~]{0,30}\n|.{0,40}\n){0,8}") {
        let wanted = wanted();
        let found = Table::parse(&text, &wanted.chain);
        for line in Change::between(&wanted, &found).lines() {
            prop_assert!(!line.contains('\n'));
        }
    }
}
