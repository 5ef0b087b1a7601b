//! How long to wait after a failure.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// The first pause.
const SHORTEST: Duration = Duration::from_millis(500);

/// What pauses double up to.
const LONGEST: Duration = Duration::from_secs(30);

/// Pauses that double with each failure, each with its second half left to chance: a thousand nodes that lost the server in
/// one moment must not come back in one moment.
#[derive(Debug, Default)]
pub struct Pace {
    failures: u32,
}

impl Pace {
    /// It went well: the next failure is the first.
    pub fn well(&mut self) {
        self.failures = 0;
    }

    /// It failed: how long to wait before the next attempt.
    pub fn failed(&mut self) -> Duration {
        let doubled = SHORTEST.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let half = doubled / 2;
        half + half.mul_f64(chance())
    }
}

/// Anything from 0 to 1.
pub(super) fn chance() -> f64 {
    let bits = u32::try_from(RandomState::new().build_hasher().finish() >> 32).unwrap_or_default();
    f64::from(bits) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew() {
        let mut pace = Pace::default();
        for expected in [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            let (longest, pause) = (Duration::from_millis(expected), pace.failed());
            assert!(longest / 2 <= pause && pause <= longest, "{pause:?} of {longest:?}");
        }
        for _ in 0..100 {
            assert!(pace.failed() <= LONGEST);
        }
        pace.well();
        assert!(pace.failed() <= SHORTEST);
    }
}
