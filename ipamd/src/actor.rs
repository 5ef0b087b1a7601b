//! The one task that owns the pool.
//!
//! ```text
//!  requests ──┐                        ┌─▶ answers
//!  reports ───┼─▶ pool ─events─▶ journal ─▶ figures, readiness, needs
//!  settings ──┘   (all that wait)  (one write)
//! ```
//!
//! **Group commit.** Whatever waits is applied to the pool, the events of all of it are written in one write(2), and only
//! then is anybody answered. So the cost of durability is shared by those who come at the same time, and an answer never
//! runs ahead of the journal.
//!
//! **A write that fails** is taken back in the pool, newest first, and those whose change it was are told; nothing is
//! changed until a snapshot could be written again.

use std::sync::Arc;
use std::time::Duration;

use podnet_daemon_kit::{Chain, Readiness};
use podnet_ipam_api::debug::{Findings, RoutesStatus, Upkeep};
use podnet_ipam_core::{Event, Pool};
use podnet_ipam_store::Store;
use tokio::sync::{mpsc, watch};
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::clock;
use crate::config;
use crate::history::History;
use crate::inventory::Memory;
use crate::metrics::Metrics;
use crate::networks::Networks;
use crate::source::{Needs, Report};
use crate::upkeep::Kept;

mod answer;
mod asked;
mod figures;
mod handle;
mod journal;
mod publish;
mod supply;
pub mod view;

pub use figures::Figures;
pub use handle::{Adoption, Granted, Handle, Unavailable};

use answer::{News, Pending};
use asked::Asked;
use handle::{Command, Look};
use supply::SourceState;

/// Commands that are committed together at most: what a slow disk may make wait.
const GROUP: usize = 512;

/// While the pool can grow or shrink, it is looked at this often even if nobody asks for anything.
const TICK: Duration = Duration::from_secs(10);

/// After a failed write, the next attempt where nobody asks for anything.
const RETRY: Duration = Duration::from_secs(1);

/// The owner of the pool.
#[derive(Debug)]
pub struct Actor {
    pool: Pool,
    store: Store,
    memory: Memory,
    settings: config::Pool,
    networks: Arc<Networks>,
    source: SourceState,
    history: History,
    /// How the node's rules are; none: none are asked for.
    node_rules: Option<Upkeep>,
    /// How the routes to the pods' subnets are; none: none are asked for.
    subnet_routes: Option<Upkeep>,
    /// How the conflist is; none: none is written, or it is not its time yet.
    conflist: Option<Upkeep>,
    asked: Asked,
    /// What the last look at the node found, and when that was.
    findings: Option<(Findings, Duration)>,
    /// Why the last write failed, while it is not made good.
    trouble: Option<String>,
    /// What has happened in this group.
    news: Vec<News>,
    ends: Ends,
}

/// The actor's connections to the rest of the daemon.
#[derive(Debug)]
pub struct Ends {
    /// What sources report.
    pub reports: mpsc::Receiver<Report>,
    /// What sources are to know.
    pub needs: watch::Sender<Needs>,
    /// Whether an ADD can be served now.
    pub readiness: watch::Sender<Readiness>,
    /// The networks, as the source said them last; empty until it has.
    pub networks: watch::Sender<Arc<Networks>>,
    /// How the routes to other nodes' pods are.
    pub routes: watch::Receiver<Option<RoutesStatus>>,
    /// The figures.
    pub metrics: Arc<Metrics>,
}

impl Actor {
    /// An actor for a recovered pool, and for what is remembered of its source.
    pub fn new(pool: Pool, store: Store, memory: Memory, settings: config::Pool, ends: Ends) -> Self {
        let networks = Networks::of(&memory.recall());
        let mut actor = Self {
            pool,
            store,
            memory,
            settings,
            networks: Arc::new(networks),
            source: SourceState::default(),
            history: History::default(),
            node_rules: None,
            subnet_routes: None,
            conflist: None,
            asked: Asked::default(),
            findings: None,
            trouble: None,
            news: Vec::new(),
            ends,
        };
        if !actor.store.is_ready() {
            // The snapshot after the recovery failed: what it says now is why this daemon is not ready.
            actor.trouble = Some(String::new());
            actor.write(&[]).ok();
        }
        actor.publish();
        actor
    }

    /// Serves until every handle to `inbox` ([`Handle::channel`]) is dropped, then leaves a snapshot.
    pub async fn run(mut self, mut inbox: mpsc::Receiver<Command>) {
        loop {
            let tick = if self.trouble.is_some() { RETRY } else { TICK };
            let command = tokio::select! {
                command = inbox.recv() => match command {
                    Some(command) => Some(command),
                    None => break,
                },
                Some(report) = self.ends.reports.recv() => {
                    self.report(report);
                    None
                }
                () = sleep(tick), if self.source.can_grow() || self.trouble.is_some() => None,
            };
            let looks = self.commit(command, &mut inbox);
            // The answers go out first.
            yield_now().await;
            self.tell(looks);
        }
        if let Err(error) = self.store.snapshot(&self.pool.snapshot()) {
            tracing::error!(error = %Chain(&error), "no last snapshot; the journal has everything");
        }
    }

    /// Applies a command and all that wait behind it, makes that durable, answers. Who asked for a look has to wait.
    fn commit(&mut self, first: Option<Command>, inbox: &mut mpsc::Receiver<Command>) -> Vec<Look> {
        let now = clock::since_boot();
        let mut events = Vec::new();
        let mut pending = Vec::new();
        let mut looks = Vec::new();
        let waiting = std::iter::from_fn(|| inbox.try_recv().ok());
        for command in first.into_iter().chain(waiting).take(GROUP) {
            match command {
                Command::Assign { request, answer } => {
                    let key = request.attachment.key().clone();
                    let outcome = self.pool.assign(request, now, &mut events);
                    if outcome.as_ref().is_ok_and(|assigned| assigned.existing) {
                        self.asked.note(key, now);
                    }
                    pending.push(Pending::Assign { outcome, answer });
                }
                Command::Release { key, answer } => {
                    let outcome = self.pool.release(&key, now, &mut events);
                    pending.push(Pending::Release { key, outcome, answer });
                }
                Command::ReleaseUnlessAsked { key, asked, answer } => {
                    let is_as_seen = self.last_asked(&key) == Some(asked);
                    let outcome = is_as_seen.then(|| self.pool.release(&key, now, &mut events));
                    pending.push(Pending::Bury { key, outcome, answer });
                }
                Command::Adopt { holder, answer } => {
                    let key = holder.attachment.key().clone();
                    let outcome = self.pool.adopt(holder, now, &mut events);
                    pending.push(Pending::Adopt { key, outcome, answer });
                }
                Command::Reconciled(findings, at) => {
                    self.findings = Some((findings, at));
                    self.forget_askers();
                }
                Command::Configure(settings) => {
                    self.settings = settings;
                    self.resupply(now, &mut events);
                }
                Command::SourceChanged(kind) => self.source.begin(kind),
                Command::Upkeep(kept, status) => self.note_upkeep(kept, status),
                Command::Look(look) => looks.push(look),
            }
        }
        self.resize(now, &mut events);
        match self.write(&events) {
            Ok(()) => {
                for answer in pending {
                    answer.send(self);
                }
            }
            Err(reason) => self.take_back(pending, &reason, now),
        }
        looks
    }

    /// Tells the log and the rest of the daemon what has become of a group, then those who asked for a look.
    fn tell(&mut self, looks: Vec<Look>) {
        for news in std::mem::take(&mut self.news) {
            self.note(news);
        }
        self.publish();
        for look in looks {
            look(self);
        }
    }

    /// One step after the other towards the number of addresses that is wanted.
    fn resize(&mut self, now: Duration, events: &mut Vec<Event>) {
        if !self.source.can_grow() {
            return;
        }
        let mut steps = 0;
        while let Some(resized) = self.pool.resize(None, now, events) {
            tracing::info!(
                requested = resized.requested,
                returned = resized.returned.len(),
                "asking the network for another number of addresses"
            );
            self.history.note(format!("asked for {} addresses in total", resized.requested));
            steps += 1;
            // As many as bring any pool from nothing to its maximum.
            if steps == GROUP {
                break;
            }
        }
    }

    fn note_upkeep(&mut self, kept: Kept, status: Option<Upkeep>) {
        if let Some(status) = &status {
            let how = status.error.as_deref().unwrap_or("in force");
            self.history.note(format!("{kept}: {how}"));
        }
        match kept {
            Kept::Rules => self.node_rules = status,
            Kept::Routes => self.subnet_routes = status,
            Kept::Conflist => self.conflist = status,
        }
    }
}
