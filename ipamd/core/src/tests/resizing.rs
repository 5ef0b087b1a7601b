//! Asking for more and giving back, with what the source makes of it.

use crate::testing::{Recorded, ip, offer, secs};
use crate::{Batches, Family, Offer, Resized, Scaling, Settings, State, Warm};

fn settings(scaling: Scaling) -> Settings {
    Settings { scaling, ..Settings::default() }
}

fn batches() -> Scaling {
    Scaling::Thresholds(Batches::new(4, 50, 150, 16))
}

fn resize(node: &mut Recorded, now: u64) -> Option<Resized> {
    node.pool.resize(None, secs(now), &mut node.events)
}

#[test]
fn an_empty_pool_asks_for_a_batch_and_says_that_it_grows() {
    let mut node = Recorded::new(settings(batches()), &[]);
    assert!(!node.pool.is_growing(Family::V4));
    assert_eq!(resize(&mut node, 1), Some(Resized { requested: 4, returned: vec![] }));
    assert_eq!(resize(&mut node, 1), None);
    assert!(node.pool.is_growing(Family::V4) && !node.pool.can_assign());
    node.supply(&["10.0.0.0/30"], secs(2));
    assert!(!node.pool.is_growing(Family::V4) && node.pool.can_assign());
    node.assert_same(&node.replayed(secs(2)));
}

#[test]
fn what_the_source_remembers_as_going_back_goes_back_but_for_what_is_held() {
    let mut node = Recorded::new(settings(batches()), &["10.0.0.0/30"]);
    node.assign("a", secs(1)).unwrap();
    let named = ["10.0.0.0", "10.0.0.2", "192.0.2.1"].map(ip);
    node.pool.set_returned(named, secs(2), &mut node.events);
    assert_eq!(node.pool.pending_release().collect::<Vec<_>>(), [ip("10.0.0.2")]);
    assert_eq!(node.pool.counts(Family::V4).assigned, 1);
    node.assert_same(&node.replayed(secs(2)));
}

#[test]
fn a_refusal_says_whether_waiting_helps() {
    let mut node = Recorded::new(settings(batches()), &["10.0.0.0/32"]);
    node.pool.set_requested(1, &mut node.events);
    node.assign("a", secs(1)).unwrap();
    assert!(!node.assign("b", secs(1)).unwrap_err().may_pass());
    assert_eq!(resize(&mut node, 1).unwrap().requested, 4);
    assert!(node.assign("b", secs(1)).unwrap_err().may_pass());
}

#[test]
fn what_is_given_back_is_what_was_never_usable_then_the_longest_unused_and_nobody_gets_it_again() {
    let mut node = Recorded::new(settings(batches()), &["10.0.0.0/29"]);
    let coming = Offer { programmed: false, ..offer("10.0.0.16/31") };
    node.pool.supply(&[offer("10.0.0.0/29"), coming.clone()], secs(0), &mut node.events).unwrap();
    node.pool.set_requested(10, &mut node.events);
    for container in ["a", "b", "c"] {
        node.assign(container, secs(1)).unwrap();
    }
    node.release("a", secs(2));
    // 7 are free or cool down, 6 are too many; but only after the delay, and what cools down does not count.
    assert_eq!(resize(&mut node, 10), None);
    assert_eq!(resize(&mut node, 40), None);
    assert_eq!(resize(&mut node, 69), None);
    let resized = resize(&mut node, 100).unwrap();
    assert_eq!(resized, Resized { requested: 8, returned: vec![ip("10.0.0.16"), ip("10.0.0.17")] });
    let resized = resize(&mut node, 100).unwrap();
    assert_eq!(resized.returned, ["10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"].map(ip));
    assert_eq!(node.pool.pending_release().count(), 6);
    assert_eq!(resize(&mut node, 200), None);
    node.assert_same(&node.replayed(secs(200)));
    node.assert_same(&node.restored(secs(200)));

    for address in &resized.returned {
        assert_eq!(node.pool.get(*address).unwrap().state(), State::PendingRelease);
    }
    assert_eq!(node.assign("d", secs(200)).unwrap(), [ip("10.0.0.7")]);
    assert_eq!(node.assign("e", secs(200)).unwrap(), [ip("10.0.0.0")]);
    assert!(node.assign("f", secs(200)).is_err());
    node.supply(&["10.0.0.0/30", "10.0.0.7/32"], secs(201));
    assert_eq!(node.pool.pending_release().collect::<Vec<_>>(), [ip("10.0.0.3")]);
}

#[test]
fn a_pause_in_having_too_many_begins_the_delay_anew() {
    let warm = Warm { warm: 2, minimum: 0, group: 1, max: 16 };
    let mut node = Recorded::new(settings(Scaling::Warm(warm)), &["10.0.0.0/30"]);
    node.pool.set_requested(4, &mut node.events);
    assert_eq!(resize(&mut node, 0), None);
    node.assign("a", secs(50)).unwrap();
    node.assign("b", secs(50)).unwrap();
    assert_eq!(resize(&mut node, 50), None);
    node.release("a", secs(51));
    assert_eq!(resize(&mut node, 81), None);
    assert_eq!(resize(&mut node, 140), None);
    assert_eq!(resize(&mut node, 141).unwrap().returned.len(), 1);
}

#[test]
fn a_whole_step_that_cannot_be_done_is_not_begun() {
    let demand = Scaling::Demand(Batches::new(4, 50, 150, 16));
    let settings = Settings { release_delay: secs(0), ..settings(demand) };
    let mut node = Recorded::new(settings, &["10.0.0.0/30", "10.0.0.4/32"]);
    node.assign("a", secs(1)).unwrap();
    node.assign("b", secs(1)).unwrap();
    // Eight were asked for, five are here, three of them free: four cannot be given back.
    node.pool.set_requested(8, &mut node.events);
    let before = node.events.len();
    assert_eq!(resize(&mut node, 2), None);
    assert_eq!(node.events.len(), before);
    node.supply(&["10.0.0.0/29"], secs(3));
    let resized = resize(&mut node, 3).unwrap();
    assert_eq!((resized.requested, resized.returned.len()), (4, 4));
}
