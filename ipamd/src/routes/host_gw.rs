//! `routes: host-gw`: the routes to other nodes' pods, by way of those nodes' addresses, kept in the kernel's main table.
//!
//! ```text
//!  nodes (watch) ─────────┐                        ┌─▶ status, figures
//!  kernel: routes changed ┼─▶ round: look, plan, ──┼─▶ kernel: what differs, and nothing else
//!  nothing, for a minute ─┘         compare        └─▶ the condition NetworkUnavailable of our node, once
//! ```
//!
//! Each round begins with what the kernel has: nothing is remembered of earlier rounds or lives, so that a restart changes
//! nothing. While the API server is away, the last nodes stay. A list of nodes without our own is not believed.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use podnet_daemon_kit::Chain;
use podnet_datapath::netlink::NetlinkError;
use podnet_datapath::{MainTable, TableRoute};
use podnet_ipam_api::debug::RoutesStatus;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until};

use super::condition::{clear, is_cleared};
use super::monitor::Monitor;
use super::nodes::{Condition, NodeObject, Nodes, Peer, all_nodes};
use super::plan::{Difference, Refusal, Table, plan};
use super::status::Outlet;
use crate::cluster::{Change, Cluster, ClusterError, Pace, Watch};
use crate::config::Routes;

/// After a change others may follow at once: they are one.
const SETTLE: Duration = Duration::from_millis(50);

/// Rounds are at least this far apart, whoever quarrels about a route.
const APART: Duration = Duration::from_millis(250);

/// Without any word of a change, the kernel is looked at this often.
const RESYNC: Duration = Duration::from_mins(1);

/// Refusals that are logged by name.
const NAMED: usize = 5;

/// Why the kernel's routes are not as they should be.
#[derive(Debug, thiserror::Error)]
enum RoutesError {
    /// The kernel refused or was not understood.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// Changes of the kernel's routes are not heard of.
    #[error("cannot hear of changes of routes")]
    Monitor(#[source] io::Error),
}

/// Keeps the routes until it is dropped.
pub(super) async fn keep(cluster: Cluster, outlet: Outlet) {
    let begin = RoutesStatus { kind: Routes::HostGw.kind().to_owned(), ..RoutesStatus::default() };
    outlet.begin(Some(RoutesStatus { awaits: Some("the list of nodes".to_owned()), ..begin }));
    let (uncleared, wanted) = watch::channel(false);
    let keeper = Keeper {
        own: cluster.node().to_owned(),
        watch: Watch::start(cluster.clone(), all_nodes()),
        nodes: None,
        condition: None,
        refusals: Vec::new(),
        uncleared,
        outlet: outlet.clone(),
    };
    tokio::join!(keeper.run(), clear(cluster, wanted, outlet));
}

struct Keeper {
    own: String,
    watch: Watch<NodeObject>,
    /// None before the first list.
    nodes: Option<Nodes>,
    /// Our node's.
    condition: Option<Condition>,
    /// What was said last.
    refusals: Vec<Refusal>,
    /// The routes are there, and the condition does not say so.
    uncleared: watch::Sender<bool>,
    outlet: Outlet,
}

impl Keeper {
    async fn run(mut self) {
        let mut pace = Pace::default();
        loop {
            let Err(error) = self.follow(&mut pace).await;
            self.failed(&error);
            sleep(pace.failed()).await;
        }
    }

    /// Follows nodes and kernel until the kernel cannot be followed.
    async fn follow(&mut self, pace: &mut Pace) -> Result<Infallible, RoutesError> {
        let mut monitor = Monitor::new().map_err(RoutesError::Monitor)?;
        let mut table = MainTable::open()?;
        let (mut last, mut due) = (None, Instant::now());
        loop {
            let is_changed = tokio::select! {
                news = self.watch.next() => self.hear(news),
                changed = monitor.changed() => changed.map(|()| true).map_err(RoutesError::Monitor)?,
                () = sleep_until(due), if self.nodes.is_some() => {
                    last = Some(Instant::now());
                    let pause = match self.round(&mut table).await {
                        Ok(()) => {
                            pace.well();
                            RESYNC
                        }
                        Err(error) => {
                            self.failed(&error);
                            pace.failed()
                        }
                    };
                    due = Instant::now() + pause;
                    false
                }
            };
            if is_changed {
                let settled = Instant::now() + SETTLE;
                due = due.min(last.map_or(settled, |last| settled.max(last + APART)));
            }
        }
    }

    /// Takes what the API server says; whether the routes may have to change.
    fn hear(&mut self, news: Result<Change<NodeObject>, ClusterError>) -> bool {
        let change = match news {
            Ok(change) => change,
            Err(error) => {
                self.outlet.unheard(&error);
                return false;
            }
        };
        self.outlet.heard();
        match change {
            Change::All(objects) => {
                self.condition = None;
                let nodes = objects.into_iter().map(|object| self.reduced(object)).collect();
                let is_changed = self.nodes.as_ref() != Some(&nodes);
                self.nodes = Some(nodes);
                self.judge_condition();
                is_changed
            }
            Change::Changed(object) => {
                let (name, peer) = self.reduced(object);
                self.judge_condition();
                let nodes = self.nodes.get_or_insert_default();
                nodes.insert(name, peer.clone()) != Some(peer)
            }
            Change::Gone(object) => {
                self.nodes.as_mut().is_some_and(|nodes| nodes.remove(&object.metadata.name).is_some())
            }
            Change::Resumed => false,
        }
    }

    /// What is kept of a node.
    fn reduced(&mut self, mut object: NodeObject) -> (Box<str>, Peer) {
        if *object.metadata.name == *self.own {
            self.condition = object.status.network.take();
        }
        (object.metadata.name.clone(), object.into())
    }

    /// Has the condition written where it is time.
    fn judge_condition(&self) {
        let status = self.outlet.status.borrow();
        let is_kept =
            status.as_ref().is_some_and(|status| status.awaits.is_none() && status.kernel_error.is_none());
        let is_uncleared = is_kept && !is_cleared(self.condition.as_ref());
        self.uncleared.send_if_modified(|was| std::mem::replace(was, is_uncleared) != is_uncleared);
    }

    /// Brings the kernel's routes to what they should be.
    async fn round(&mut self, table: &mut MainTable) -> Result<(), RoutesError> {
        let Some(nodes) = self.nodes.as_ref() else { return Ok(()) };
        if !nodes.contains_key(&*self.own) {
            let awaits = format!("node {} among the cluster's {}", self.own, nodes.len());
            self.outlet.update(|status| status.awaits = Some(awaits));
            return Ok(());
        }
        let seen = Table { routes: table.routes()?, links: table.links()? };
        let wanted = plan(&self.own, nodes, &seen);
        let Difference { stale, missing } = Difference::between(&wanted.routes, &seen);
        let changed = change(table, &stale, &missing).await;
        if !stale.is_empty() || !missing.is_empty() {
            tracing::info!(added = missing.len(), removed = stale.len(), "routes to other nodes' pods");
            self.outlet.metrics.added.inc_by(missing.len() as u64);
            self.outlet.metrics.removed.inc_by(stale.len() as u64);
        }
        let others = nodes.len() - 1;
        self.name(wanted.refusals);
        self.outlet.update(|status| {
            status.awaits = None;
            status.nodes = others;
            status.routes = wanted.routes.len();
            status.refused = self.refusals.iter().map(Refusal::to_string).collect();
            if changed.is_ok() {
                status.kernel_error = None;
            }
        });
        changed?;
        self.judge_condition();
        Ok(())
    }

    /// Says what gets no route, where that is not what was said last.
    fn name(&mut self, refusals: Vec<Refusal>) {
        if self.refusals == refusals {
            return;
        }
        for refusal in refusals.iter().take(NAMED) {
            tracing::warn!(%refusal, "no route");
        }
        if refusals.len() > NAMED {
            tracing::warn!(more = refusals.len() - NAMED, "no routes");
        }
        self.refusals = refusals;
    }

    fn failed(&self, error: &RoutesError) {
        let error = Chain(error).to_string();
        self.outlet.metrics.errors.inc();
        if self.outlet.note(|status| &mut status.kernel_error, Some(&error)) {
            tracing::error!(%error, "the routes to other nodes' pods are not as they should be");
        }
        self.judge_condition();
    }
}

/// Makes the changes, a datagram at a time; who else wants to do something does it in between. What is refused does not
/// keep the rest from being done; the error is the last one.
pub(super) async fn change(
    table: &mut MainTable,
    stale: &[TableRoute],
    missing: &[TableRoute],
) -> Result<(), NetlinkError> {
    let mut result = Ok(());
    for routes in stale.chunks(MainTable::BATCH) {
        result = table.delete(routes).and(result);
        yield_now().await;
    }
    for routes in missing.chunks(MainTable::BATCH) {
        result = table.add(routes).and(result);
        yield_now().await;
    }
    result
}
