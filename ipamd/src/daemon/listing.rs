//! The conflist, kept as the daemon is.

use std::time::Duration;

use ipnet::IpNet;
use podnet_daemon_kit::stop::Stop;
use podnet_daemon_kit::{Chain, Readiness};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::config::Config;
use crate::conflist;

/// Between two attempts to write what could not be written, and two looks for a file of somebody else's before it.
const PAUSE: Duration = Duration::from_secs(10);

/// Writes the conflist as soon as the daemon can serve. Once there, it stays: a pool that runs dry later is no reason to
/// take the whole node out of service. It follows the node's ranges where it has them in it.
pub(super) async fn keep_conflist(
    mut config: watch::Receiver<Config>,
    mut readiness: watch::Receiver<Readiness>,
    mut subnets: watch::Receiver<Vec<IpNet>>,
    mut stop: Stop,
) {
    let mut said = None;
    loop {
        let is_ready = *readiness.borrow_and_update() == Readiness::Ready;
        let trouble = place(&config.borrow_and_update(), &subnets.borrow_and_update(), is_ready);
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
            changed = subnets.changed() => if changed.is_err() { return },
            () = sleep(PAUSE) => {}
            () = stop.asked() => return,
        }
    }
}

/// Puts it in its place where it belongs there now; what keeps the node from being ready with it.
fn place(config: &Config, subnets: &[IpNet], is_ready: bool) -> Option<String> {
    let conflist = config.conflist.as_ref().filter(|_| is_ready)?;
    if let Err(error) = conflist::write(conflist, config, subnets) {
        return Some(format!("the node will not become ready: {}", Chain(&error)));
    }
    let other = conflist::overshadowed_by(conflist)?;
    let path = &conflist.path;
    Some(format!(
        "the container runtime uses {} instead of {}, which comes after it",
        other.display(),
        path.display()
    ))
}
