//! Keeping the table as it has to be.
//!
//! ```text
//!  what is wanted changed ─┐
//!  the table changed ──────┼──▶ look ──▶ right: wait
//!  time to look, to retry ─┘         └─▶ else: (repair: ask the damper) ──▶ write ──▶ wait
//! ```
//!
//! Where no subnet is known, what there is stays: the source has not said anything, and the pods need it.
//! Where nothing is wanted, what is left of before is removed, and nobody listens any more.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use podnet_daemon_kit::Chain;
use podnet_daemon_kit::damping::Damper;
use podnet_daemon_kit::nf_tables::{Change, Monitor, News};
use podnet_daemon_kit::stop::Stop;
use podnet_ipam_api::debug::Upkeep;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep_until;

use super::table::{NAME, TABLE};
use super::{NodeRulesError, Table, nft};
use crate::actor::Handle;
use crate::config::{Config, NodeRules};
use crate::metrics::Metrics;
use crate::networks::Networks;
use crate::upkeep::Kept;

/// A look without any cause: notifications may be lost, or not to be had.
const FULL_CHECK: Duration = Duration::from_mins(1);

/// After an error.
const RETRY: Duration = Duration::from_secs(5);

/// What is said while repairs are put off.
const CONTESTED: &str = "another program keeps changing it: repairs are slowed down";

/// `NFPROTO_INET` (include/uapi/linux/netfilter.h).
const INET: u8 = 1;

/// Why a look is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// What is wanted may be something else than before: what differs is no tampering.
    Wanted,
    /// Somebody changed the table, or it is time: what differs is a repair.
    Check,
}

/// Keeps the table until the daemon ends; then it stays.
pub async fn keep(
    mut config: watch::Receiver<Config>,
    mut networks: watch::Receiver<Arc<Networks>>,
    actor: Handle,
    metrics: Arc<Metrics>,
    mut stop: Stop,
) {
    let mut keeper =
        Keeper { damper: Damper::new(Instant::now()), has_written: false, status: None, actor, metrics };
    let mut monitor = None;
    let mut cause = Cause::Wanted;
    loop {
        let asked = config.borrow_and_update().node_rules.clone();
        let known = networks.borrow_and_update().clone();
        // Before the look, so that nothing that changes after it is missed.
        monitor = if asked.has_rules() { monitor.or_else(listen) } else { None };
        let next = keeper.round(&asked, &known, cause).await;
        cause = tokio::select! {
            changed = config.changed() => if changed.is_err() { return } else { Cause::Wanted },
            changed = networks.changed() => if changed.is_err() { return } else { Cause::Wanted },
            () = heard(&mut monitor), if !next.is_damped => Cause::Check,
            () = sleep(next.look) => Cause::Check,
            () = stop.asked() => return,
        };
    }
}

/// When to look again, if nothing happens.
struct Next {
    look: Option<Duration>,
    /// Whether notifications wait until then, too.
    is_damped: bool,
}

struct Keeper {
    damper: Damper,
    /// Whether the table may be this daemon's own work.
    has_written: bool,
    status: Option<Upkeep>,
    actor: Handle,
    metrics: Arc<Metrics>,
}

impl Keeper {
    async fn round(&mut self, asked: &NodeRules, known: &Networks, cause: Cause) -> Next {
        if !asked.has_rules() {
            self.clear().await;
            return Next { look: None, is_damped: false };
        }
        if known.all.is_empty() {
            return Next { look: None, is_damped: false };
        }
        let kept = match Table::wanted(asked, known) {
            Ok(wanted) => self.bring(wanted, cause).await,
            Err(error) => Err(error.into()),
        };
        let (next, error) = match kept {
            Ok(None) => (Next { look: Some(FULL_CHECK), is_damped: false }, None),
            Ok(wait) => (Next { look: wait, is_damped: true }, Some(CONTESTED.to_owned())),
            Err(error) => {
                self.metrics.node_rules_errors.inc();
                (Next { look: Some(RETRY), is_damped: false }, Some(Chain(&error).to_string()))
            }
        };
        self.tell(Some(Upkeep::of(error))).await;
        next
    }

    /// Makes the table what it has to be. A repair that is put off: for how long.
    async fn bring(&mut self, wanted: Table, cause: Cause) -> Result<Option<Duration>, NodeRulesError> {
        let wanted = Arc::new(wanted);
        let looked = Arc::clone(&wanted);
        let Some(found) = blocking(move || nft::look(&looked)).await? else { return Ok(None) };
        if cause == Cause::Check
            && let Err(wait) = self.damper.take(Instant::now())
        {
            return Ok(Some(wait));
        }
        self.has_written = true;
        blocking(move || nft::write(&wanted)).await?;
        if cause == Cause::Check {
            tracing::warn!(found, "table {NAME} was changed by others, and is repaired");
            self.metrics.node_rules_repairs.inc();
        } else {
            tracing::info!(found, "table {NAME} is written");
        }
        Ok(None)
    }

    /// Removes what is left of before. Whoever asks for no rules need not have an nft.
    async fn clear(&mut self) {
        let remove = if self.has_written { nft::remove } else { nft::remove_left };
        match blocking(remove).await {
            Ok(true) => tracing::info!("table {NAME} is removed: nothing is asked for"),
            Ok(false) => {}
            Err(error) if self.has_written => {
                tracing::error!(error = %Chain(&error), "table {NAME} is no longer asked for, and stays");
            }
            Err(error) => {
                tracing::debug!(error = %Chain(&error), "whether an earlier {NAME} is left cannot be seen");
            }
        }
        self.tell(None).await;
    }

    /// Tells the operator, where something is different from before.
    async fn tell(&mut self, status: Option<Upkeep>) {
        if self.status == status {
            return;
        }
        if let Some(error) = status.as_ref().and_then(|status| status.error.as_ref()) {
            tracing::error!(%error, "table {NAME} is not as it has to be");
        }
        let in_force = status.as_ref().is_some_and(|status| status.in_force);
        self.metrics.node_rules_in_force.set(in_force.into());
        self.status.clone_from(&status);
        self.actor.upkeep(Kept::Rules, status).await.ok();
    }
}

/// Runs what waits for a program beside the runtime, so that pods are answered meanwhile.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NodeRulesError> + Send + 'static,
) -> Result<T, NodeRulesError> {
    spawn_blocking(work).await.map_err(NodeRulesError::Interrupted)?
}

fn listen() -> Option<Monitor> {
    let failed = |error: &std::io::Error| {
        tracing::warn!(%error, "changes of rules cannot be heard of: they are found once a minute");
    };
    Monitor::new().inspect_err(failed).ok()
}

/// Waits until the table has changed.
async fn heard(monitor: &mut Option<Monitor>) {
    let Some(listening) = monitor else { return pending().await };
    let mut is_ours = false;
    while !is_ours {
        if let Err(error) = listening.burst(|news| is_ours |= concerns(news)).await {
            tracing::warn!(%error, "changes of rules are no longer heard of: they are found once a minute");
            *monitor = None;
            return pending().await;
        }
    }
}

fn concerns(news: News<'_>) -> bool {
    match news {
        News::Lost => true,
        News::Change(Change { family, table, .. }) => family == INET && table == TABLE.as_bytes(),
    }
}

async fn sleep(duration: Option<Duration>) {
    match duration {
        Some(duration) => sleep_until(tokio::time::Instant::now() + duration).await,
        None => pending().await,
    }
}
