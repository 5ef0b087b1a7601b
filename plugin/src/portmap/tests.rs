//! The reference's rules, word by word; and what any sequence of additions and removals leaves, against a model of iptables.

use std::collections::{BTreeMap, BTreeSet};

use podnet_cni::json::decode;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::listing::Listing;
use super::rules::ContainerRules;
use super::*;
use crate::host_ports::Entry;

fn mappings(value: &Value, snat: bool) -> PortMappings {
    let entries: Vec<Entry> = decode(value).unwrap();
    PortMappings::check(&entries, snat).unwrap()
}

fn some_mappings() -> Value {
    json!([
        {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
        {"hostPort": 8081, "containerPort": 80, "protocol": "TCP", "hostIP": "127.0.0.1"},
        {"hostPort": 8080, "containerPort": 81, "protocol": "udp"},
        {"hostPort": 8083, "containerPort": 83, "protocol": "sctp", "hostIP": "2001:db8:a::1"},
        {"hostPort": 8084, "containerPort": 84, "hostIP": "0.0.0.0"},
    ])
}

fn wish<'a>(mappings: &'a PortMappings, addresses: &'a [IpNet], options: &'a Options) -> Wish<'a> {
    Wish { network: "test", container: CONTAINER, mappings, addresses, options }
}

/// The container of the reference's own tests, whose chain they name.
const CONTAINER: &str = "icee6giejonei6sohng6ahngee7laquohquee9shiGo7fohferakah3Feiyoolu2pei7ciPhoh7shaoX6vai3vuf0ahfaeng8yohb9ceu0daez5hashee8ooYai5wa3y";
const CHAIN: &str = "CNI-DN-67e92b96e692a494b6b85";

fn pods() -> [IpNet; 2] {
    ["10.1.0.2/24".parse().unwrap(), "fd01::2/64".parse().unwrap()]
}

fn lines(rules: &[Vec<String>]) -> Vec<String> {
    rules.iter().map(|words| words.join(" ")).collect()
}

#[test]
fn rules_of_iptables_are_the_references() {
    let (mappings, pods) = (mappings(&some_mappings(), true), pods());
    let options =
        Options { conditions: [vec!["-s".into(), "192.0.2.0/24".into()], Vec::new()], ..Options::default() };
    let of = |pod| ContainerRules::new(&wish(&mappings, &pods, &options), pod);
    let ipv4 = of(pods[0]);
    assert_eq!((ipv4.chain.as_str(), ipv4.mark.as_deref()), (CHAIN, Some("0x2000/0x2000")));
    let comment = rules::comment("test", CONTAINER);
    let entry = |protocol: &str, ports: &str, conditions: &str| {
        format!(
            "-m comment --comment {comment} -m multiport -p {protocol} --destination-ports {ports}{conditions} -j {CHAIN}"
        )
    };
    let conditions = " -s 192.0.2.0/24";
    assert_eq!(
        lines(&ipv4.entries),
        [
            entry("sctp", "8083", conditions),
            entry("tcp", "8080,8081,8084", conditions),
            entry("udp", "8080", conditions)
        ]
    );
    assert_eq!(
        lines(&ipv4.rules),
        [
            "-p tcp --dport 8080 -s 10.1.0.2/24 -j CNI-HOSTPORT-SETMARK",
            "-p tcp --dport 8080 -s 127.0.0.1 -j CNI-HOSTPORT-SETMARK",
            "-p tcp --dport 8080 -j DNAT --to-destination 10.1.0.2:80",
            "-p tcp --dport 8081 -d 127.0.0.1 -s 10.1.0.2/24 -j CNI-HOSTPORT-SETMARK",
            "-p tcp --dport 8081 -d 127.0.0.1 -s 127.0.0.1 -j CNI-HOSTPORT-SETMARK",
            "-p tcp --dport 8081 -d 127.0.0.1 -j DNAT --to-destination 10.1.0.2:80",
            "-p udp --dport 8080 -s 10.1.0.2/24 -j CNI-HOSTPORT-SETMARK",
            "-p udp --dport 8080 -s 127.0.0.1 -j CNI-HOSTPORT-SETMARK",
            "-p udp --dport 8080 -j DNAT --to-destination 10.1.0.2:81",
            "-p tcp --dport 8084 -s 10.1.0.2/24 -j CNI-HOSTPORT-SETMARK",
            "-p tcp --dport 8084 -s 127.0.0.1 -j CNI-HOSTPORT-SETMARK",
            "-p tcp --dport 8084 -j DNAT --to-destination 10.1.0.2:84",
        ]
    );
    let ipv6 = of(pods[1]);
    assert_eq!(lines(&ipv6.entries)[2], entry("udp", "8080", ""));
    assert_eq!(
        lines(&ipv6.rules)[4..],
        [
            "-p sctp --dport 8083 -d 2001:db8:a::1 -s fd01::2/64 -j CNI-HOSTPORT-SETMARK",
            "-p sctp --dport 8083 -d 2001:db8:a::1 -j DNAT --to-destination [fd01::2]:83",
        ]
    );
}

#[test]
fn options_change_who_is_marked_and_how() {
    let (ports, pods) = (json!([{"hostPort": 1, "containerPort": 2}]), pods());
    let rules = |snat, options: &Options, pod| {
        let mappings = mappings(&ports, snat);
        let rules = ContainerRules::new(&wish(&mappings, &pods, options), pod);
        (lines(&rules.rules), rules.mark)
    };
    let to = "-p tcp --dport 1 -j DNAT --to-destination 10.1.0.2:2";
    assert_eq!(rules(false, &Options::default(), pods[0]), (vec![to.to_owned()], None));
    let all = Options { masquerade_all: true, mark: Mark::Bit(31), ..Options::default() };
    let marked = "-p tcp --dport 1 -s 0.0.0.0/0 -j CNI-HOSTPORT-SETMARK".to_owned();
    assert_eq!(
        rules(true, &all, pods[0]),
        (vec![marked, to.to_owned()], Some("0x80000000/0x80000000".to_owned()))
    );
    let external = Options { mark: Mark::Chain("KUBE-MARK-MASQ".into()), ..Options::default() };
    let (marked, mark) = rules(true, &external, pods[1]);
    assert_eq!((marked[0].as_str(), mark), ("-p tcp --dport 1 -s fd01::2/64 -j KUBE-MARK-MASQ", None));
}

#[test]
fn many_ports_take_several_entries_and_a_long_comment_is_cut() {
    let ports: Vec<Value> = (1..=31).map(|port| json!({"hostPort": port, "containerPort": port})).collect();
    let (mappings, pods, options) = (mappings(&ports.into(), true), pods(), Options::default());
    let entries = ContainerRules::new(&wish(&mappings, &pods, &options), pods[0]).entries;
    let counts: Vec<_> = entries.iter().map(|words| words[9].split(',').count()).collect();
    assert_eq!(counts, [15, 15, 1]);
    let comment = rules::comment("test", &"x".repeat(300));
    assert_eq!((comment.len(), comment.ends_with("x...")), (256, true));
}

#[test]
fn transaction_of_nft_is_the_references() {
    let (mappings, pods) = (mappings(&some_mappings(), true), pods());
    let options =
        Options { conditions: [vec!["iifname".into(), "x".into()], Vec::new()], ..Options::default() };
    let text = nftables::addition(&wish(&mappings, &pods, &options), pods[0]);
    for line in [
        "add table ip cni_hostport { comment \"CNI portmap plugin\" ; }",
        "add chain ip cni_hostport prerouting { type nat hook prerouting priority -100 ; }",
        "add rule ip cni_hostport prerouting iifname x fib daddr type local jump hostports_all",
        "add chain ip cni_hostport masquerading { type nat hook postrouting priority 100 ; }",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
    }
    let of_container: Vec<_> =
        text.lines().filter_map(|line| line.strip_suffix(&format!(" comment \"{CONTAINER}\""))).collect();
    assert_eq!(
        of_container,
        [
            "add rule ip cni_hostport hostports tcp dport 8080 dnat to 10.1.0.2:80",
            "add rule ip cni_hostport hostports ip daddr 127.0.0.1 tcp dport 8081 dnat to 10.1.0.2:80",
            "add rule ip cni_hostport hostports udp dport 8080 dnat to 10.1.0.2:81",
            "add rule ip cni_hostport hostports tcp dport 8084 dnat to 10.1.0.2:84",
            "add rule ip cni_hostport masquerading ip saddr 10.1.0.2 ip daddr 10.1.0.2 masquerade",
            "add rule ip cni_hostport masquerading ip saddr 127.0.0.1 ip daddr 10.1.0.2 masquerade",
        ]
    );
    let ipv6 = nftables::addition(&wish(&mappings, &pods, &options), pods[1]);
    assert!(ipv6.contains(
        "add rule ip6 cni_hostport hostports ip6 daddr 2001:db8:a::1 sctp dport 8083 dnat to [fd01::2]:83"
    ));
}

/// The table nat: the rules of each chain, as lists of words.
#[derive(Debug, Clone, Default, PartialEq)]
struct Table(BTreeMap<String, Vec<Vec<String>>>);

impl Table {
    fn fresh() -> Self {
        Self(["PREROUTING", "OUTPUT", "POSTROUTING"].map(|chain| (chain.to_owned(), Vec::new())).into())
    }

    /// What `iptables-restore --noflush` does; `None` where it fails.
    fn restored(&self, text: &str) -> Option<Self> {
        let mut table = self.clone();
        for line in text.lines().filter(|line| line.starts_with('-')) {
            let mut words = split(line).into_iter();
            let (command, chain) = (words.next()?, words.next()?);
            let rule: Vec<String> = words.collect();
            match command.as_str() {
                "-N" => assert!(
                    table.0.insert(chain, rule.into_iter().map(|word| vec![word]).collect()).is_none()
                ),
                "-F" => table.0.get_mut(&chain)?.clear(),
                "-X" => {
                    let is_used = table.0.values().flatten().any(|rule| rule.last() == Some(&chain));
                    let gone = table.0.remove(&chain).filter(|rules| rules.is_empty() && !is_used);
                    gone?;
                }
                "-A" => table.0.get_mut(&chain)?.push(rule),
                "-I" => table.0.get_mut(&chain)?.insert(0, rule),
                "-D" => {
                    let rules = table.0.get_mut(&chain)?;
                    rules.remove(rules.iter().position(|found| *found == rule)?);
                }
                _ => return None,
            }
        }
        Some(table)
    }

    /// What `iptables -S` prints of it.
    fn listed(&self) -> String {
        let chains = self.0.keys().map(|chain| format!("-N {chain}\n"));
        let quoted = |word: &String| {
            if word.contains(' ') { format!("\"{}\"", listing::escaped(word)) } else { word.clone() }
        };
        let rules = self.0.iter().flat_map(|(chain, rules)| {
            rules.iter().map(move |rule| {
                format!("-A {chain} {}\n", rule.iter().map(quoted).collect::<Vec<_>>().join(" "))
            })
        });
        chains.chain(rules).collect()
    }
}

/// The words of a line, quoted or not.
fn split(line: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted, mut characters) =
        (Vec::new(), String::new(), false, line.chars());
    while let Some(character) = characters.next() {
        match character {
            '\\' if is_quoted => word.extend(characters.next()),
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(std::mem::take(&mut word)),
            other => word.push(other),
        }
    }
    words.push(word);
    words
}

proptest! {
    /// Containers come and go in any order, some twice: those that live have their rules, once, and no other has any.
    #[test]
    fn only_the_living_have_rules(steps in prop::collection::vec((0_u8..4, any::<bool>(), 1_u16..40), 1..30)) {
        let pods = pods();
        let options = Options::default();
        let mut table = Table::fresh();
        let mut alive: BTreeMap<String, ContainerRules> = BTreeMap::new();
        for (number, is_added, count) in steps {
            let container = format!("c{number}");
            let text = table.listed();
            let listing = Listing::read(&text);
            if is_added {
                let ports: Vec<Value> =
                    (1..=count).map(|port| json!({"hostPort": port, "containerPort": port})).collect();
                let mappings = mappings(&ports.into(), true);
                let wish = Wish { container: &container, ..wish(&mappings, &pods, &options) };
                let wanted = ContainerRules::new(&wish, pods[0]);
                let changes = listing.addition(&wanted);
                prop_assert_eq!(changes.touch_shared, !text.contains(rules::ENTRY_CHAIN));
                table = table.restored(&changes.text()).unwrap();
                alive.insert(container, wanted);
            } else if let Some(changes) = listing.removal(&chains_of("test", &container)) {
                prop_assert!(alive.remove(&container).is_some(), "rules of {} were left", container);
                table = table.restored(&changes.text()).unwrap();
            } else {
                prop_assert!(!alive.contains_key(&container));
            }
            let found = |chain: &str| table.0.get(chain).cloned().unwrap_or_default();
            for wanted in alive.values() {
                prop_assert_eq!(&found(&wanted.chain), &wanted.rules);
            }
            let entries: BTreeSet<_> = alive.values().flat_map(|wanted| wanted.entries.clone()).collect();
            prop_assert_eq!(found(rules::ENTRY_CHAIN).len(), entries.len());
            prop_assert_eq!(found(rules::ENTRY_CHAIN).into_iter().collect::<BTreeSet<_>>(), entries);
            let of_containers = table.0.keys().filter(|chain| chain.starts_with("CNI-DN-")).count();
            prop_assert_eq!(of_containers, alive.len());
            for chain in ["PREROUTING", "OUTPUT", "POSTROUTING", rules::SET_MARK_CHAIN, rules::MASQUERADE_CHAIN] {
                prop_assert!(found(chain).len() <= 1, "{} has {:?}", chain, found(chain));
            }
            let text = table.listed();
            let containers = Listing::read(&text).containers(rules::ENTRY_CHAIN, &rules::comment("test", ""));
            prop_assert_eq!(containers, alive.keys().cloned().collect::<Vec<_>>());
        }
    }
}
