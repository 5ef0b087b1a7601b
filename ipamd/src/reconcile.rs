//! The pool is held against the truth: what is gone gives its addresses back, what lives and was forgotten keeps its own.
//!
//! ```text
//!  at the start ───────────┐                       ┌─ gone ───────▶ release ─┐
//!  every so often ──────────┼▶ look ─▶ judge (pure) ┼─ forgotten ──▶ adopt ───┼▶ actor ─▶ journal
//!  a namespace is gone ─────┘                       └─ conflicts ──▶ said     ┘
//! ```
//!
//! Whoever should have called DEL may be dead: a kubelet that crashed, a runtime that was replaced, an operator's
//! `ip netns del`. Nothing is done on one look's word, and the actor compares again: an attachment that asked for its addresses
//! since the look keeps them.

mod judge;
mod namespaces;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use podnet_daemon_kit::stop::Stop;
use podnet_ipam_api::debug::{Findings, Missing};
use podnet_ipam_core::Released;
use tokio::sync::watch;
use tokio::time::sleep;

pub use judge::{Assignment, Contested, Ledger};

use crate::actor::{Handle, Unavailable};
use crate::clock;
use crate::config::Config;
use crate::metrics::{Action, Metrics};
use crate::sightings::Sightings;
use judge::{Judge, Verdict};
use namespaces::Namespaces;

/// After a namespace is gone, its DEL has this long to give the addresses back by itself.
const SETTLE: Duration = Duration::from_secs(1);

/// Looks again and again.
#[derive(Debug)]
pub struct Reconciler {
    actor: Handle,
    metrics: Arc<Metrics>,
    judge: Judge,
    conflicts: BTreeSet<Contested>,
}

impl Reconciler {
    /// One that has not looked yet.
    pub fn new(actor: Handle, metrics: Arc<Metrics>) -> Self {
        Self { actor, metrics, judge: Judge::default(), conflicts: BTreeSet::new() }
    }

    /// Looks at the start, after namespaces are gone, and as often as the configuration says, until `stop`.
    pub async fn run(mut self, mut config: watch::Receiver<Config>, mut stop: Stop) {
        let mut namespaces = Namespaces::watch();
        loop {
            let pause = {
                let config = config.borrow_and_update().clone();
                match self.look(&config).await {
                    Ok(pause) => pause,
                    Err(Unavailable::Ending) => return,
                    Err(Unavailable::NotDurable(_)) => config.reconcile.interval,
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = namespaces.gone() => sleep(SETTLE).await,
                changed = config.changed() => if changed.is_err() { return },
                () = stop.asked() => return,
            }
            namespaces.forget();
        }
    }

    /// One look, what follows from it, and how long until the next.
    async fn look(&mut self, config: &Config) -> Result<Duration, Unavailable> {
        let reconcile = config.reconcile;
        let seen = Sightings::look(Path::new("/"), &config.listen.socket);
        let own = own_addresses();
        let mut claimed: Vec<IpAddr> =
            seen.holders().flat_map(|holder| holder.addresses.iter()).chain(own.iter().copied()).collect();
        claimed.sort_unstable();
        let ledger = self.actor.look(move |actor| actor.ledger(&claimed)).await?;
        let now = clock::since_boot();
        let verdict = self.judge.judge(&seen, &ledger, &own, reconcile.grace, now);
        self.say(&verdict);
        self.actor.reconciled(findings(&verdict, now), now).await?;
        let pause = verdict.again.map_or(reconcile.interval, |again| again.saturating_sub(now));
        self.carry_out(verdict).await?;
        Ok(pause.min(reconcile.interval))
    }

    async fn carry_out(&self, verdict: Verdict) -> Result<(), Unavailable> {
        for assignment in verdict.gone {
            let key = assignment.holder.attachment.key().clone();
            if let Some(Released::Freed(_)) =
                self.actor.release_unless_asked(key.clone(), assignment.asked).await?
            {
                tracing::warn!(%key, "it had no link, no route and no namespace for the grace period: released");
                self.metrics.reconciled.get_or_create(&Action::RELEASED).inc();
            }
        }
        for holder in verdict.forgotten {
            let key = holder.attachment.key().clone();
            match self.actor.adopt(holder).await? {
                Ok(()) => {
                    tracing::warn!(%key, "it lives, and the pool did not know it: adopted");
                    self.metrics.reconciled.get_or_create(&Action::ADOPTED).inc();
                }
                // Somebody was faster; the next look says who.
                Err(conflict) => tracing::warn!(%conflict, "a live attachment cannot be adopted"),
            }
        }
        Ok(())
    }

    /// Conflicts are told when they begin and when they end.
    fn say(&mut self, verdict: &Verdict) {
        for conflict in verdict.conflicts.difference(&self.conflicts) {
            tracing::error!(%conflict, "one address, two owners: nothing is changed");
        }
        for conflict in self.conflicts.difference(&verdict.conflicts) {
            tracing::info!(%conflict, "no longer so");
        }
        self.conflicts.clone_from(&verdict.conflicts);
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.metrics.conflicts.set(count(verdict.conflicts.len()));
        self.metrics.missing.set(count(verdict.missing.len()));
    }
}

fn findings(verdict: &Verdict, now: Duration) -> Findings {
    let missing = |(holder, end): &(podnet_ipam_core::Holder, Duration)| Missing {
        container: holder.attachment.key().container().to_owned(),
        addresses: holder.addresses.iter().collect(),
        released_in_seconds: end.saturating_sub(now).as_secs(),
    };
    Findings {
        age_seconds: 0,
        missing: verdict.missing.iter().map(missing).collect(),
        unseen: verdict.unseen,
        conflicts: verdict.conflicts.iter().map(Contested::to_string).collect(),
    }
}

/// The node's addresses; none where they cannot be listed.
fn own_addresses() -> Vec<IpAddr> {
    let interfaces = nix::ifaddrs::getifaddrs().into_iter().flatten();
    let address = |interface: nix::ifaddrs::InterfaceAddress| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    };
    interfaces.filter_map(address).collect()
}
