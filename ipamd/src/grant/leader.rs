//! The leader: follows nodes and objects, carries out one round after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use podnet_daemon_kit::Chain;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use super::figures::Figures;
use super::ledger::PageId;
use super::object::{self, Found, FoundNode, NAMESPACE};
use super::requests::{LISTED, LedgerError, Requests};
use super::round::{PageWrite, Round};
use super::settings::Settings;
use super::state::State;
use crate::cluster::{Change, Cluster, ClusterError, Pace, Target, Watch};

/// What comes within this time is one round: thousands of nodes may start together.
const GATHER: Duration = Duration::from_millis(20);

/// Between two looks at the whole ledger.
const LOOK: Duration = Duration::from_mins(5);

/// Requests at a time.
const AT_ONCE: usize = 16;

/// One time of leading.
#[derive(Debug)]
pub struct Leader {
    requests: Requests,
    figures: Arc<Figures>,
    state: State,
    nodes: Watch<FoundNode>,
    objects: Watch<Found>,
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
            if looked.elapsed() >= LOOK {
                self.state.set_ledger(self.requests.ledger().await?);
                looked = Instant::now();
            }
            let round = self.state.plan(self.begin.elapsed());
            self.notice(&round);
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
            if self.state.is_due(self.begin.elapsed()) {
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

    fn notice(&self, round: &Round) {
        for (name, notice) in &round.notices {
            let object = format!("nodenetworkconfigs {NAMESPACE}/{name}");
            match notice {
                Some(notice) => tracing::warn!(object, "{notice}"),
                None => tracing::info!(object, "nothing is wrong with it any more"),
            }
        }
    }

    /// Makes a round's requests; whether every one was answered as it should be.
    async fn carry_out(&mut self, round: Round) -> Result<bool, LedgerError> {
        let Round { creates, pages, statuses, checks, notices: _ } = round;
        let mut went_well = true;

        let requests = self.requests.clone();
        let created = each(creates, move |owner| {
            let requests = requests.clone();
            async move {
                let created = match requests.create(&owner).await {
                    Ok(None) => requests.object(&owner.node).await,
                    created => created,
                };
                (owner.node, created)
            }
        });
        for (name, created) in created.await {
            went_well &= self.read(&name, created);
        }

        let lost = self.write_pages(pages).await?;
        let (statuses, late): (Vec<_>, Vec<_>) =
            statuses.into_iter().partition(|write| write.needs.is_disjoint(&lost));
        late.iter().for_each(|write| self.state.again(&write.node));
        let requests = self.requests.clone();
        let written = each(statuses, move |write| {
            let requests = requests.clone();
            async move {
                let written = requests.write_status(&write).await;
                // Whatever became of the write, it is read what is there now.
                let seen = match written {
                    Ok(Some(object)) => return (write, Ok(object)),
                    Ok(None) => requests.object(&write.node).await,
                    Err(error) => Err(error),
                };
                (write, Err(seen))
            }
        });
        for (write, written) in written.await {
            match written {
                Ok(object) => {
                    self.figures.statuses.inc();
                    self.state.status_written(&write, object, self.begin.elapsed());
                }
                Err(seen) => {
                    self.figures.conflicts.inc();
                    went_well &= self.read(&write.node, seen);
                }
            }
        }

        for check in checks {
            let name = &check.owner.node;
            if !check.needs.is_disjoint(&lost) {
                self.state.again(name);
                continue;
            }
            match self.requests.object(name).await {
                Ok(Some(object)) if object.owner.as_ref() == Some(&check.owner.uid) => {
                    self.read(name, Ok(Some(object)));
                }
                Ok(_) => self.state.gone(&check.owner, self.begin.elapsed()),
                Err(error) => went_well &= self.read(name, Err(error)),
            }
        }
        Ok(went_well)
    }

    /// The pages that were not as they were known.
    async fn write_pages(&mut self, pages: Vec<PageWrite>) -> Result<BTreeSet<PageId>, LedgerError> {
        let mut lost = BTreeSet::new();
        for write in pages {
            match self.requests.write_page(&write).await? {
                Some(version) if write.is_changed => self.state.page_written(write, version),
                Some(_) => {}
                None => {
                    self.figures.conflicts.inc();
                    lost.insert(write.id);
                    let page = self.requests.page(write.id).await?;
                    self.state.set_page(write.id, page);
                }
            }
        }
        Ok(lost)
    }

    /// Takes in what was read of an object, which is looked at again; false: nothing was.
    fn read(&mut self, name: &str, seen: Result<Option<super::observed::Observed>, ClusterError>) -> bool {
        self.state.again(name);
        match seen {
            Ok(Some(object)) => self.state.set_object(name, object),
            // That it is gone, the watch tells.
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "it is tried again");
                return false;
            }
        }
        true
    }
}

/// Does something with each item, some at a time.
async fn each<T, R, F>(items: Vec<T>, act: impl Fn(T) -> F) -> Vec<R>
where
    R: Send + 'static,
    F: Future<Output = R> + Send + 'static,
{
    let mut running = JoinSet::new();
    let mut done = Vec::new();
    for item in items {
        if running.len() >= AT_ONCE {
            done.extend(running.join_next().await.and_then(Result::ok));
        }
        running.spawn(act(item));
    }
    while let Some(next) = running.join_next().await {
        done.extend(next.ok());
    }
    done
}
