//! `run`: the rules are kept until the agent is told to end; then they stay.
//!
//! ```text
//!  files changed (inotify) ─────┐
//!  rules changed (nfnetlink) ───┼──▶ one round at a time, on a thread that may block ──▶ log, metrics, readiness
//!  time to look, or to retry ───┘
//! ```

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

use podnet_daemon_kit::operations::{Operations, Readiness};
use podnet_daemon_kit::signals::{Signal, Signals};
use podnet_daemon_kit::watch::DirectoryWatch;
use podnet_daemon_kit::{Chain, stop};
use podnet_masq_rules::{Family, RuleSet};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task;
use tokio::time::{sleep_until, timeout};

use super::exit_of;
use crate::configuration::Configuration;
use crate::exit::Exit;
use crate::keeper::{Cause, Round};
use crate::metrics::Metrics;
use crate::monitor::Monitor;
use crate::node::{Node, Start};
use crate::settings::Settings;

/// Files that are written and not renamed come in several events: quiet for so long means that they are complete.
const QUIET: Duration = Duration::from_millis(5);
/// But no longer than this.
const QUIET_AT_MOST: Duration = Duration::from_millis(50);
/// The first wait after an error; it doubles up to the interval of full checks.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// Ranges that are logged; of longer lists the number.
const LOGGED_RANGES: usize = 256;

/// What made the agent look.
enum Event {
    Stop,
    Files,
    Rules(Vec<Family>),
    Time,
}

/// Why the agent could not start, or go on.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}")]
struct RunError {
    doing: &'static str,
    source: io::Error,
}

/// Runs the agent.
pub(crate) fn run(settings: Settings) -> Exit {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime
        .map_err(|source| RunError { doing: "start the runtime", source })
        .and_then(|runtime| runtime.block_on(keep(settings)));
    ended.unwrap_or_else(|error| {
        tracing::error!("{}", Chain(&error));
        Exit::Failed
    })
}

async fn keep(settings: Settings) -> Result<Exit, RunError> {
    // Before the first look, so that nothing that changes after it is missed.
    let mut signals = Signals::listen().map_err(|source| RunError { doing: "listen for signals", source })?;
    let mut files = DirectoryWatch::new(&settings.config_dir)
        .inspect_err(|error| tracing::warn!(%error, "the configuration directory cannot be watched: it is read at each full check"))
        .ok();
    let monitor = Monitor::new(settings.chain.clone());

    let (once, metrics_address, resync) = (settings.once, settings.metrics, settings.resync_interval);
    let start = blocking(move || Node::new(settings, Instant::now())).await?;
    let Start { node, backend, because, notifies, no_random_fully } = match start {
        Ok(start) => start,
        Err(error) => {
            tracing::error!("{}", Chain(&error));
            return Ok(Exit::NoBackend);
        }
    };
    tracing::info!("backend {backend}: {}", because.trim());
    if no_random_fully {
        tracing::warn!("this iptables does not know --random-fully: rules are written without it");
    }
    let mut monitor = monitor
        .inspect_err(|error| tracing::warn!(%error, "changes of rules cannot be heard of: they are found at each full check"))
        .ok();
    if !notifies {
        tracing::info!("{backend} tells of no changes: rules are checked every {} s", resync.as_secs());
    }

    let mut agent = Agent::new(node, resync);
    let (stopper, stop) = stop::channel();
    if let Some(address) = metrics_address.filter(|_| !once) {
        match TcpListener::bind(address).await {
            Ok(listener) => {
                let operations = Operations {
                    registry: agent.metrics.registry().into(),
                    readiness: agent.readiness.subscribe(),
                };
                tokio::spawn(operations.serve(listener, stop));
            }
            Err(error) => tracing::error!(%error, "metrics and health cannot be served on {address}"),
        }
    }
    agent.configure().await?;
    agent.round(None, Cause::Configuration).await?;
    if once {
        return Ok(agent.exit());
    }
    if agent.exit == Exit::ForeignChain || agent.exit == Exit::NoBackend {
        return Ok(agent.exit);
    }
    loop {
        match next(&mut signals, &mut files, &mut monitor, agent.next_look()).await {
            Event::Stop => break,
            Event::Files => {
                agent.configure().await?;
                agent.round(None, Cause::Configuration).await?;
            }
            Event::Rules(families) => agent.round(Some(families), Cause::Check).await?,
            Event::Time => {
                agent.configure().await?;
                agent.round(None, Cause::Check).await?;
            }
        }
    }
    tracing::info!("told to end: the rules stay; `podnet-masq-agent cleanup` removes them");
    stopper.stop().await;
    Ok(Exit::Done)
}

async fn next(
    signals: &mut Signals,
    files: &mut Option<DirectoryWatch>,
    monitor: &mut Option<Monitor>,
    at: Instant,
) -> Event {
    tokio::select! {
        signal = signals.next() => match signal {
            Signal::Stop => Event::Stop,
            Signal::Reload => Event::Files,
        },
        changed = changed_files(files) => match changed {
            Ok(()) => Event::Files,
            Err(error) => {
                tracing::warn!(%error, "the configuration directory is no longer watched: it is read at each full check");
                *files = None;
                Event::Files
            }
        },
        changed = changed_rules(monitor) => match changed {
            Ok(families) => Event::Rules(families),
            Err(error) => {
                tracing::warn!(%error, "changes of rules are no longer heard of: they are found at each full check");
                *monitor = None;
                Event::Time
            }
        },
        () = sleep_until(at.into()) => Event::Time,
    }
}

/// Waits for a change of the files, and then for an end of the changes.
async fn changed_files(files: &mut Option<DirectoryWatch>) -> io::Result<()> {
    let Some(files) = files else { return std::future::pending().await };
    files.changed().await?;
    let end = Instant::now() + QUIET_AT_MOST;
    while Instant::now() < end {
        match timeout(QUIET, files.changed()).await {
            Ok(changed) => changed?,
            Err(_quiet) => break,
        }
    }
    Ok(())
}

async fn changed_rules(monitor: &mut Option<Monitor>) -> io::Result<Vec<Family>> {
    match monitor {
        Some(monitor) => monitor.changed().await,
        None => std::future::pending().await,
    }
}

/// Runs what blocks beside the runtime, so that probes are answered meanwhile.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, RunError> {
    let done = task::spawn_blocking(work).await;
    done.map_err(|error| RunError { doing: "finish a round", source: io::Error::other(error) })
}

/// The node between two rounds, and what was said about it.
struct Agent {
    /// None only while a round has it.
    node: Option<Node>,
    metrics: Metrics,
    readiness: watch::Sender<Readiness>,
    /// `--resync-interval`; the configuration's own comes first.
    default_resync: Duration,
    resync: Duration,
    look_at: Instant,
    retry: Duration,
    exit: Exit,
    configuration: Option<Configuration>,
    told_others: BTreeSet<String>,
    is_damped: bool,
}

impl Agent {
    fn new(node: Node, resync: Duration) -> Self {
        let (readiness, _) =
            watch::channel(Readiness::NotReady("the rules were not looked at yet".to_owned()));
        Self {
            node: Some(node),
            metrics: Metrics::default(),
            readiness,
            default_resync: resync,
            resync,
            look_at: Instant::now(),
            retry: FIRST_RETRY,
            exit: Exit::Done,
            configuration: None,
            told_others: BTreeSet::new(),
            is_damped: false,
        }
    }

    fn next_look(&self) -> Instant {
        self.look_at
    }

    /// How `--once` ends.
    fn exit(&self) -> Exit {
        let is_good = self.configuration.as_ref().is_none_or(Configuration::is_good);
        if self.exit == Exit::Done && !is_good { Exit::Configuration } else { self.exit }
    }

    async fn with_node<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Node) -> T + Send + 'static,
    ) -> Result<T, RunError> {
        let missing =
            || RunError { doing: "begin a round", source: io::Error::other("another one is under way") };
        let mut node = self.node.take().ok_or_else(missing)?;
        let (node, result) = blocking(move || {
            let result = work(&mut node);
            (node, result)
        })
        .await?;
        self.node = Some(node);
        Ok(result)
    }

    /// Reads the files, and says what is new about them.
    async fn configure(&mut self) -> Result<(), RunError> {
        let (found, wanted) = self
            .with_node(|node| {
                let found = node.configure();
                (found, node.wanted().to_vec())
            })
            .await?;
        if self.configuration.as_ref() == Some(&found) {
            return Ok(());
        }
        for report in &found.reports {
            if report.is_fatal {
                tracing::error!("{report}");
            } else {
                tracing::warn!("{report}");
            }
        }
        self.metrics.set_configuration_good(found.is_good());
        self.metrics.set_ranges(&wanted);
        self.resync = found.policy.resync_interval.unwrap_or(self.default_resync);
        for set in &wanted {
            tracing::info!(
                "{} ranges that keep a pod's address: {} (from {})",
                set.family,
                listed(set),
                found.origin
            );
        }
        self.configuration = Some(found);
        Ok(())
    }

    /// Makes a round, over everything or over these families, and says what it did.
    async fn round(&mut self, families: Option<Vec<Family>>, cause: Cause) -> Result<(), RunError> {
        let is_full = families.is_none();
        let round = self
            .with_node(move |node| match families {
                Some(families) => node.check(&families, cause),
                None => node.check_all(cause),
            })
            .await?;
        self.metrics.count_sync();
        self.tell(&round, cause);
        let now = Instant::now();
        self.exit = exit_of(&round.errors);
        if let Some(wait) = round.damped {
            self.look_at = now + wait;
        } else if round.errors.is_empty() {
            self.retry = FIRST_RETRY;
            // A check of a part does not put off the full one.
            if is_full || self.exit != Exit::Done {
                self.look_at = now + self.resync;
            } else {
                self.look_at = self.look_at.max(now).min(now + self.resync);
            }
        } else {
            self.look_at = now + self.retry.min(self.resync);
            self.retry = (self.retry * 2).min(self.resync);
        }
        Ok(())
    }

    fn tell(&mut self, round: &Round, cause: Cause) {
        for (family, reasons) in &round.changed {
            if cause == Cause::Configuration {
                tracing::info!("{family} rules written: {}", reasons.join(", "));
            } else {
                tracing::warn!("{family} rules repaired: {}", reasons.join(", "));
                reasons.iter().for_each(|reason| self.metrics.count_repair(reason));
            }
        }
        for (place, family) in &round.removed {
            tracing::warn!("{family} rules of an agent removed from {place}, where they overrode the others");
        }
        for error in &round.errors {
            tracing::error!("{}", Chain(error));
            self.metrics.count_error(error.kind());
        }
        for other in &round.others {
            if self.told_others.insert(other.clone()) {
                tracing::warn!(
                    "another program masquerades by itself, ranges that are exempt here included: {other}"
                );
            }
        }
        if round.damped.is_some() {
            self.metrics.count_damped();
        }
        if round.damped.is_some() != self.is_damped {
            self.is_damped = round.damped.is_some();
            if self.is_damped {
                tracing::warn!("another program keeps changing the rules: repairs are slowed down");
            }
        }
        if round.is_verified() {
            self.metrics.set_verified(Instant::now());
        }
        self.readiness.send_replace(self.readiness_after(round));
    }

    fn readiness_after(&self, round: &Round) -> Readiness {
        if let Some(error) = round.errors.first() {
            return Readiness::NotReady(Chain(error).to_string());
        }
        if round.damped.is_some() {
            return Readiness::NotReady("another program keeps changing the rules".to_owned());
        }
        Readiness::Ready
    }
}

fn listed(set: &RuleSet) -> String {
    let shown: Vec<_> = set.ranges.iter().take(LOGGED_RANGES).map(ToString::to_string).collect();
    match set.ranges.len().saturating_sub(LOGGED_RANGES) {
        0 if shown.is_empty() => "none".to_owned(),
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
