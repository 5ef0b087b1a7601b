//! A node's year: pods come and go by day and night, the source and the daemon have their accidents.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::testing::{Recorded, key, offer, secs};
use crate::{Batches, Family, Offer, Pool, Released, Scaling, Settings};

/// A deterministic sequence without a pattern (Knuth's linear congruential generator).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A source that does what it is asked some time later: addresses 10.0.x.y by number.
#[derive(Default)]
struct Source {
    offered: Vec<u32>,
    next: u32,
}

impl Source {
    fn follow(&mut self, pool: &Pool) {
        let returned: Vec<_> = pool.pending_release().collect();
        self.offered.retain(|number| !returned.contains(&address(*number)));
        while self.offered.len() < pool.requested() as usize {
            self.offered.push(self.next);
            self.next = (self.next + 1) % 4096;
        }
    }

    fn offers(&self) -> Vec<Offer> {
        self.offered.iter().map(|number| offer(&format!("{}/32", address(*number)))).collect()
    }
}

fn name(pod: u64) -> String {
    format!("pod-{pod}")
}

fn address(number: u32) -> IpAddr {
    let [_, _, high, low] = number.to_be_bytes();
    IpAddr::from([10, 0, high, low])
}

#[test]
fn in_a_simulated_year_nothing_is_lost_doubled_leaked_or_reused_too_soon() {
    let scaling = Scaling::Thresholds(Batches::new(16, 50, 150, 250));
    let settings = Settings { scaling, ..Settings::default() };
    let mut node = Recorded::new(settings, &[]);
    let (mut dice, mut source) = (Dice(7), Source::default());
    let mut pods: BTreeMap<u64, IpAddr> = BTreeMap::new();
    let mut released: BTreeMap<IpAddr, Duration> = BTreeMap::new();
    let mut born = 0;
    let (mut now, mut steps, mut resizes, mut refusals) = (secs(0), 0_u64, 0_u64, 0_u64);
    let year = secs(365 * 24 * 3600);
    while now < year {
        steps += 1;
        // Some steps follow within the cool-down, most do not.
        now += secs(if dice.below(3) == 0 { dice.below(20) } else { dice.below(3600) });
        // Pods wanted: few by night, many by day, a burst now and then.
        let hour = now.as_secs() / 3600 % 24;
        let wanted =
            if (8..20).contains(&hour) { 120 } else { 30 } + if dice.below(50) == 0 { 100 } else { 0 };
        for _ in 0..dice.below(20) {
            if (pods.len() as u64) < wanted {
                let skipped = node.pool.cool_downs_skipped();
                match node.assign(&name(born), now) {
                    Err(_) => refusals += 1,
                    Ok(addresses) => {
                        assert!(
                            !pods.values().any(|held| *held == addresses[0]),
                            "{} is doubled",
                            addresses[0]
                        );
                        let rested =
                            released.get(&addresses[0]).is_none_or(|at| now >= *at + settings.cool_down);
                        assert!(
                            rested || node.pool.cool_downs_skipped() > skipped,
                            "{} was not cool",
                            addresses[0]
                        );
                        pods.insert(born, addresses[0]);
                        born += 1;
                    }
                }
            } else if let Some((pod, address)) = pods.pop_first() {
                let outcome = node.pool.release(&key(&name(pod)), now, &mut node.events);
                assert!(matches!(outcome, Released::Freed(_)), "{outcome:?}");
                released.insert(address, now);
            }
        }
        while node.pool.resize(None, now, &mut node.events).is_some() {
            resizes += 1;
        }
        if dice.below(3) > 0 {
            source.follow(&node.pool);
        }
        if dice.below(10) == 0 || node.pool.is_growing(Family::V4) {
            // Now and then it is wrong for a moment: half of its addresses are missing.
            if dice.below(50) == 0 {
                let half = source.offers().split_off(source.offered.len() / 2);
                node.pool.supply(&half, now, &mut node.events).unwrap();
            }
            node.pool.supply(&source.offers(), now, &mut node.events).unwrap();
        }
        // The daemon is killed: by its events, or by a snapshot and those after it.
        if dice.below(100) == 0 {
            let (mut again, conflicts) = Pool::replay(settings, std::mem::take(&mut node.events));
            assert_eq!(conflicts, []);
            again.tick(now);
            node.pool.tick(now);
            node.assert_same(&again);
            node.events = again.snapshot();
            node.pool = again;
        }
        assert_eq!(node.pool.counts(Family::V4).assigned, pods.len());
        assert!(node.pool.requested() <= 250);
    }
    for (pod, address) in &pods {
        let key = key(&name(*pod));
        assert_eq!(node.pool.holder(&key).unwrap().addresses.iter().collect::<Vec<_>>(), [*address]);
    }
    // Some batches a day follow the pods; a rule that oscillates would take one at each step.
    assert!(resizes < steps / 2, "{resizes} of {steps}");
    assert!(refusals < steps, "{refusals} of {steps}");
}
