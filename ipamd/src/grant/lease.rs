//! Who leads: a Lease (`coordination.k8s.io/v1`), as other controllers of Kubernetes use it.
//!
//! Pure. Whether another leader is alive is judged by whether its Lease changes, over this process's own clock: the clocks of two
//! machines are never compared. Two may lead for a moment; the ledger is made for that.

use std::time::Duration;

/// A Lease as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `metadata.resourceVersion`.
    pub version: String,
    /// `spec.holderIdentity`; empty: nobody.
    pub holder: String,
    /// `spec.leaseDurationSeconds`.
    pub duration: Duration,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// There is none: create it.
    Create,
    /// It is free: write our name into it.
    Take,
    /// It is ours: write the time into it.
    Renew,
    /// It is another's.
    Wait,
}

/// One that may lead.
#[derive(Debug, Clone)]
pub struct Candidate {
    identity: String,
    /// The last version of another's Lease, and since when it has been that.
    unchanged: Option<(String, Duration)>,
}

impl Candidate {
    /// `identity` is nobody else's.
    pub fn new(identity: String) -> Self {
        Self { identity, unchanged: None }
    }

    /// Its name in the Lease.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Judges what was read at `now`, on a clock that only this process uses.
    pub fn judge(&mut self, lease: Option<&Seen>, now: Duration) -> Verdict {
        let Some(lease) = lease else { return Verdict::Create };
        if lease.holder == self.identity {
            return Verdict::Renew;
        }
        if lease.holder.is_empty() {
            return Verdict::Take;
        }
        match &self.unchanged {
            Some((version, since)) if *version == lease.version => {
                if now.saturating_sub(*since) > lease.duration { Verdict::Take } else { Verdict::Wait }
            }
            _ => {
                self.unchanged = Some((lease.version.clone(), now));
                Verdict::Wait
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(version: &str, holder: &str) -> Seen {
        Seen { version: version.to_owned(), holder: holder.to_owned(), duration: Duration::from_secs(15) }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_nobody_has_is_taken_at_once() {
        let mut candidate = Candidate::new("me".to_owned());
        assert_eq!(candidate.judge(None, at(0)), Verdict::Create);
        assert_eq!(candidate.judge(Some(&seen("1", "")), at(0)), Verdict::Take);
        assert_eq!(candidate.judge(Some(&seen("1", "me")), at(0)), Verdict::Renew);
    }

    #[test]
    fn a_leader_is_dead_when_its_lease_stands_still() {
        let mut candidate = Candidate::new("me".to_owned());
        for (version, second, verdict) in [
            ("1", 100, Verdict::Wait),
            ("1", 115, Verdict::Wait),
            ("2", 116, Verdict::Wait),
            ("2", 131, Verdict::Wait),
            ("2", 132, Verdict::Take),
        ] {
            assert_eq!(candidate.judge(Some(&seen(version, "other")), at(second)), verdict, "{second}");
        }
    }
}
