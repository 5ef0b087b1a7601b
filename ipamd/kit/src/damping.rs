//! How often rules are repaired that another program keeps changing.
//!
//! A bucket of repairs: a burst is repaired at once, and what goes on after it at a steady, low rate. Changes of the
//! configuration are no repairs.

use std::time::{Duration, Instant};

/// Repairs that are made at once.
const BURST: u32 = 20;

/// The time after which one more may be made.
const REFILL: Duration = Duration::from_millis(500);

/// The bucket.
#[derive(Debug)]
pub struct Damper {
    tokens: u32,
    refilled: Instant,
}

impl Damper {
    /// A full one.
    pub fn new(now: Instant) -> Self {
        Self { tokens: BURST, refilled: now }
    }

    /// Takes a repair out of the bucket. An error is the time after which there is one again.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let elapsed = now.saturating_duration_since(self.refilled);
        let refills = u32::try_from(elapsed.as_millis() / REFILL.as_millis()).unwrap_or(u32::MAX);
        self.tokens = self.tokens.saturating_add(refills).min(BURST);
        self.refilled = if self.tokens == BURST { now } else { self.refilled + REFILL * refills };
        if self.tokens == 0 {
            return Err(REFILL.saturating_sub(now.saturating_duration_since(self.refilled)));
        }
        self.tokens -= 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_is_repaired_and_a_storm_is_not() {
        let start = Instant::now();
        let mut damper = Damper::new(start);
        assert!((0..BURST).all(|_| damper.take(start).is_ok()));
        let wait = damper.take(start).unwrap_err();
        assert_eq!(wait, REFILL);
        assert!(damper.take(start + wait).is_ok());
        assert!(damper.take(start + wait).is_err());
        assert!(damper.take(start + Duration::from_hours(1)).is_ok());
    }

    proptest! {
        /// In no time are there more repairs than the burst and the refills, and who waits as told is served.
        #[test]
        fn never_more_than_promised(gaps in prop::collection::vec(0_u64..2000, 1..200)) {
            let start = Instant::now();
            let (mut damper, mut now, mut taken) = (Damper::new(start), start, 0_u128);
            for gap in gaps {
                now += Duration::from_millis(gap);
                match damper.take(now) {
                    Ok(()) => taken += 1,
                    Err(wait) => {
                        prop_assert!(wait <= REFILL);
                        now += wait;
                        prop_assert!(damper.take(now).is_ok());
                        taken += 1;
                    }
                }
                let refills = (now - start).as_millis() / REFILL.as_millis();
                prop_assert!(taken <= u128::from(BURST) + refills);
            }
        }
    }
}
