//! The messages are those of `nft`, and the kernel's answers are understood.

use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;

use super::*;
use crate::{
    netlink::Reply,
    nft::{message, table},
};

/// The recorded messages by name.
fn golden() -> HashMap<&'static str, Vec<u8>> {
    let lines = include_str!("golden.txt").lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, hex)| (name, (0..hex.len()).step_by(2).map(|at| byte(&hex[at..at + 2])).collect()))
        .collect()
}

fn byte(digits: &str) -> u8 {
    u8::from_str_radix(digits, 16).unwrap()
}

/// Holds only if the request is this message, with no more and no less behind the netlink header.
fn assert_is(request: &Request, name: &str) {
    let wanted = format!("body: {:?} }}", golden()[name]);
    let found = format!("{request:?}");
    assert!(found.ends_with(&wanted), "{name}\n found {found}\nwanted {wanted}");
}

fn subnets_of_golden() -> BTreeSet<IpNet> {
    ["10.244.1.0/24", "fd00:244::/62"].map(|subnet| subnet.parse().unwrap()).into()
}

#[test]
fn table_and_maps_are_as_nft_makes_them() {
    let changes = ruleset::table_and_maps();
    let names = ["add table", "add map masq4", "add map masq6"];
    assert_eq!(changes.len(), names.len());
    changes.iter().zip(names).for_each(|(change, name)| assert_is(change, name));
}

#[test]
fn chains_and_rules_are_as_nft_makes_them() {
    let chains: Vec<_> = ruleset::chains(subnets_of_golden()).collect();
    let names: Vec<_> = chains.iter().map(|chain| &*chain.name).collect();
    assert_eq!(names, ["postrouting", "masq-10.244.1.0-24", "masq-fd00_244__-62"]);
    for chain in chains {
        let changes = chain.fill();
        assert_is(&changes[0], &format!("add chain {}", chain.name));
        let rules = &changes[2..];
        assert_eq!(rules.len(), chain.rules.len());
        for (number, rule) in rules.iter().enumerate() {
            assert_is(rule, &format!("add rule {} {number}", chain.name));
        }
    }
    assert_is(&TABLE.flush("masq-10.244.1.0-24"), "flush masq-10.244.1.0-24");
}

#[test]
fn a_chain_is_emptied_before_it_is_filled() {
    for chain in ruleset::chains(subnets_of_golden()) {
        let changes = chain.fill();
        assert_eq!(changes[1].what(), format!("empty chain {}", chain.name));
        assert!(changes[2..].iter().all(|change| change.what().starts_with("add rule")));
    }
}

#[test]
fn elements_are_as_nft_makes_and_deletes_them() {
    for (address, subnet) in [("10.244.1.5", "10.244.1.0/24"), ("fd00:244::5", "fd00:244::/62")] {
        let element = Element {
            address: address.parse().unwrap(),
            chain: ruleset::subnet_chain_name(subnet.parse().unwrap()),
            comment: "OWNER ALIAS".to_owned(),
        };
        assert_is(&insert(&element), &format!("add element {address}"));
        if element.address.is_ipv4() {
            assert_is(&delete(&element), &format!("delete element {address}"));
        }
    }
}

#[test]
fn answers_of_the_kernel_are_understood() {
    let mut golden = golden();
    let mut answer = |name| Reply { kind: 0, body: golden.remove(name).unwrap() };
    assert_eq!(table::table_comment(&answer("answer table")), Some(ruleset::SCHEMA));
    assert_eq!(table::rule_comment(&answer("answer rule")), Some("masqueraded IPv4 pods"));
    let found: Vec<_> = Element::read_all(message::attributes(&answer("answer element"))).collect();
    let owner = Owner::new("kubenet", "one", "eth0");
    let wanted: Vec<_> = elements(&owner, &["10.244.1.5/24".parse().unwrap()]).collect();
    assert_eq!(found, wanted);
}

#[test]
fn rules_of_a_chain_are_told_apart_by_their_comments() {
    for chain in ruleset::chains(subnets_of_golden()) {
        let comments: BTreeSet<_> = chain.rules.iter().map(|rule| rule.comment).collect();
        assert_eq!(comments.len(), chain.rules.len(), "{}", chain.name);
    }
}

#[test]
fn pods_of_one_subnet_share_its_chain() {
    let addresses = ["10.244.1.5/24", "10.244.1.6/24", "10.244.2.5/24"].map(|net| net.parse().unwrap());
    let wanted = ["10.244.1.0/24", "10.244.2.0/24"].map(|net| net.parse().unwrap());
    assert_eq!(subnets(&addresses), wanted.into());
}

#[test]
fn differences_name_the_table_and_the_object() {
    let address = "10.244.1.5".parse().unwrap();
    let other = Missing::OtherElement { address, comment: "x y".to_owned(), chain: "masq-a".to_owned() };
    assert_eq!(other.to_string(), "table inet podnet: 10.244.1.5 is masqueraded by masq-a for \"x y\"");
    assert_eq!(Missing::Element { address }.to_string(), "table inet podnet: 10.244.1.5 is not masqueraded");
}

fn any_subnet() -> impl Strategy<Value = IpNet> {
    let net = |(address, length)| IpNet::new(address, length).unwrap().trunc();
    let v4 = (any::<[u8; 4]>(), 0_u8..=32).prop_map(move |(octets, length)| net((octets.into(), length)));
    // Many zeros, so that addresses are written with "::" at every place.
    let groups = prop::array::uniform8(prop_oneof![Just(0_u16), any::<u16>()]);
    let v6 = (groups, 0_u8..=128).prop_map(move |(groups, length)| net((IpAddr::from(groups), length)));
    prop_oneof![v4, v6]
}

proptest! {
    #[test]
    fn a_chain_name_can_be_typed_into_nft_and_stands_for_one_subnet(a in any_subnet(), b in any_subnet()) {
        let (name, other) = (ruleset::subnet_chain_name(a), ruleset::subnet_chain_name(b));
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
        prop_assert!(name.starts_with("masq-") && name.chars().all(is_allowed), "{name}");
        prop_assert!(name.len() < 64, "{name}");
        prop_assert_eq!(a == b, name == other);
    }
}
