//! Any sequence of operations, against a model that looks at every address each time.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use proptest::prelude::*;

use crate::testing::{Recorded, key, request, secs, settings};
use crate::{Family, Offer, Pool, Refused, Released, Request, State};

const COOL_DOWN: u64 = 30;

/// What the source may offer; any subset at a time.
const BLOCKS: [(&str, &str); 5] = [
    ("nc", "10.0.0.0/30"),
    ("nc", "10.0.0.4/31"),
    ("nc", "10.0.0.6/32"),
    ("nc6", "fd00::/126"),
    ("nc6", "fd00::4/126"),
];

#[derive(Debug, Clone)]
enum Step {
    Assign(u8),
    Desire(u8, Vec<IpAddr>),
    /// Asked so many seconds ago.
    AssignLate(u8, u64),
    Release(u8),
    /// For each block, whether it is offered and programmed.
    Supply(Vec<Option<bool>>),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0..10_u8;
    let address = (0..9_u8).prop_map(|last| IpAddr::from([10, 0, 0, last]));
    let address6 = (0..9_u16).prop_map(|last| IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, last]));
    let state = prop_oneof![4 => Just(Some(true)), 1 => Just(Some(false)), 2 => Just(None)];
    prop_oneof![
        8 => who().prop_map(Step::Assign),
        2 => (who(), prop::collection::vec(prop_oneof![address, address6], 1..3)).prop_map(|(who, desired)| Step::Desire(who, desired)),
        1 => (who(), 0..40_u64).prop_map(|(who, ago)| Step::AssignLate(who, ago)),
        6 => who().prop_map(Step::Release),
        1 => prop::collection::vec(state, BLOCKS.len()).prop_map(Step::Supply),
        3 => (0..40_u64).prop_map(Step::Wait),
    ]
}

/// What the model knows of an address.
#[derive(Debug, Clone, Default)]
struct Known {
    offered: bool,
    programmed: bool,
    holder: Option<u8>,
    released: Option<Duration>,
}

#[derive(Debug, Default)]
struct Model {
    now: Duration,
    known: BTreeMap<IpAddr, Known>,
    deleted: BTreeMap<u8, Duration>,
}

impl Model {
    fn state(&self, known: &Known) -> State {
        let cools_down = |released| self.now < released + secs(COOL_DOWN);
        match known {
            Known { holder: Some(_), .. } => State::Assigned,
            Known { released: Some(released), .. } if cools_down(*released) => State::CoolingDown,
            Known { programmed: false, .. } => State::PendingProgramming,
            Known { .. } => State::Available,
        }
    }

    fn forget_withdrawn(&mut self) {
        let known = std::mem::take(&mut self.known);
        let stays = |(_, known): &(IpAddr, Known)| {
            known.offered || matches!(self.state(known), State::Assigned | State::CoolingDown)
        };
        self.known = known.into_iter().filter(stays).collect();
    }

    fn held_by(&self, who: u8) -> Vec<IpAddr> {
        self.known
            .iter()
            .filter(|(_, known)| known.holder == Some(who))
            .map(|(address, _)| *address)
            .collect()
    }

    /// What an attachment without addresses gets; none where it is refused.
    fn choice(&self, desired: &[IpAddr]) -> Option<Vec<IpAddr>> {
        let mut choice: Vec<IpAddr> = Vec::new();
        for address in desired {
            let known = self.known.get(address)?;
            let second = choice.iter().any(|other| Family::of(*other) == Family::of(*address));
            if second || self.state(known) == State::Assigned || !known.offered {
                return None;
            }
            choice.push(*address);
        }
        for family in Family::ALL {
            let of_family = || {
                self.known.iter().filter(|(address, known)| Family::of(**address) == family && known.offered)
            };
            if of_family().next().is_none() || choice.iter().any(|address| Family::of(*address) == family) {
                continue;
            }
            let in_state = |state| {
                of_family()
                    .filter(|(_, known)| self.state(known) == state)
                    .map(|(address, known)| (known.released, *address))
                    .min()
            };
            choice.push(in_state(State::Available).or_else(|| in_state(State::CoolingDown))?.1);
        }
        choice.sort();
        (!choice.is_empty()).then_some(choice)
    }

    fn supply(&mut self, states: &[Option<bool>]) {
        for known in self.known.values_mut() {
            known.offered = false;
        }
        for (block, programmed) in offered(states) {
            for address in crate::block::addresses(&block) {
                let known = self.known.entry(address).or_default();
                known.offered = true;
                known.programmed |= programmed;
            }
        }
        self.forget_withdrawn();
    }
}

fn offered(states: &[Option<bool>]) -> impl Iterator<Item = (ipnet::IpNet, bool)> {
    let blocks = BLOCKS.iter().zip(states);
    blocks.filter_map(|((_, block), state)| Some((block.parse().unwrap(), (*state)?)))
}

fn assign(node: &mut Recorded, model: &mut Model, who: u8, desired: &[IpAddr], asked: Duration) {
    let held = model.held_by(who);
    let request = Request { desired: desired.to_vec(), ..request(&name(who), asked) };
    let outcome = node.pool.assign(request, model.now, &mut node.events);
    let expected = if !held.is_empty() {
        Some(held.clone())
    } else if model.deleted.get(&who).is_some_and(|deleted| asked < *deleted) {
        assert!(matches!(outcome, Err(Refused::Deleted { .. })), "{outcome:?}");
        None
    } else {
        model.choice(desired)
    };
    let got = outcome.as_ref().ok().map(|assigned| {
        assert_eq!(assigned.existing, !held.is_empty());
        assigned.grants.iter().map(|grant| grant.address).collect::<Vec<_>>()
    });
    assert_eq!(got, expected, "{outcome:?}");
    for address in got.into_iter().flatten() {
        let known = model.known.get_mut(&address).unwrap();
        known.holder = Some(who);
        known.programmed = true;
    }
}

fn run(node: &mut Recorded, model: &mut Model, step: &Step) {
    match step {
        Step::Assign(who) => assign(node, model, *who, &[], model.now),
        Step::Desire(who, desired) => assign(node, model, *who, desired, model.now),
        Step::AssignLate(who, ago) => assign(node, model, *who, &[], model.now.saturating_sub(secs(*ago))),
        Step::Release(who) => {
            let held = model.held_by(*who);
            let outcome = node.pool.release(&key(&name(*who)), model.now, &mut node.events);
            match outcome {
                Released::Freed(holder) => assert_eq!(holder.addresses.iter().collect::<Vec<_>>(), held),
                other => assert_eq!((other, held.len()), (Released::Unknown, 0)),
            }
            for address in held {
                let known = model.known.get_mut(&address).unwrap();
                known.holder = None;
                known.released = Some(model.now);
            }
            model.deleted.insert(*who, model.now);
        }
        Step::Supply(states) => {
            let container = |block: &ipnet::IpNet| if block.addr().is_ipv4() { "nc" } else { "nc6" };
            let offers: Vec<_> = offered(states)
                .map(|(block, programmed)| Offer { container: container(&block).into(), block, programmed })
                .collect();
            node.pool.supply(&offers, model.now, &mut node.events).unwrap();
            model.supply(states);
        }
        Step::Wait(seconds) => model.now += secs(*seconds),
    }
    model.forget_withdrawn();
}

fn name(who: u8) -> String {
    format!("container-{who}")
}

fn agree(pool: &Pool, model: &Model) {
    let shown: Vec<_> =
        pool.addresses().map(|(address, slot)| (address, slot.state(), slot.is_offered())).collect();
    let expected: Vec<_> =
        model.known.iter().map(|(address, known)| (*address, model.state(known), known.offered)).collect();
    assert_eq!(shown, expected);
    let mut owned = HashSet::new();
    for holder in pool.holders() {
        for address in holder.addresses.iter() {
            assert!(owned.insert(address), "{address} has two owners");
            assert_eq!(pool.get(address).unwrap().attachment(), Some(&holder.attachment));
        }
    }
    for family in Family::ALL {
        let of =
            |state| shown.iter().filter(move |(address, s, _)| *s == state && Family::of(*address) == family);
        let counts = pool.counts(family);
        assert_eq!(counts.available, of(State::Available).count());
        assert_eq!(counts.assigned, of(State::Assigned).count());
        assert_eq!(counts.pending_programming, of(State::PendingProgramming).count());
        assert_eq!(counts.cooling_down, of(State::CoolingDown).filter(|(.., offered)| *offered).count());
        assert_eq!(counts.orphaned, of(State::Assigned).filter(|(.., offered)| !*offered).count());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_operation_does_what_the_model_says_and_its_events_tell_it_all(steps in prop::collection::vec(step(), 0..80)) {
        let mut node = Recorded::new(settings(COOL_DOWN), &[]);
        let mut model = Model { now: secs(100), ..Model::default() };
        run(&mut node, &mut model, &Step::Supply(vec![Some(true), Some(true), Some(true), Some(true), None]));
        for step in &steps {
            run(&mut node, &mut model, step);
            node.pool.tick(model.now);
            agree(&node.pool, &model);
        }
        for again in [node.replayed(model.now), node.restored(model.now)] {
            node.assert_same(&again);
        }
    }
}
