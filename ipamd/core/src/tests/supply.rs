//! Addresses come, are programmed, and go.

use crate::pool::LARGEST_POOL;
use crate::testing::{Recorded, by_ipam, ip, offer, request, secs, settings};
use crate::{
    Addresses, Attachment, Event, Family, Holder, Offer, Pool, Refused, Settings, State, SupplyChange,
    SupplyError,
};

#[test]
fn an_address_that_vanishes_while_assigned_is_kept_and_flagged_and_goes_when_released() {
    let mut node = Recorded::new(settings(30), &["10.0.0.0/30"]);
    let address = node.assign("a", secs(1)).unwrap()[0];
    node.supply(&["10.0.0.2/31"], secs(2));
    assert_eq!(node.pool.orphaned().collect::<Vec<_>>(), [address]);
    assert_eq!(node.pool.counts(Family::V4).total(), 3);
    assert_eq!(node.assign("a", secs(3)).unwrap(), [address]);

    node.release("a", secs(4));
    assert_eq!(node.pool.orphaned().count(), 0);
    let left = |node: &mut Recorded, now| {
        node.pool.tick(secs(now));
        node.pool.get(address).map(|slot| (slot.state(), slot.is_offered()))
    };
    assert_eq!(left(&mut node, 33), Some((State::CoolingDown, false)));
    assert_eq!(left(&mut node, 34), None);
}

#[test]
fn an_address_that_is_back_in_time_is_as_if_it_had_never_gone() {
    let mut node = Recorded::new(settings(30), &["10.0.0.0/31"]);
    let [held, released] = ["a", "b"].map(|container| node.assign(container, secs(1)).unwrap()[0]);
    node.release("b", secs(2));
    let before = node.pool.clone();
    node.supply(&[], secs(3));
    assert_eq!(node.assign("c", secs(3)), Err(Refused::Empty));
    node.supply(&["10.0.0.0/31"], secs(4));
    node.assert_same(&before);
    assert_eq!(node.pool.get(held).unwrap().state(), State::Assigned);
    assert_eq!(node.pool.get(released).unwrap().state(), State::CoolingDown);
}

#[test]
fn an_address_is_assigned_once_it_is_programmed() {
    let mut node = Recorded::new(Settings::default(), &[]);
    let supply = |node: &mut Recorded, programmed| {
        let offers = [Offer { programmed, ..offer("10.0.0.0/31") }];
        node.pool.supply(&offers, secs(1), &mut node.events).unwrap()
    };
    assert_eq!(supply(&mut node, false), SupplyChange { added: 2, ..SupplyChange::default() });
    let refused = node.assign("a", secs(1)).unwrap_err();
    assert!(refused.may_pass());
    assert_eq!(
        refused.to_string(),
        "no free IPv4 address among 2: 0 assigned, 0 cooling down, 2 being programmed, 0 being given back; more are on their way"
    );
    assert_eq!(supply(&mut node, true), SupplyChange { programmed: 2, ..SupplyChange::default() });
    node.assign("a", secs(1)).unwrap();
    // An older document does not take that back.
    assert_eq!(supply(&mut node, false), SupplyChange::default());
    assert_eq!(node.pool.counts(Family::V4).available, 1);
}

#[test]
fn offering_the_same_again_changes_nothing_and_says_nothing() {
    let mut node = Recorded::new(Settings::default(), &["10.0.0.0/24", "10.0.2.0/25", "10.0.2.128/25"]);
    let events = node.events.len();
    // However it is cut.
    node.supply(&["10.0.2.0/24", "10.0.0.128/25", "10.0.0.0/25", "10.0.0.7/32"], secs(9));
    assert_eq!(node.events.len(), events);
}

#[test]
fn a_block_is_one_event_and_single_addresses_next_to_each_other_are_a_block() {
    let singles: Vec<_> = (0..=255).map(|last| format!("10.0.0.{last}/32")).collect();
    let mut node =
        Recorded::new(Settings::default(), &singles.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(node.events.len(), 1);
    node.supply(&["10.0.0.0/25"], secs(1));
    let gone = Event::Withdrawn { block: "10.0.0.128/25".parse().unwrap(), at: secs(1) };
    assert_eq!(node.events[1..], [gone]);
}

#[test]
fn an_address_moves_to_another_network_container_with_its_holder() {
    let mut node = Recorded::new(Settings::default(), &["10.0.0.0/31"]);
    node.assign("a", secs(1)).unwrap();
    let moved = Offer { container: "nc2".into(), ..offer("10.0.0.0/31") };
    node.pool.supply(&[moved], secs(2), &mut node.events).unwrap();
    let again = node.pool.assign(request("a", secs(3)), secs(3), &mut node.events).unwrap();
    assert!(again.existing);
    assert_eq!(&*again.grants[0].container, "nc2");
}

#[test]
fn more_addresses_than_a_pool_takes_are_refused_whole() {
    let mut node = Recorded::new(Settings::default(), &["10.0.0.0/30"]);
    let before = node.pool.clone();
    for block in ["fd00::/64", "::/0", "0.0.0.0/0"] {
        let offers = [offer("10.1.0.0/24"), offer(block)];
        let refused = node.pool.supply(&offers, secs(1), &mut node.events).unwrap_err();
        let SupplyError::TooMany { block: named, offered } = refused;
        assert_eq!((named.to_string().as_str(), offered > LARGEST_POOL as u128), (block, true));
    }
    node.assert_same(&before);
    node.supply(&["10.0.0.0/16", "10.1.0.0/16"], secs(1));
    assert_eq!(node.pool.counts(Family::V4).total(), LARGEST_POOL);
}

#[test]
fn what_the_kernel_shows_is_adopted_and_a_contradiction_named() {
    let mut node = Recorded::new(Settings::default(), &[]);
    let claim = |container, address: &str| Holder {
        attachment: Attachment::new(&by_ipam(container, "eth0")).unwrap().into(),
        addresses: Addresses::from_list([ip(address)]).unwrap(),
    };
    let adopt = |node: &mut Recorded, container, address| {
        node.pool.adopt(claim(container, address), secs(1), &mut node.events)
    };
    adopt(&mut node, "a", "10.0.0.1").unwrap();
    adopt(&mut node, "a", "10.0.0.1").unwrap();
    assert_eq!(node.events.len(), 1);
    // The source has not spoken yet.
    assert_eq!(node.pool.orphaned().collect::<Vec<_>>(), [ip("10.0.0.1")]);

    let conflict = adopt(&mut node, "b", "10.0.0.1").unwrap_err();
    assert_eq!(conflict.to_string(), "b eth0 has 10.0.0.1, which a eth0 holds");
    let conflict = adopt(&mut node, "a", "10.0.0.2").unwrap_err();
    assert_eq!(conflict.to_string(), "a eth0 has other addresses than those it holds");

    node.supply(&["10.0.0.0/30"], secs(2));
    assert_eq!(node.pool.orphaned().count(), 0);
    assert_eq!(node.assign("a", secs(3)).unwrap(), [ip("10.0.0.1")]);
    node.assert_same(&node.replayed(secs(3)));
}

#[test]
fn replayed_an_address_goes_when_it_went() {
    let mut node = Recorded::new(settings(30), &["10.0.0.0/32"]);
    node.assign("a", secs(1)).unwrap();
    node.release("a", secs(2));
    node.supply(&[], secs(50));
    // Gone, and seen in use all the same: nothing is known of it.
    let attachment = Attachment::new(&by_ipam("b", "eth0")).unwrap().into();
    let claim = Holder { attachment, addresses: Addresses::from_list([ip("10.0.0.0")]).unwrap() };
    node.pool.adopt(claim, secs(51), &mut node.events).unwrap();
    node.assert_same(&node.replayed(secs(52)));
}

#[test]
fn of_two_owners_of_one_address_the_earlier_stays() {
    let assigned = |container, address: &str| Event::Assigned {
        attachment: Attachment::new(&by_ipam(container, "eth0")).unwrap().into(),
        addresses: Addresses::from_list([ip(address)]).unwrap(),
        at: secs(1),
    };
    let events = [assigned("a", "10.0.0.1"), assigned("b", "10.0.0.1"), assigned("c", "10.0.0.2")];
    let (pool, conflicts) = Pool::replay(Settings::default(), events);
    let conflicts: Vec<_> = conflicts.iter().map(ToString::to_string).collect();
    assert_eq!(conflicts, ["b eth0 has 10.0.0.1, which a eth0 holds"]);
    let mut containers: Vec<_> = pool.holders().map(|holder| holder.attachment.key().container()).collect();
    containers.sort_unstable();
    assert_eq!(containers, ["a", "c"]);
}
