//! Many at once in one directory. Every thread opens the directory and its lock for itself, as a process
//! does: flock(2) excludes open files, not processes.

use std::collections::HashSet;
use std::sync::Barrier;
use std::thread;

use serde_json::json;

use crate::testing::{Scratch, owner, sets};
use crate::{AllocateError, release, release_known};

const WORKERS: usize = 8;
const ROUNDS: usize = 40;

#[test]
fn no_address_twice_and_none_lost() {
    let scratch = Scratch::new();
    let sets = sets(&json!([[{ "subnet": "10.0.0.0/23" }], [{ "subnet": "fd00::/64" }]]));
    let start = Barrier::new(WORKERS);
    // Even rounds stay, odd ones are released again.
    let work = |worker: usize| {
        start.wait();
        let mut kept = Vec::new();
        for round in 0..ROUNDS {
            let owner = owner(&format!("w{worker}-{round}"));
            let got: Vec<_> = scratch
                .add(&sets, &owner)
                .unwrap()
                .iter()
                .map(|allocation| allocation.address.addr())
                .collect();
            match round % 4 {
                1 => assert_eq!(release_known(&scratch.store, &owner, &got).unwrap(), got),
                3 => assert_eq!(release(&scratch.store, &owner).unwrap(), got),
                _ => kept.extend(got),
            }
        }
        kept
    };
    let kept: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|worker| scope.spawn(move || work(worker))).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let mut names: Vec<_> = kept.iter().map(ToString::to_string).collect();
    names.sort();
    assert_eq!(kept.iter().collect::<HashSet<_>>().len(), WORKERS * ROUNDS);
    assert_eq!(scratch.names(), names);
}

#[test]
fn the_last_addresses_are_given_once() {
    let scratch = Scratch::new();
    let sets = sets(&json!([[{ "subnet": "10.0.0.0/28" }]]));
    let (scratch, sets) = (&scratch, &sets);
    let start = &Barrier::new(WORKERS);
    let results: Vec<_> = thread::scope(|scope| {
        let work = |worker: usize| {
            start.wait();
            (0..4).map(|round| scratch.add(sets, &owner(&format!("w{worker}-{round}")))).collect::<Vec<_>>()
        };
        let workers: Vec<_> = (0..WORKERS).map(|worker| scope.spawn(move || work(worker))).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let (given, refused): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    let given: HashSet<_> = given.into_iter().map(|result| result.unwrap()[0].address).collect();
    assert_eq!(given.len(), 13);
    assert_eq!(refused.len(), WORKERS * 4 - 13);
    assert!(refused.iter().all(|result| matches!(result, Err(AllocateError::Exhausted { .. }))));
}
