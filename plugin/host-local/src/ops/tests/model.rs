//! Any sequence of operations by many owners, against a map from address to owner.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use serde_json::json;

use crate::testing::{Scratch, boot, ip, owner, sets};
use crate::{
    AllocateError, Liveness, RangeSet, ReservationOwner, check, exhausted, find, gc, release, release_known,
};

#[derive(Debug, Clone)]
enum Step {
    Allocate(u8),
    Request(u8, u8),
    Release(u8),
    ReleaseKnown(u8),
    Collect(Vec<u8>),
    LoseCursor,
}

fn step() -> impl Strategy<Value = Step> {
    let owner = || 0..12_u8;
    prop_oneof![
        6 => owner().prop_map(Step::Allocate),
        2 => (owner(), 0..=16_u8).prop_map(|(owner, octet)| Step::Request(owner, octet)),
        2 => owner().prop_map(Step::Release),
        2 => owner().prop_map(Step::ReleaseKnown),
        1 => prop::collection::vec(owner(), 0..12).prop_map(Step::Collect),
        1 => Just(Step::LoseCursor),
    ]
}

/// 10.0.0.3-.5 and .8-.10 less the gateway .9, and eight addresses of IPv6.
fn pools() -> Vec<RangeSet> {
    let part = |start: &str, end: &str| json!({ "subnet": "10.0.0.0/28", "rangeStart": start, "rangeEnd": end, "gateway": "10.0.0.9" });
    sets(&json!([
        [part("10.0.0.3", "10.0.0.5"), part("10.0.0.8", "10.0.0.10")],
        [{ "subnet": "fd00::/125", "gateway": "fd00::4" }],
    ]))
}

fn may_be_given() -> [Vec<IpAddr>; 2] {
    [
        [3, 4, 5, 8, 10].map(|octet| IpAddr::from([10, 0, 0, octet])).to_vec(),
        [1, 2, 3, 5, 6, 7].map(|last| ip(&format!("fd00::{last}"))).to_vec(),
    ]
}

struct World {
    scratch: Scratch,
    sets: Vec<RangeSet>,
    model: BTreeMap<IpAddr, ReservationOwner>,
}

impl World {
    fn of(&self, owner: &ReservationOwner) -> Vec<IpAddr> {
        self.model.iter().filter(|(_, held)| *held == owner).map(|(&address, _)| address).collect()
    }

    fn allocate(&mut self, owner: &ReservationOwner, requested: &[IpAddr]) {
        match self.scratch.add_requested(&self.sets, owner, requested) {
            Ok(allocations) => {
                assert_eq!(allocations.len(), 2);
                for (allocation, pool) in allocations.iter().zip(may_be_given()) {
                    let address = allocation.address.addr();
                    assert!(pool.contains(&address), "{address} is no pod's");
                    let before = self.model.insert(address, owner.clone());
                    assert_eq!(before, None, "{address} was given twice");
                }
                assert!(requested.iter().all(|address| self.model.get(address) == Some(owner)));
            }
            Err(AllocateError::Exhausted { range_set, .. }) => {
                assert!(may_be_given()[range_set].iter().all(|address| self.model.contains_key(address)));
            }
            Err(AllocateError::RequestedTaken { address, holder, .. }) => {
                assert_eq!(self.model.get(&address).cloned().map(crate::Holder::Owner), Some(holder));
            }
            Err(AllocateError::RequestedGateway { address, .. }) => assert_eq!(address, ip("10.0.0.9")),
            Err(AllocateError::RequestedUnmatched { addresses }) => {
                assert_eq!(addresses, requested);
                assert!(!may_be_given()[0].contains(&addresses[0]) && addresses[0] != ip("10.0.0.9"));
            }
            Err(error @ AllocateError::Store(_)) => panic!("{error}"),
        }
    }

    fn take(&mut self, step: Step) {
        let name = |number: u8| owner(&format!("c{number}"));
        match step {
            Step::Allocate(number) => self.allocate(&name(number), &[]),
            Step::Request(number, octet) => self.allocate(&name(number), &[IpAddr::from([10, 0, 0, octet])]),
            Step::Release(number) => {
                let mine = self.of(&name(number));
                assert_eq!(release(&self.scratch.store, &name(number)).unwrap(), mine);
                self.model.retain(|_, held| *held != name(number));
            }
            Step::ReleaseKnown(number) => {
                // Every address there is: those of others must stay.
                let mine = self.of(&name(number));
                let mut released =
                    release_known(&self.scratch.store, &name(number), &may_be_given().concat()).unwrap();
                released.sort_unstable();
                assert_eq!(released, mine);
                self.model.retain(|_, held| *held != name(number));
            }
            Step::Collect(valid) => {
                let valid = |owner: &ReservationOwner| valid.iter().any(|&number| *owner == name(number));
                let later = SystemTime::now() + Duration::from_mins(1);
                let collected = gc(&self.scratch.store, &valid, later).unwrap();
                let garbage = self.model.extract_if(.., |_, held| !valid(held));
                assert_eq!(collected.released.into_iter().collect::<BTreeMap<_, _>>(), garbage.collect());
            }
            Step::LoseCursor => {
                std::fs::remove_file(self.scratch.store.path().join("last_reserved_ip.0")).ok();
            }
        }
    }

    fn compare(&self) {
        let mut names: Vec<_> = self.model.keys().map(ToString::to_string).collect();
        names.sort();
        assert_eq!(self.scratch.names(), names);
        for (&address, held) in &self.model {
            assert!(find(&self.scratch.store, held).unwrap().contains(&address));
            assert_eq!(check(&self.scratch.store, held, &[address]).unwrap(), []);
        }
        let liveness = Liveness { boot: boot(), is_alive: &|_| false };
        let full = may_be_given()
            .iter()
            .position(|pool| pool.iter().all(|address| self.model.contains_key(address)));
        let status = exhausted(&self.scratch.store, &self.sets, &liveness).unwrap();
        assert_eq!(status.map(|exhausted| exhausted.range_set), full);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn never_double_never_lost_and_exhausted_only_when_full(steps in prop::collection::vec(step(), 1..60)) {
        let scratch = Scratch::new();
        std::fs::create_dir(scratch.store.path()).unwrap();
        let mut world = World { scratch, sets: pools(), model: BTreeMap::new() };
        for step in steps {
            world.take(step);
            world.compare();
        }
    }
}
