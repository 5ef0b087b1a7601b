//! Answers that wait for the journal, and what is said of them elsewhere once they are given.

use std::sync::Arc;
use std::time::Duration;

use podnet_ipam_core::{Assigned, Attachment, Conflict, Key, Refused, Released};
use tokio::sync::oneshot;

use super::Actor;
use super::handle::{Adoption, Granted, Unavailable};

/// A change of the pool whose answer waits.
pub(super) enum Pending {
    Assign {
        outcome: Result<Assigned, Refused>,
        answer: oneshot::Sender<Result<Granted, Unavailable>>,
    },
    Release {
        key: Key,
        outcome: Released,
        answer: oneshot::Sender<Result<Released, Unavailable>>,
    },
    /// A release by the daemon itself; none: the attachment was heard of.
    Bury {
        key: Key,
        outcome: Option<Released>,
        answer: oneshot::Sender<Result<Option<Released>, Unavailable>>,
    },
    Adopt {
        key: Key,
        outcome: Result<(), Conflict>,
        answer: oneshot::Sender<Adoption>,
    },
}

/// What the log and the figures have not heard of yet.
#[derive(Debug)]
pub(super) enum News {
    Assignment(Result<Assigned, Refused>),
    Release(Key, Released),
}

impl Pending {
    /// It is durable: whoever asked hears of it, if still there. The rest of the daemon does later.
    pub(super) fn send(self, actor: &mut Actor) {
        match self {
            Self::Assign { outcome, answer } => {
                actor.news.push(News::Assignment(outcome.clone()));
                let networks = Arc::clone(&actor.networks);
                answer.send(Ok(Granted { outcome, networks })).ok();
            }
            Self::Release { key, outcome, answer } => {
                actor.news.push(News::Release(key, outcome.clone()));
                answer.send(Ok(outcome)).ok();
            }
            Self::Bury { key, outcome, answer } => {
                actor.news.extend(outcome.clone().map(|outcome| News::Release(key, outcome)));
                answer.send(Ok(outcome)).ok();
            }
            Self::Adopt { outcome, answer, .. } => drop(answer.send(Ok(outcome))),
        }
    }

    /// It could not be made durable.
    pub(super) fn refuse(self, reason: &str) {
        let unavailable = Unavailable::NotDurable(reason.to_owned());
        match self {
            Self::Assign { answer, .. } => drop(answer.send(Err(unavailable))),
            Self::Release { answer, .. } => drop(answer.send(Err(unavailable))),
            Self::Bury { answer, .. } => drop(answer.send(Err(unavailable))),
            Self::Adopt { answer, .. } => drop(answer.send(Err(unavailable))),
        }
    }
}

impl Actor {
    /// Undoes in the pool what could not be written, newest first, and tells those whose change it was. Whoever asked for
    /// what is so anyway is answered: an address that was assigned before, a release of nothing.
    pub(super) fn take_back(&mut self, pending: Vec<Pending>, reason: &str, now: Duration) {
        // Of this nothing is written: the pool becomes what the file says it is.
        let mut unwritten = Vec::new();
        let mut unchanged = Vec::new();
        for answer in pending.into_iter().rev() {
            match &answer {
                Pending::Assign { outcome: Ok(assigned), .. } if !assigned.existing => {
                    if let Some(key) = self.holder_of(assigned).map(|attachment| attachment.key().clone()) {
                        self.pool.release(&key, now, &mut unwritten);
                    }
                    answer.refuse(reason);
                }
                Pending::Adopt { outcome: Ok(()), key, .. } => {
                    self.pool.release(key, now, &mut unwritten);
                    answer.refuse(reason);
                }
                Pending::Release { outcome: Released::Freed(holder), .. }
                | Pending::Bury { outcome: Some(Released::Freed(holder)), .. } => {
                    if let Err(conflict) = self.pool.adopt(holder.clone(), now, &mut unwritten) {
                        tracing::error!(%conflict, "a release that could not be written cannot be taken back");
                    }
                    answer.refuse(reason);
                }
                Pending::Assign { .. }
                | Pending::Release { .. }
                | Pending::Bury { .. }
                | Pending::Adopt { .. } => unchanged.push(answer),
            }
        }
        for answer in unchanged.into_iter().rev() {
            let is_still_so = match &answer {
                Pending::Assign { outcome: Ok(assigned), .. } => self.holder_of(assigned).is_some(),
                Pending::Release { key, outcome: Released::Unknown, .. } => self.pool.holder(key).is_none(),
                Pending::Assign { .. }
                | Pending::Release { .. }
                | Pending::Bury { .. }
                | Pending::Adopt { .. } => true,
            };
            if is_still_so {
                answer.send(self);
            } else {
                answer.refuse(reason);
            }
        }
    }

    /// Who holds what was assigned.
    fn holder_of(&self, assigned: &Assigned) -> Option<&Attachment> {
        let first = assigned.grants.first()?;
        self.pool.get(first.address)?.attachment().map(Arc::as_ref)
    }

    /// Tells the log and the figures.
    pub(super) fn note(&mut self, news: News) {
        match news {
            News::Assignment(outcome) => self.note_assignment(&outcome),
            News::Release(key, outcome) => self.note_release(&key, &outcome),
        }
    }

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
        let Some(attachment) = self.holder_of(assigned) else { return };
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
