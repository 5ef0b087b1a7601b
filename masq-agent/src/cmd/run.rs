//! `run`: the rules are kept until the agent is told to end; then they stay.
//!
//! ```text
//!  files changed (inotify) ─────┐
//!  rules changed (nfnetlink) ───┼──▶ one round at a time, on a thread that may block ──▶ log, metrics, readiness
//!  time to look, or to retry ───┘
//! ```

use std::io;
use std::time::{Duration, Instant};

use podnet_daemon_kit::operations::Operations;
use podnet_daemon_kit::signals::{Signal, Signals};
use podnet_daemon_kit::watch::DirectoryWatch;
use podnet_daemon_kit::{Chain, stop};
use podnet_masq_rules::Family;
use tokio::net::TcpListener;
use tokio::time::{sleep_until, timeout};

use crate::agent::{Agent, RunError, blocking};
use crate::exit::Exit;
use crate::keeper::Cause;
use crate::monitor::Monitor;
use crate::node::{Node, Start};
use crate::settings::Settings;

/// Files that are written and not renamed come in several events: quiet for so long means that they are complete.
const QUIET: Duration = Duration::from_millis(5);
/// But no longer than this.
const QUIET_AT_MOST: Duration = Duration::from_millis(50);

/// What made the agent look.
enum Event {
    Stop,
    Files,
    Rules(Vec<Family>),
    Time,
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
    let start = blocking(move || Node::start(settings, Instant::now())).await?;
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
    match agent.exit() {
        exit @ (Exit::ForeignChain | Exit::NoBackend) => return Ok(exit),
        exit if once => return Ok(exit),
        _ => {}
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
