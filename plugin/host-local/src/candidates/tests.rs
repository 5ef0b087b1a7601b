//! The order of candidates: by example, and against a naive model.

use std::convert::Infallible;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::testing::{ip, sets};

/// A pool in 10.0.0.0/24 (gateway .1, which is free to lie in a range) of the ranges `first-last`.
fn pool(ranges: &[(u8, u8)]) -> RangeSet {
    let range = |&(first, last): &(u8, u8)| json!({ "subnet": "10.0.0.0/24", "rangeStart": format!("10.0.0.{first}"), "rangeEnd": format!("10.0.0.{last}") });
    let ranges: Vec<_> = ranges.iter().map(range).collect();
    sets(&json!([ranges])).remove(0)
}

fn host(last_octet: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last_octet])
}

fn order(set: &RangeSet, last_reserved: Option<IpAddr>) -> Vec<IpAddr> {
    set.candidates(last_reserved).map(|candidate| candidate.address).collect()
}

/// The ranges, the cursor, and the order that follows.
type Case<'a> = (&'a [(u8, u8)], Option<u8>, &'a [u8]);

#[test]
fn round_robin() {
    let two = [(2, 4), (10, 12)];
    let cases: [Case<'_>; 11] = [
        (&[(1, 4)], None, &[2, 3, 4]),
        (&[(1, 4)], Some(2), &[3, 4, 2]),
        (&[(1, 4)], Some(4), &[2, 3, 4]),
        // A cursor that no longer lies in the range, or on its gateway.
        (&[(1, 4)], Some(200), &[2, 3, 4]),
        (&[(1, 4)], Some(1), &[2, 3, 4]),
        (&[(5, 5)], Some(5), &[5]),
        (&[(1, 1)], None, &[]),
        // Ranges are used in the order of the configuration, and the cursor's own is entered twice.
        (&two, None, &[2, 3, 4, 10, 11, 12]),
        (&two, Some(3), &[4, 10, 11, 12, 2, 3]),
        (&two, Some(4), &[10, 11, 12, 2, 3, 4]),
        (&two, Some(11), &[12, 2, 3, 4, 10, 11]),
    ];
    for (ranges, cursor, want) in cases {
        let want: Vec<_> = want.iter().map(|&octet| host(octet)).collect();
        assert_eq!(order(&pool(ranges), cursor.map(host)), want, "{ranges:?} after {cursor:?}");
    }
}

#[test]
fn the_top_of_a_family_is_no_cliff() {
    let v4 = &sets(&json!([[{ "subnet": "255.255.255.252/30" }]]))[0];
    assert_eq!(order(v4, Some(ip("255.255.255.254"))), [ip("255.255.255.254")]);
    let top = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let v6 = &sets(&json!([[{ "subnet": "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc/126" }]]))[0];
    let before = ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe");
    assert_eq!(order(v6, Some(ip(top))), [before, ip(top)]);
    assert_eq!(order(v6, Some(before)), [ip(top), before]);
}

#[test]
fn an_ipv6_range_is_not_counted() {
    let set = &sets(&json!([[{ "subnet": "::/0", "gateway": "fd00::3" }]]))[0];
    let after = |last| set.candidates(Some(ip(last))).next().map(|candidate| candidate.address);
    assert_eq!(after("fd00::2"), Some(ip("fd00::4")));
    assert_eq!(after("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), Some(ip("::1")));
}

#[test]
fn a_gateway_of_another_set_is_nobodys() {
    let part = |start: u8, end: u8, gateway: u8| {
        let host = |octet| format!("10.0.0.{octet}");
        json!({ "subnet": "10.0.0.0/24", "rangeStart": host(start), "rangeEnd": host(end), "gateway": host(gateway) })
    };
    let sets = sets(&json!([[part(10, 12, 2)], [part(1, 3, 11)]]));
    assert_eq!(order(&sets[0], None), [host(10), host(12)]);
    assert_eq!(order(&sets[1], None), [host(1), host(3)]);
}

#[test]
fn a_long_run_of_taken_addresses_is_listed_once() {
    let set = pool(&[(2, 254)]);
    let taken: HashSet<_> = (2..=253).map(host).collect();
    let (mut tries, mut lists) = (0, 0);
    let free = set.first_free::<Infallible>(
        None,
        |address| {
            tries += 1;
            Ok(!taken.contains(&address))
        },
        || {
            lists += 1;
            Ok(taken.clone())
        },
    );
    assert_eq!(free.unwrap().map(|candidate| candidate.address), Some(host(254)));
    assert_eq!((tries, lists), (TRIES + 1, 1));
}

/// Ranges in 10.0.0.0/24 that have nothing in common, in any order.
fn disjoint_ranges() -> impl Strategy<Value = Vec<(u8, u8)>> {
    prop::collection::btree_set(1..=254_u8, 2..=8)
        .prop_map(|bounds| {
            let bounds: Vec<_> = bounds.into_iter().collect();
            bounds.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect::<Vec<_>>()
        })
        .prop_shuffle()
}

proptest! {
    /// The model: all addresses of the ranges in order, turned so that the one after the cursor comes first.
    #[test]
    fn candidates_are_the_ranges_turned_to_the_cursor(ranges in disjoint_ranges(), cursor in any::<Option<u8>>()) {
        let all: Vec<u8> = ranges.iter().flat_map(|&(first, last)| first..=last).collect();
        let turn = cursor.and_then(|cursor| all.iter().position(|&octet| octet == cursor)).map_or(0, |at| at + 1);
        let mut want = all.clone();
        want.rotate_left(turn % all.len());
        want.retain(|&octet| octet != 1);
        let want: Vec<_> = want.into_iter().map(host).collect();
        prop_assert_eq!(order(&pool(&ranges), cursor.map(host)), want);
    }

    /// Whatever is taken, the first free candidate is found, and none only when all are taken.
    #[test]
    fn the_first_free_is_the_first_candidate_not_taken(
        ranges in disjoint_ranges(),
        cursor in any::<Option<u8>>(),
        taken in prop::collection::hash_set((1..=254_u8).prop_map(host), 0..254),
    ) {
        let set = pool(&ranges);
        let want = order(&set, cursor.map(host)).into_iter().find(|address| !taken.contains(address));
        let free = set.first_free::<Infallible>(
            cursor.map(host),
            |address| Ok(!taken.contains(&address)),
            || Ok(taken.clone()),
        );
        prop_assert_eq!(free.unwrap().map(|candidate| candidate.address), want);
    }
}
