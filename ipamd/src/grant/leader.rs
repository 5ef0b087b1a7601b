//! The leader: follows nodes and objects, carries out one round after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use podnet_daemon_kit::Chain;
use tokio::time::{sleep, sleep_until};

mod carry;

use super::figures::Figures;
use super::ledger::PageId;
use super::object::{self, Found, FoundNode, NAMESPACE};
use super::requests::{LISTED, LedgerError, Requests};
use super::round::Round;
use super::settings::Settings;
use super::state::State;
use crate::cluster::{Change, Cluster, ClusterError, Pace, Target, Watch};

/// What comes within this time is one round: thousands of nodes may start together.
const GATHER: Duration = Duration::from_millis(20);

/// Between two looks at the whole ledger.
const LOOK: Duration = Duration::from_mins(5);

/// One time of leading.
#[derive(Debug)]
pub struct Leader {
    requests: Requests,
    figures: Arc<Figures>,
    state: State,
    nodes: Watch<FoundNode>,
    objects: Watch<Found>,
    /// Pages whose last write had no answer, or the wrong one: they are read before anything else is done.
    unread: BTreeSet<PageId>,
    begin: Instant,
    pace: Pace,
}

impl Leader {
    /// Begins to follow nodes and objects.
    pub fn new(cluster: &Cluster, settings: &Settings, figures: Arc<Figures>) -> Self {
        let nodes =
            Target { group: "", version: "v1", resource: "nodes", namespace: None, name: None, page: LISTED };
        let objects = Target {
            group: "acn.azure.com",
            version: "v1alpha",
            resource: "nodenetworkconfigs",
            namespace: Some(NAMESPACE),
            ..nodes.clone()
        };
        Self {
            requests: Requests::new(cluster.clone(), Arc::new(settings.clone())),
            figures,
            state: State::new(settings.clone()),
            nodes: Watch::start(cluster.clone(), nodes),
            objects: Watch::start(cluster.clone(), objects),
            unread: BTreeSet::new(),
            begin: Instant::now(),
            pace: Pace::default(),
        }
    }

    /// Reads everything, then grants for ever; ends only where the ledger cannot be known.
    ///
    /// May be dropped at any time: what is half done, the next leader finds.
    pub async fn lead(mut self) -> Result<Infallible, LedgerError> {
        let (mut has_nodes, mut has_objects) = (false, false);
        while !(has_nodes && has_objects) {
            tokio::select! {
                change = self.nodes.next() => has_nodes |= self.hear_node(change),
                change = self.objects.next() => has_objects |= self.hear_object(change),
            }
        }
        self.state.set_ledger(self.requests.ledger().await?);
        self.figures.set_leading(true);
        let mut looked = Instant::now();
        loop {
            self.gather(looked + LOOK).await;
            let look = looked.elapsed() >= LOOK;
            if self.read_ledger(look).await? {
                looked = if look { Instant::now() } else { looked };
            } else {
                sleep(self.pace.failed()).await;
                continue;
            }
            let round = self.state.plan(self.begin.elapsed());
            notice(&round);
            if !round.is_empty() {
                let went_well = self.carry_out(round).await?;
                self.figures.rounds.inc();
                if went_well {
                    self.pace.well();
                } else {
                    sleep(self.pace.failed()).await;
                }
            }
            self.figures.show(&self.state);
        }
    }

    /// Hears what happens until a round is due, and a moment longer.
    async fn gather(&mut self, look: Instant) {
        let mut due: Option<Instant> = None;
        loop {
            if !self.unread.is_empty() || self.state.is_due(self.begin.elapsed()) {
                due.get_or_insert_with(|| Instant::now() + GATHER);
            }
            let rested = self.state.next_rest().map(|at| self.begin + at);
            let wake = due.or(rested).map_or(look, |at| at.min(look));
            tokio::select! {
                change = self.nodes.next() => drop(self.hear_node(change)),
                change = self.objects.next() => drop(self.hear_object(change)),
                () = sleep_until(wake.into()) => return,
            }
        }
    }

    /// Whether these were all nodes.
    fn hear_node(&mut self, change: Result<Change<FoundNode>, ClusterError>) -> bool {
        let name = |found: &FoundNode| found.metadata.name.clone().unwrap_or_default();
        match change {
            Ok(Change::All(all)) => {
                self.state.set_nodes(all.into_iter().map(|it| (name(&it), object::node(it))).collect());
                return true;
            }
            Ok(Change::Changed(found)) => self.state.set_node(&name(&found), Some(object::node(found))),
            Ok(Change::Gone(found)) => self.state.set_node(&name(&found), None),
            Ok(Change::Resumed) => tracing::info!("nodes are followed again"),
            Err(error) => tracing::warn!(error = %Chain(&error), "nodes are not followed"),
        }
        false
    }

    /// Whether these were all objects.
    fn hear_object(&mut self, change: Result<Change<Found>, ClusterError>) -> bool {
        let name = |found: &Found| found.metadata.name.clone().unwrap_or_default();
        match change {
            Ok(Change::All(all)) => {
                let settings = self.state.settings();
                let all: BTreeMap<_, _> =
                    all.into_iter().map(|it| (name(&it), object::observe(it, settings))).collect();
                self.state.set_objects(all);
                return true;
            }
            Ok(Change::Changed(found)) => {
                let name = name(&found);
                let observed = object::observe(found, self.state.settings());
                self.state.set_object(&name, observed);
            }
            Ok(Change::Gone(found)) => {
                let uid = found.metadata.uid.clone().unwrap_or_default();
                self.state.remove_object(&name(&found), &uid);
            }
            Ok(Change::Resumed) => tracing::info!("nodenetworkconfigs are followed again"),
            Err(error) => tracing::warn!(error = %Chain(&error), "nodenetworkconfigs are not followed"),
        }
        false
    }

    /// Reads the pages that must be read, or all; false: it has to be tried again.
    async fn read_ledger(&mut self, all: bool) -> Result<bool, LedgerError> {
        if all {
            return Ok(match unless_away(self.requests.ledger().await)? {
                Some(pages) => {
                    self.state.set_ledger(pages);
                    true
                }
                None => false,
            });
        }
        while let Some(id) = self.unread.first().copied() {
            let Some(page) = unless_away(self.requests.page(id).await)? else { return Ok(false) };
            self.state.set_page(id, page);
            self.unread.remove(&id);
        }
        Ok(true)
    }
}

fn notice(round: &Round) {
    for (name, notice) in &round.notices {
        let object = format!("nodenetworkconfigs {NAMESPACE}/{name}");
        if let Some(notice) = notice {
            tracing::warn!(object, "{notice}");
        } else {
            tracing::info!(object, "nothing is wrong with it any more");
        }
    }
}

/// What was read; none, and a line in the log, where the API server did not answer well.
fn unless_away<T>(read: Result<T, LedgerError>) -> Result<Option<T>, LedgerError> {
    match read {
        Err(LedgerError::Cluster(error)) => {
            tracing::warn!(error = %Chain(&error), "the ledger is read again");
            Ok(None)
        }
        read => read.map(Some),
    }
}
