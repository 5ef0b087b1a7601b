//! The agent between two rounds: what it knows, when it looks next, and what it says about what a round did.

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

use podnet_daemon_kit::Chain;
use podnet_daemon_kit::operations::Readiness;
use podnet_masq_rules::{Family, RuleSet};
use tokio::sync::watch;
use tokio::task;

use crate::cmd::exit_of;
use crate::configuration::Configuration;
use crate::exit::Exit;
use crate::keeper::{Cause, Round};
use crate::metrics::Metrics;
use crate::node::Node;

/// The first wait after an error; it doubles up to the interval of full checks.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// Ranges that are logged; of longer lists the number.
const LOGGED_RANGES: usize = 256;

/// A storm that goes on is told of once in this time.
const STORM_TOLD: Duration = Duration::from_mins(1);

/// Why the agent could not start, or go on.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}")]
pub(crate) struct RunError {
    pub(crate) doing: &'static str,
    pub(crate) source: io::Error,
}

/// The node between two rounds, and what was said about it.
pub(crate) struct Agent {
    /// None only while a round has it.
    node: Option<Node>,
    pub(crate) metrics: Metrics,
    pub(crate) readiness: watch::Sender<Readiness>,
    /// `--resync-interval`; the configuration's own comes first.
    default_resync: Duration,
    resync: Duration,
    look_at: Instant,
    retry: Duration,
    exit: Exit,
    configuration: Option<Configuration>,
    told_others: BTreeSet<String>,
    is_damped: bool,
    told_of_storm: Option<Instant>,
}

impl Agent {
    pub(crate) fn new(node: Node, resync: Duration) -> Self {
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
            told_of_storm: None,
        }
    }

    pub(crate) fn next_look(&self) -> Instant {
        self.look_at
    }

    /// Whether a repair was put off: until its time comes, changes of the rules are not even looked at.
    pub(crate) fn is_damped(&self) -> bool {
        self.is_damped
    }

    /// How `--once` ends.
    pub(crate) fn exit(&self) -> Exit {
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

    /// Reads the files, and says what is new about them. True: something is.
    pub(crate) async fn configure(&mut self) -> Result<bool, RunError> {
        let (found, wanted) = self
            .with_node(|node| {
                let found = node.configure();
                (found, node.wanted().to_vec())
            })
            .await?;
        if self.configuration.as_ref() == Some(&found) {
            return Ok(false);
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
        Ok(true)
    }

    /// Makes a round, over everything or over these families, and says what it did.
    pub(crate) async fn round(
        &mut self,
        families: Option<Vec<Family>>,
        cause: Cause,
    ) -> Result<(), RunError> {
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
                for reason in reasons {
                    self.metrics.count_repair(reason);
                }
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
        self.is_damped = round.damped.is_some();
        if self.is_damped && self.told_of_storm.is_none_or(|told| told.elapsed() > STORM_TOLD) {
            self.told_of_storm = Some(Instant::now());
            tracing::warn!("another program keeps changing the rules: repairs are slowed down");
        }
        if round.is_verified() {
            self.metrics.set_verified(Instant::now());
        }
        self.readiness.send_replace(readiness_after(round));
    }
}

fn readiness_after(round: &Round) -> Readiness {
    if let Some(error) = round.errors.first() {
        return Readiness::NotReady(Chain(error).to_string());
    }
    if round.damped.is_some() {
        return Readiness::NotReady("another program keeps changing the rules".to_owned());
    }
    Readiness::Ready
}

fn listed(set: &RuleSet) -> String {
    let shown: Vec<_> = set.ranges.iter().take(LOGGED_RANGES).map(ToString::to_string).collect();
    match set.ranges.len().saturating_sub(LOGGED_RANGES) {
        0 if shown.is_empty() => "none".to_owned(),
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Runs what blocks beside the runtime, so that probes are answered meanwhile.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, RunError> {
    let done = task::spawn_blocking(work).await;
    done.map_err(|error| RunError { doing: "finish a round", source: io::Error::other(error) })
}
