//! Answers that wait for the journal, and what is said of them elsewhere once they are given.

use std::sync::Arc;

use podnet_ipam_core::{Assigned, Key, Refused, Released};
use tokio::sync::oneshot;

use super::Actor;
use super::handle::{Granted, Unavailable};

/// A change of the pool whose answer waits.
pub(super) enum Pending {
    Assign { outcome: Result<Assigned, Refused>, answer: oneshot::Sender<Result<Granted, Unavailable>> },
    Release { key: Key, outcome: Released, answer: oneshot::Sender<Result<Released, Unavailable>> },
}

impl Pending {
    /// It is durable: whoever asked hears of it, if still there, and so does the log.
    pub(super) fn send(self, actor: &mut Actor) {
        match self {
            Self::Assign { outcome, answer } => {
                actor.note_assignment(&outcome);
                let networks = Arc::clone(&actor.networks);
                answer.send(Ok(Granted { outcome, networks })).ok();
            }
            Self::Release { key, outcome, answer } => {
                actor.note_release(&key, &outcome);
                answer.send(Ok(outcome)).ok();
            }
        }
    }

    /// It could not be made durable.
    pub(super) fn refuse(self, reason: &str) {
        let unavailable = Unavailable::NotDurable(reason.to_owned());
        match self {
            Self::Assign { answer, .. } => drop(answer.send(Err(unavailable))),
            Self::Release { answer, .. } => drop(answer.send(Err(unavailable))),
        }
    }
}

impl Actor {
    fn note_assignment(&mut self, outcome: &Result<Assigned, Refused>) {
        let metrics = &self.ends.metrics;
        let assigned = match outcome {
            Ok(assigned) if assigned.existing => {
                metrics.assignments.repeated.inc();
                return;
            }
            Ok(assigned) => assigned,
            Err(refused) => {
                metrics.assignments.refused.inc();
                return tracing::warn!(%refused, "nothing assigned");
            }
        };
        metrics.assignments.made.inc();
        let held = assigned.grants.first().and_then(|grant| self.pool.get(grant.address));
        let Some(attachment) = held.and_then(|slot| slot.attachment()) else { return };
        let identity = attachment.identity();
        let addresses = list(assigned.grants.iter().map(|grant| grant.address));
        tracing::info!(
            namespace = identity.namespace,
            pod = identity.pod,
            container = identity.infra_container_id,
            interface = identity.interface,
            addresses,
            "assigned"
        );
        self.history.note(format!("{addresses} assigned to {}/{}", identity.namespace, identity.pod));
    }

    fn note_release(&mut self, key: &Key, outcome: &Released) {
        match outcome {
            Released::Freed(holder) => {
                let addresses = list(holder.addresses.iter());
                let identity = holder.attachment.identity();
                tracing::info!(
                    namespace = identity.namespace,
                    pod = identity.pod,
                    container = key.container(),
                    interface = key.interface(),
                    addresses,
                    "released"
                );
                self.ends.metrics.releases.inc();
                self.history.note(format!("{addresses} released by {}/{}", identity.namespace, identity.pod));
            }
            Released::Unknown => {}
            Released::Ambiguous { attachments } => {
                tracing::warn!(%key, attachments, "not released: it names no interface, the container has several");
            }
        }
    }
}

fn list(addresses: impl Iterator<Item = std::net::IpAddr>) -> String {
    addresses.map(|address| address.to_string()).collect::<Vec<_>>().join(",")
}
