//! One round of keeping: look at every place, and make of it what it has to be.
//!
//! ```text
//!  chosen place, wanted families:    look ──▶ empty: verified
//!                                         ──▶ else: (repair: ask the damper) ──▶ commit ──▶ look again
//!  chosen place, unwanted families,
//!  all other places:                 look for removal ──▶ commit          (full rounds, once the chosen place is right)
//! ```
//!
//! What is left at another place overrides the chosen one: its RETURN decides nothing where the other masquerades.

use std::time::{Duration, Instant};

use podnet_daemon_kit::damping::Damper;
use podnet_masq_rules::{ChainName, Family, Policy, RuleSet};

use crate::firewall::{Firewall, FirewallError};

/// Why a round is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The rules wanted may be others than before: what differs is no tampering.
    Configuration,
    /// Somebody changed something, or it is time to look: what differs is a repair.
    Check,
}

/// What a round did.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// What was put right, for each family.
    pub(crate) changed: Vec<(Family, Vec<&'static str>)>,
    /// What was removed from places where it does not belong: the place and the family.
    pub(crate) removed: Vec<(&'static str, Family)>,
    /// A repair that was put off, and for how long.
    pub(crate) damped: Option<Duration>,
    /// What could not be done.
    pub(crate) errors: Vec<FirewallError>,
    /// Rules of others that masquerade what is exempt.
    pub(crate) others: Vec<String>,
}

impl Round {
    /// Whether everything looked at is now as it has to be.
    pub(crate) fn is_verified(&self) -> bool {
        self.errors.is_empty() && self.damped.is_none()
    }
}

/// The places, and how often they were repaired.
pub(crate) struct Keeper {
    chosen: Box<dyn Firewall>,
    others: Vec<Box<dyn Firewall>>,
    chain: ChainName,
    damper: Damper,
}

impl Keeper {
    /// Keeps `chosen`, and keeps `others` free.
    pub(crate) fn new(
        chosen: Box<dyn Firewall>,
        others: Vec<Box<dyn Firewall>>,
        chain: ChainName,
        now: Instant,
    ) -> Self {
        Self { chosen, others, chain, damper: Damper::new(now) }
    }

    /// The policy that the rules found were made for, where they are complete.
    pub(crate) fn found_policy(&mut self, families: &[Family]) -> Option<Policy> {
        let mut exempted = Vec::new();
        for family in families {
            match self.chosen.exempted(*family, &self.chain) {
                Ok(Some(ranges)) => exempted.extend(ranges),
                Ok(None) | Err(_) => return None,
            }
        }
        Some(Policy::of_exempted(exempted))
    }

    /// A round over these families of the chosen place.
    pub(crate) fn check(&mut self, wanted: &[&RuleSet], cause: Cause, now: Instant) -> Round {
        let mut round = Round::default();
        for wanted in wanted {
            if let Err(error) = self.keep(wanted, cause, now, &mut round) {
                let is_locked = error.is_locked();
                round.errors.push(error);
                // The lock is one for both families: the next one would wait for it as long.
                if is_locked {
                    break;
                }
            }
        }
        round
    }

    /// A round over all families and places.
    pub(crate) fn check_all(&mut self, wanted: &[&RuleSet], cause: Cause, now: Instant) -> Round {
        let mut round = self.check(wanted, cause, now);
        if !round.is_verified() {
            return round;
        }
        let unwanted =
            Family::ALL.into_iter().filter(|family| wanted.iter().all(|set| set.family != *family));
        for family in unwanted {
            clear(self.chosen.as_mut(), family, &self.chain, &mut round);
        }
        for place in &mut self.others {
            for family in Family::ALL {
                clear(place.as_mut(), family, &self.chain, &mut round);
            }
        }
        round
    }

    fn keep(
        &mut self,
        wanted: &RuleSet,
        cause: Cause,
        now: Instant,
        round: &mut Round,
    ) -> Result<(), FirewallError> {
        let pending = self.chosen.look(wanted)?;
        round.others.extend(pending.others.iter().cloned());
        if pending.is_empty() {
            return Ok(());
        }
        if cause == Cause::Check
            && let Err(wait) = self.damper.take(now)
        {
            round.damped = Some(wait);
            return Ok(());
        }
        self.chosen.commit(wanted.family, &pending.script)?;
        round.changed.push((wanted.family, pending.reasons));
        let after = self.chosen.look(wanted)?;
        if after.is_empty() {
            Ok(())
        } else {
            Err(FirewallError::NotInForce { family: wanted.family, reasons: after.reasons })
        }
    }
}

/// Removes what is left of the agent at a place. Where the place cannot be used at all, nothing can be left there.
fn clear(place: &mut dyn Firewall, family: Family, chain: &ChainName, round: &mut Round) {
    let cleared = place.look_for_removal(family, chain).and_then(|pending| {
        if pending.is_empty() {
            return Ok(false);
        }
        place.commit(family, &pending.script)?;
        Ok(true)
    });
    match cleared {
        Ok(true) => round.removed.push((place.name(), family)),
        Ok(false) => {}
        Err(FirewallError::Exec { source, .. }) if source.is_lack_of_backend() => {}
        Err(error) => round.errors.push(error),
    }
}

/// Removes the agent's rules from all places, for `cleanup`.
pub(crate) fn remove_all(places: Vec<Box<dyn Firewall>>, chain: &ChainName) -> Round {
    let mut round = Round::default();
    for mut place in places {
        for family in Family::ALL {
            clear(place.as_mut(), family, chain, &mut round);
        }
    }
    round
}

#[cfg(test)]
mod tests {
    use podnet_masq_rules::Style;

    use super::*;
    use crate::firewall::fake::Fake;

    fn wanted(family: Family) -> RuleSet {
        RuleSet::of(&Policy::defaults(false), family, ChainName::default(), Style::default())
    }

    fn keeper(chosen: &Fake, other: &Fake, now: Instant) -> Keeper {
        Keeper::new(Box::new(chosen.clone()), vec![Box::new(other.clone())], ChainName::default(), now)
    }

    fn put(place: &Fake, family: Family, rules: &str) {
        place.0.lock().unwrap().rules.insert(family, rules.to_owned());
    }

    #[test]
    fn what_is_right_is_not_written() {
        let (place, other, now) = (Fake::default(), Fake::default(), Instant::now());
        let mut keeper = keeper(&place, &other, now);
        let sets = [wanted(Family::V4), wanted(Family::V6)];
        let round = keeper.check_all(&[&sets[0], &sets[1]], Cause::Configuration, now);
        assert!(round.is_verified() && round.changed.len() == 2, "{round:?}");
        let round = keeper.check_all(&[&sets[0], &sets[1]], Cause::Check, now);
        assert!(round.is_verified() && round.changed.is_empty());
        assert_eq!(place.0.lock().unwrap().commits, 2);
    }

    #[test]
    fn other_places_and_families_are_cleared_last() {
        let (place, other, now) = (Fake::default(), Fake::default(), Instant::now());
        put(&other, Family::V4, "stale");
        put(&place, Family::V6, "unwanted");
        place.0.lock().unwrap().failures = 1;
        let mut keeper = keeper(&place, &other, now);
        let set = wanted(Family::V4);
        let round = keeper.check_all(&[&set], Cause::Configuration, now);
        assert_eq!(round.errors.len(), 1);
        assert!(
            other.0.lock().unwrap().rules.contains_key(&Family::V4),
            "cleared before the chosen place was right"
        );
        let round = keeper.check_all(&[&set], Cause::Configuration, now);
        assert_eq!(round.removed, [("fake", Family::V6), ("fake", Family::V4)]);
        assert!(other.0.lock().unwrap().rules.is_empty());
    }

    #[test]
    fn an_error_of_one_family_does_not_stop_the_other() {
        let (place, other, now) = (Fake::default(), Fake::default(), Instant::now());
        place.0.lock().unwrap().failures = 1;
        let sets = [wanted(Family::V4), wanted(Family::V6)];
        let round = keeper(&place, &other, now).check(&[&sets[0], &sets[1]], Cause::Check, now);
        assert_eq!(round.errors.len(), 1);
        assert_eq!(round.errors[0].kind(), "failed");
        assert_eq!(round.changed.len(), 1);
    }

    #[test]
    fn a_storm_of_repairs_is_damped_and_a_configuration_is_not() {
        let (place, other, now) = (Fake::default(), Fake::default(), Instant::now());
        let mut keeper = keeper(&place, &other, now);
        let set = wanted(Family::V4);
        let mut repairs = 0;
        let wait = loop {
            put(&place, Family::V4, "tampered");
            let round = keeper.check(&[&set], Cause::Check, now);
            match round.damped {
                Some(wait) => break wait,
                None => repairs += 1,
            }
            assert!(repairs < 1000, "never damped");
        };
        assert!(repairs >= 5, "damped after {repairs} repairs");
        assert_eq!(keeper.check(&[&set], Cause::Configuration, now).changed.len(), 1);
        put(&place, Family::V4, "tampered");
        assert_eq!(keeper.check(&[&set], Cause::Check, now + wait).changed.len(), 1);
    }
}
