//! The conflist, kept as the daemon is.

use std::sync::Arc;
use std::time::Duration;

use podnet_daemon_kit::stop::Stop;
use podnet_daemon_kit::{Chain, Readiness};
use podnet_ipam_api::debug::Upkeep;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::actor::Handle;
use crate::config::Config;
use crate::conflist;
use crate::networks::Networks;
use crate::upkeep::Kept;

/// Between two attempts to write what could not be written, and two looks for a file of somebody else's before it.
const PAUSE: Duration = Duration::from_secs(10);

/// What decides whether the conflist is there, and what is in it.
pub(super) struct Seen {
    pub config: watch::Receiver<Config>,
    pub readiness: watch::Receiver<Readiness>,
    /// Whether, for all that routes matter, the node may be declared ready.
    pub cleared: watch::Receiver<bool>,
    pub networks: watch::Receiver<Arc<Networks>>,
}

/// Writes the conflist as soon as the daemon can serve and the routes are cleared. Once there, it stays: a pool that runs
/// dry later is no reason to take the whole node out of service. It follows the node's ranges where it has them in it.
pub(super) async fn keep_conflist(mut seen: Seen, actor: Handle, mut stop: Stop) {
    let mut said = None;
    loop {
        let status = seen.status(said.as_ref());
        if status != said {
            match status.as_ref().map(|status| &status.error) {
                Some(Some(trouble)) => tracing::error!("{trouble}"),
                Some(None) => tracing::info!("the network configuration is in its place"),
                None => {}
            }
            said.clone_from(&status);
            actor.upkeep(Kept::Conflist, status).await.ok();
        }
        tokio::select! {
            is_live = seen.changed() => if !is_live { return },
            () = sleep(PAUSE) => {}
            () = stop.asked() => return,
        }
    }
}

impl Seen {
    /// Puts the file in its place where it belongs there now; how it is then. What was `said` holds while nothing may be
    /// written.
    fn status(&mut self, said: Option<&Upkeep>) -> Option<Upkeep> {
        let is_cleared = *self.cleared.borrow_and_update();
        let is_ready = *self.readiness.borrow_and_update() == Readiness::Ready && is_cleared;
        let (config, networks) = (self.config.borrow_and_update(), self.networks.borrow_and_update());
        let conflist = config.conflist.as_ref()?;
        if !is_ready {
            return said.cloned();
        }
        let trouble = match conflist::write(conflist, &config, &networks.subnets()) {
            Ok(()) => conflist::overshadowed_by(&conflist.path)
                .map(|other| conflist::shadow_warning(&other, &conflist.path)),
            Err(error) => Some(format!("the node will not become ready: {}", Chain(&error))),
        };
        Some(Upkeep::of(trouble))
    }

    /// Waits for a change; whether there may be another.
    async fn changed(&mut self) -> bool {
        tokio::select! {
            changed = self.readiness.changed() => changed.is_ok(),
            changed = self.config.changed() => changed.is_ok(),
            changed = self.cleared.changed() => changed.is_ok(),
            changed = self.networks.changed() => changed.is_ok(),
        }
    }
}
