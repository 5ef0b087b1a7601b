//! The conflist, kept as the daemon is.

use std::sync::Arc;
use std::time::Duration;

use podnet_daemon_kit::stop::Stop;
use podnet_daemon_kit::{Chain, Readiness};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::config::Config;
use crate::conflist;
use crate::networks::Networks;

/// Between two attempts to write what could not be written, and two looks for a file of somebody else's before it.
const PAUSE: Duration = Duration::from_secs(10);

/// Writes the conflist as soon as the daemon can serve and the routes are cleared. Once there, it stays: a pool that runs
/// dry later is no reason to take the whole node out of service. It follows the node's ranges where it has them in it.
pub(super) async fn keep_conflist(
    mut config: watch::Receiver<Config>,
    mut readiness: watch::Receiver<Readiness>,
    mut cleared: watch::Receiver<bool>,
    mut networks: watch::Receiver<Arc<Networks>>,
    mut stop: Stop,
) {
    let mut said = None;
    loop {
        let is_cleared = *cleared.borrow_and_update();
        let is_ready = *readiness.borrow_and_update() == Readiness::Ready && is_cleared;
        let trouble = place(&config.borrow_and_update(), &networks.borrow_and_update(), is_ready);
        if trouble != said {
            if let Some(trouble) = &trouble {
                tracing::error!("{trouble}");
            } else {
                tracing::info!("the network configuration is in its place");
            }
            said = trouble;
        }
        tokio::select! {
            changed = readiness.changed() => if changed.is_err() { return },
            changed = config.changed() => if changed.is_err() { return },
            changed = cleared.changed() => if changed.is_err() { return },
            changed = networks.changed() => if changed.is_err() { return },
            () = sleep(PAUSE) => {}
            () = stop.asked() => return,
        }
    }
}

/// Puts it in its place where it belongs there now; what keeps the node from being ready with it.
fn place(config: &Config, networks: &Networks, is_ready: bool) -> Option<String> {
    let conflist = config.conflist.as_ref().filter(|_| is_ready)?;
    if let Err(error) = conflist::write(conflist, config, &networks.subnets()) {
        return Some(format!("the node will not become ready: {}", Chain(&error)));
    }
    let path = &conflist.path;
    conflist::overshadowed_by(path).map(|other| conflist::shadow_warning(&other, path))
}
