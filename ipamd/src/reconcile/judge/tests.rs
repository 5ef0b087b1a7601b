//! What a look leads to, case by case; and any life of a node against what is really there.

use std::sync::Arc;

use podnet_ipam_core::{Addresses, Attachment, Identity};
use proptest::prelude::*;

use super::*;

const GRACE: Duration = Duration::from_mins(1);

fn holder(number: u8) -> Holder {
    let container = format!("container{number}");
    let id = format!("containe-eth{number}");
    let identity = Identity {
        infra_container_id: &container,
        pod_interface_id: &id,
        interface: "eth0",
        ..Identity::default()
    };
    let addresses = Addresses::from_list([address(number)]).unwrap();
    Holder { attachment: Arc::new(Attachment::new(&identity).unwrap()), addresses }
}

fn address(number: u8) -> IpAddr {
    IpAddr::from([10, 1, 0, number])
}

fn key(number: u8) -> Key {
    holder(number).attachment.key().clone()
}

fn link(number: u8) -> Linked {
    Linked { name: format!("azv{number}"), key: key(number), holder: Some(holder(number)) }
}

fn record(number: u8, age: Duration) -> Recorded {
    Recorded { key: key(number), holder: Some(holder(number)), has_sandbox: false, age }
}

fn seen(links: Vec<Linked>, records: Vec<Recorded>) -> Sightings {
    let names = links.iter().map(|link| link.name.clone()).collect();
    Sightings { records, links, names, ..Sightings::default() }
}

fn ledger(numbers: &[u8], asked: u64) -> Ledger {
    let asked = Duration::from_secs(asked);
    Ledger {
        assignments: numbers.iter().map(|number| Assignment { holder: holder(*number), asked }).collect(),
        known: (0..=255).map(address).collect(),
    }
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn look(judge: &mut Judge, seen: &Sightings, ledger: &Ledger, now: u64) -> Verdict {
    judge.judge(seen, ledger, &[], GRACE, at(now))
}

#[test]
fn a_link_that_is_gone_costs_the_addresses_after_the_grace_period_and_not_before() {
    let mut judge = Judge::default();
    let pool = ledger(&[1], 0);
    assert_eq!(look(&mut judge, &seen(vec![link(1)], vec![]), &pool, 100), Verdict::default());
    let first = look(&mut judge, &Sightings::default(), &pool, 200);
    assert_eq!((first.missing, first.again), (vec![(holder(1), at(260))], Some(at(260))));
    assert!(look(&mut judge, &Sightings::default(), &pool, 259).gone.is_empty());
    assert_eq!(look(&mut judge, &Sightings::default(), &pool, 260).gone, pool.assignments);
}

#[test]
fn a_record_without_link_and_sandbox_is_garbage_and_one_with_a_sandbox_is_a_pod() {
    let mut judge = Judge::default();
    let pool = ledger(&[1, 2], 0);
    let garbage = |age| {
        let pod = Recorded { has_sandbox: true, ..record(2, age) };
        seen(vec![], vec![record(1, age), pod])
    };
    assert_eq!(look(&mut judge, &garbage(at(500)), &pool, 1000).missing.len(), 1);
    let gone = look(&mut judge, &garbage(at(560)), &pool, 1060).gone;
    assert_eq!(gone, [pool.assignments[0].clone()]);
}

#[test]
fn whoever_asks_again_or_has_a_young_record_gets_another_grace_period() {
    let mut judge = Judge::default();
    let old = seen(vec![], vec![record(1, at(900))]);
    look(&mut judge, &old, &ledger(&[1], 0), 1000);
    assert!(look(&mut judge, &old, &ledger(&[1], 1050), 1061).gone.is_empty());
    let young = seen(vec![], vec![record(1, at(20))]);
    assert!(look(&mut judge, &young, &ledger(&[1], 0), 1111).gone.is_empty());
    assert_eq!(look(&mut judge, &old, &ledger(&[1], 0), 1151).gone.len(), 1);
}

#[test]
fn of_what_never_showed_anything_nothing_is_concluded() {
    let mut judge = Judge::default();
    for now in [100, 1000, 10_000] {
        let verdict = look(&mut judge, &Sightings::default(), &ledger(&[1], 0), now);
        assert_eq!((verdict.unseen, verdict.gone.len(), verdict.missing.len()), (1, 0, 0));
    }
}

#[test]
fn another_clients_pod_lives_as_long_as_the_link_its_route_led_to() {
    let mut judge = Judge::default();
    let pool = ledger(&[1], 0);
    let with_link = || Sightings { names: ["azvF".to_owned()].into(), ..Sightings::default() };
    let routed = Sightings { routes: [(address(1), "azvF".to_owned())].into(), ..with_link() };
    assert_eq!(look(&mut judge, &routed, &pool, 100), Verdict::default());
    // Somebody flushed the routes.
    assert_eq!(look(&mut judge, &with_link(), &pool, 1000), Verdict::default());
    look(&mut judge, &Sightings::default(), &pool, 2000);
    assert_eq!(look(&mut judge, &Sightings::default(), &pool, 2060).gone.len(), 1);
}

#[test]
fn a_live_link_without_an_assignment_is_adopted_at_the_second_look() {
    let mut judge = Judge::default();
    let live = seen(vec![link(1)], vec![]);
    let first = look(&mut judge, &live, &ledger(&[], 0), 100);
    assert_eq!((first.forgotten.len(), first.again), (0, Some(at(102))));
    assert_eq!(look(&mut judge, &live, &ledger(&[], 0), 102).forgotten, [holder(1)]);
    // Not where the pool does not have the address: somebody else's IPAM gave it.
    let foreign = Ledger { known: HashSet::new(), ..ledger(&[], 0) };
    assert_eq!(look(&mut judge, &live, &foreign, 200), Verdict::default());
    assert_eq!(look(&mut judge, &live, &foreign, 300), Verdict::default());
}

#[test]
fn two_claims_of_an_address_are_said_and_change_nothing() {
    let mut judge = Judge::default();
    let twice = Linked { holder: Some(Holder { addresses: holder(1).addresses, ..holder(2) }), ..link(2) };
    let live = seen(vec![link(1), twice], vec![]);
    let verdict = judge.judge(&live, &ledger(&[1], 0), &[address(9)], GRACE, at(100));
    let said: Vec<String> = verdict.conflicts.iter().map(Contested::to_string).collect();
    let pods = "10.1.0.1 is claimed by container container1 and container container2";
    assert_eq!(said, [pods, "10.1.0.9 is claimed by the node itself"]);
    assert!(look(&mut judge, &live, &ledger(&[1], 0), 200).forgotten.is_empty());
}

/// What happens on a node between two looks.
#[derive(Debug, Clone)]
enum Step {
    /// ADD, complete.
    Add(u8),
    /// ADD that asks for its addresses and dies before it makes a link.
    HalfAdd(u8),
    /// DEL, complete.
    Del(u8),
    /// The pod's namespace is taken away without DEL.
    Vanish(u8),
    /// The pool loses an assignment.
    Forget(u8),
    /// Time passes, and somebody looks.
    Look(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let pod = 0..4_u8;
    prop_oneof![
        pod.clone().prop_map(Step::Add),
        pod.clone().prop_map(Step::HalfAdd),
        pod.clone().prop_map(Step::Del),
        pod.clone().prop_map(Step::Vanish),
        pod.prop_map(Step::Forget),
        (1..90_u64).prop_map(Step::Look),
        (1..90_u64).prop_map(Step::Look),
    ]
}

/// A node of four possible pods.
#[derive(Debug, Default, Clone, Copy)]
struct Pod {
    has_link: bool,
    /// When it was written.
    record: Option<u64>,
    /// When it was last asked for.
    assigned: Option<u64>,
    /// Since when it is as dead as now.
    dead: Option<u64>,
}

proptest! {
    #[test]
    fn no_living_pod_loses_its_address_and_every_dead_one_does(
        steps in proptest::collection::vec(any_step(), 0..60)
    ) {
        let mut pods = [Pod::default(); 4];
        let mut judge = Judge::default();
        let mut now = 1000;
        for step in steps.into_iter().chain([Step::Look(90), Step::Look(90), Step::Look(90)]) {
            match step {
                Step::Add(pod) => pods[usize::from(pod)] =
                    Pod { has_link: true, record: Some(now), assigned: Some(now), dead: None },
                Step::HalfAdd(pod) => {
                    let pod = &mut pods[usize::from(pod)];
                    if !pod.has_link {
                        *pod = Pod { record: Some(now), assigned: Some(now), dead: Some(now), ..*pod };
                    }
                }
                Step::Del(pod) => pods[usize::from(pod)] = Pod::default(),
                Step::Vanish(pod) => {
                    let pod = &mut pods[usize::from(pod)];
                    pod.dead = pod.dead.or(pod.has_link.then_some(now));
                    pod.has_link = false;
                }
                Step::Forget(pod) => pods[usize::from(pod)].assigned = None,
                Step::Look(seconds) => {
                    now += seconds;
                    let numbered = || (0_u8..).zip(pods);
                    let links = numbered().filter(|(_, pod)| pod.has_link).map(|(number, _)| link(number));
                    let records = numbered().filter_map(|(number, pod)| Some(record(number, at(now - pod.record?))));
                    let sightings = seen(links.collect(), records.collect());
                    let mut pool = ledger(&[], 0);
                    pool.assignments = numbered()
                        .filter_map(|(number, pod)| {
                            Some(Assignment { holder: holder(number), asked: at(pod.assigned?) })
                        })
                        .collect();
                    let verdict = look(&mut judge, &sightings, &pool, now);
                    for (number, pod) in (0_u8..).zip(&mut pods) {
                        let is_gone = verdict.gone.iter().any(|gone| gone.holder == holder(number));
                        let asked = pod.assigned.unwrap_or(now);
                        prop_assert!(!is_gone || (!pod.has_link && now - asked >= GRACE.as_secs()));
                        if is_gone {
                            pod.assigned = None;
                        }
                        if verdict.forgotten.contains(&holder(number)) {
                            prop_assert!(pod.has_link && pod.assigned.is_none());
                            pod.assigned = Some(now);
                        }
                    }
                }
            }
        }
        for pod in pods {
            // Three looks of 90 s each came last.
            prop_assert_eq!(pod.has_link, pod.assigned.is_some(), "{:?}", pod);
        }
    }
}
