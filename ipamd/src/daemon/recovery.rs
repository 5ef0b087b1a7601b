//! The pool of an earlier life.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use podnet_daemon_kit::operations::Operations;
use podnet_daemon_kit::prometheus::registry::Registry;
use podnet_daemon_kit::signals::{Signal, Signals};
use podnet_daemon_kit::{Chain, Readiness, stop};
use podnet_ipam_core::{Pool, Settings};
use podnet_ipam_store::{BootId, Store, StoreError};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep;

use super::remove_conflist;
use crate::clock;
use crate::config::Config;
use crate::sightings::Sightings;

/// Between two attempts to open the state directory.
const PAUSE: Duration = Duration::from_secs(1);

/// How long another daemon may take to end, as in an upgrade.
const HANDOVER: Duration = Duration::from_secs(5);

/// The recovered state; none: the daemon is to end.
///
/// A state directory that cannot be used (read-only, another's) is no reason to end, and to be started again and again: it
/// is waited for, and `/readyz` says so, where there is a metrics address.
pub(super) async fn wait_for_state(
    config: &Config,
    signals: &mut Signals,
) -> Result<Option<(Pool, Store)>, StoreError> {
    let begin = Instant::now();
    let (stopper, stop) = stop::channel();
    let mut waiting: Option<watch::Sender<Readiness>> = None;
    let found = loop {
        match recover(config) {
            Ok(state) => break Ok(Some(state)),
            Err(error @ StoreError::Locked { .. }) if begin.elapsed() > HANDOVER => break Err(error),
            // Whoever has it serves.
            Err(StoreError::Locked { .. }) => {}
            Err(error) => {
                let reason = Chain(&error).to_string();
                let news = Readiness::NotReady(reason.clone());
                if waiting.as_ref().is_none_or(|waiting| *waiting.borrow() != news) {
                    tracing::error!(%reason, "waiting for the state directory");
                    remove_conflist(config);
                }
                match &waiting {
                    Some(waiting) => drop(waiting.send_replace(news)),
                    None => waiting = Some(say(config, news, stop.clone()).await),
                }
            }
        }
        tokio::select! {
            () = sleep(PAUSE) => {}
            signal = signals.next() => if signal == Signal::Stop {
                break Ok(None);
            },
        }
    };
    drop(stop);
    // Its address is free again after this.
    stopper.stop().await;
    found
}

/// Answers `/healthz` and `/readyz` while there is nothing else to answer.
async fn say(config: &Config, readiness: Readiness, stop: stop::Stop) -> watch::Sender<Readiness> {
    let (sender, readiness) = watch::channel(readiness);
    if let Some(address) = config.metrics
        && let Ok(listener) = TcpListener::bind(address).await
    {
        let operations = Operations { registry: Arc::new(Registry::default()), readiness };
        tokio::spawn(operations.serve(listener, stop));
    }
    sender
}

/// Reads the state, rebuilds from the node what it does not say, and leaves a good snapshot behind.
fn recover(config: &Config) -> Result<(Pool, Store), StoreError> {
    let settings = Settings { cool_down: config.pool.cool_down, ..Settings::default() };
    let (mut store, mut recovery) = Store::open(&config.state, BootId::current()?)?;
    let (mut pool, conflicts) = Pool::replay(settings, std::mem::take(&mut recovery.events));
    for conflict in &conflicts {
        tracing::error!(%conflict, "the journal contradicts itself");
    }
    if !conflicts.is_empty() {
        store.distrust(&mut recovery);
    }
    if recovery.needs_rebuild() {
        rebuild(&mut pool, config);
    }
    match store.snapshot(&pool.snapshot()) {
        Ok(aside) => tracing::info!(
            journal = %recovery.verdict,
            attachments = pool.holders().count(),
            aside = aside.map(|path| path.display().to_string()),
            "the state is read"
        ),
        // The journal on disk is as good as before, and the actor tries again.
        Err(error) => tracing::error!(error = %Chain(&error), "the state cannot be written"),
    }
    Ok((pool, store))
}

fn rebuild(pool: &mut Pool, config: &Config) {
    let now = clock::since_boot();
    for claim in Sightings::look(Path::new("/"), &config.listen.socket).holders() {
        // The snapshot that follows has it all.
        if let Err(conflict) = pool.adopt(claim.clone(), now, &mut Vec::new()) {
            tracing::error!(%conflict, "two pods of the node have one address");
        }
    }
}
