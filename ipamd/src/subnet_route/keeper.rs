//! Keeping the routes: a look when what is wanted changes, and now and then.

use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use podnet_daemon_kit::Chain;
use podnet_daemon_kit::stop::Stop;
use podnet_datapath::MainTable;
use podnet_datapath::netlink::NetlinkError;
use podnet_ipam_api::debug::Upkeep;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::SubnetRouteError;
use super::plan::{Change, NoRoute, wanted};
use super::record::Record;
use crate::actor::Handle;
use crate::config::Config;
use crate::networks::Networks;
use crate::upkeep::Kept;

/// Between two looks: a route that others delete, or that went with its link, is back after this.
const INTERVAL: Duration = Duration::from_secs(10);

/// Keeps the routes until the daemon ends; then they stay.
pub async fn keep(
    mut config: watch::Receiver<Config>,
    mut networks: watch::Receiver<Arc<Networks>>,
    actor: Handle,
    mut stop: Stop,
) {
    let mut told = None;
    loop {
        let (is_asked, state) = {
            let config = config.borrow_and_update();
            (config.node_rules.subnet_route, config.state.clone())
        };
        let known = networks.borrow_and_update().clone();
        // Where no subnet is known, what there is stays.
        let done = match is_asked {
            true if known.all.is_empty() => None,
            is_asked => Some(off_the_runtime(state, is_asked.then_some(known)).await),
        };
        let status = done
            .filter(|_| is_asked)
            .map(|done| Upkeep::of(done.err().map(|error| Chain(&error).to_string())));
        if status != told {
            if let Some(error) = status.as_ref().and_then(|status| status.error.as_ref()) {
                tracing::error!(%error, "the routes to the pods' subnets are not as they have to be");
            }
            told.clone_from(&status);
            actor.upkeep(Kept::Routes, status).await.ok();
        }
        tokio::select! {
            changed = config.changed() => if changed.is_err() { return },
            changed = networks.changed() => if changed.is_err() { return },
            () = next_look(is_asked) => {}
            () = stop.asked() => return,
        }
    }
}

async fn next_look(is_asked: bool) {
    if is_asked { sleep(INTERVAL).await } else { pending().await }
}

/// Asks the kernel beside the runtime, so that pods are answered meanwhile.
async fn off_the_runtime(state: PathBuf, networks: Option<Arc<Networks>>) -> Result<(), SubnetRouteError> {
    let work = move || bring(&state, networks.as_deref()).map(drop);
    spawn_blocking(work).await.map_err(SubnetRouteError::Interrupted)?
}

/// Removes our routes; how many.
pub fn remove(state: &Path) -> Result<usize, SubnetRouteError> {
    bring(state, None)
}

/// Makes the routes what they have to be: those to the subnets of `networks`, or none. How many of ours went.
fn bring(state: &Path, networks: Option<&Networks>) -> Result<usize, SubnetRouteError> {
    let record = Record::of(state);
    let ours = record.read()?;
    if networks.is_none() && ours.is_empty() {
        return Ok(0);
    }
    let mut table = MainTable::open().map_err(failed("read"))?;
    let found = table.routes().map_err(failed("read"))?;
    let wanted = networks.map_or(Ok(Vec::new()), |networks| wanted(networks, &found))?;
    let change = Change::of(&wanted, &found, &ours);
    // What is about to be ours and what still is, so that a daemon that is killed here knows both.
    let all: Vec<_> = change.ours.iter().chain(&change.delete).cloned().collect();
    if all != ours {
        record.write(&all)?;
    }
    for batch in change.delete.chunks(MainTable::BATCH) {
        table.delete(batch).map_err(failed("delete"))?;
    }
    for batch in change.add.chunks(MainTable::BATCH) {
        table.add(batch).map_err(failed("add"))?;
    }
    if change.ours != all {
        record.write(&change.ours)?;
    }
    for route in &change.add {
        tracing::info!(subnet = %route.dst, "the route to the pods' subnet is added");
    }
    match change.taken.first() {
        Some(route) => Err(NoRoute::Taken(route.dst).into()),
        None => Ok(change.delete.len()),
    }
}

fn failed(doing: &'static str) -> impl FnOnce(NetlinkError) -> SubnetRouteError {
    move |source| SubnetRouteError::Kernel { doing, source }
}
