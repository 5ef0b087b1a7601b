//! `run`: the rules are kept until the agent is told to end; then they stay.
//!
//! ```text
//!  files changed (inotify) ─────┐
//!  rules changed (nfnetlink) ───┼──▶ one round at a time, on a thread that may block ──▶ log, metrics, readiness
//!  time to look, or to retry ───┘
//! ```

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use podnet_daemon_kit::operations::Operations;
use podnet_daemon_kit::signals::{Signal, Signals};
use podnet_daemon_kit::stop::Stop;
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
    if !once {
        serve(&agent, metrics_address, stop).await;
    }
    agent.configure().await?;
    agent.round(None, Cause::Configuration).await?;
    match agent.exit() {
        exit @ (Exit::ForeignChain | Exit::NoBackend) => return Ok(exit),
        exit if once => return Ok(exit),
        _ => {}
    }
    loop {
        match next(&mut signals, &mut files, &mut monitor, &agent).await {
            Event::Stop => break,
            Event::Files => {
                settle(&mut files).await;
                agent.configure().await?;
                agent.round(None, Cause::Configuration).await?;
            }
            Event::Rules(families) => agent.round(Some(families), Cause::Check).await?,
            Event::Time => {
                let cause = if agent.configure().await? { Cause::Configuration } else { Cause::Check };
                agent.round(None, cause).await?;
            }
        }
    }
    tracing::info!("told to end: the rules stay; `podnet-masq-agent cleanup` removes them");
    stopper.stop().await;
    Ok(Exit::Done)
}

/// Serves metrics and health. The rules matter more: without the address the agent goes on, and its probes tell.
async fn serve(agent: &Agent, address: Option<SocketAddr>, stop: Stop) {
    let Some(address) = address else { return };
    match TcpListener::bind(address).await {
        Ok(listener) => {
            let registry = agent.metrics.registry().into();
            let operations = Operations { registry, readiness: agent.readiness.subscribe() };
            tokio::spawn(operations.serve(listener, stop));
        }
        Err(error) => tracing::error!(%error, "metrics and health cannot be served on {address}"),
    }
}

async fn next(
    signals: &mut Signals,
    files: &mut Option<DirectoryWatch>,
    monitor: &mut Option<Monitor>,
    agent: &Agent,
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
        changed = changed_rules(monitor), if !agent.is_damped() => match changed {
            Ok(families) => Event::Rules(families),
            Err(error) => {
                tracing::warn!(%error, "changes of rules are no longer heard of: they are found at each full check");
                *monitor = None;
                Event::Time
            }
        },
        () = sleep_until(agent.next_look().into()) => Event::Time,
    }
}

async fn changed_files(files: &mut Option<DirectoryWatch>) -> io::Result<()> {
    match files {
        Some(files) => files.changed().await,
        None => std::future::pending().await,
    }
}

/// Waits for an end of the changes. Not part of the choice between events: one that is given up has lost its change.
async fn settle(files: &mut Option<DirectoryWatch>) {
    let end = Instant::now() + QUIET_AT_MOST;
    while Instant::now() < end
        && timeout(QUIET, changed_files(files)).await.is_ok_and(|changed| changed.is_ok())
    {}
}

async fn changed_rules(monitor: &mut Option<Monitor>) -> io::Result<Vec<Family>> {
    match monitor {
        Some(monitor) => monitor.changed().await,
        None => std::future::pending().await,
    }
}
