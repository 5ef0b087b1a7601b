//! What `host-gw` leaves behind, once it is no longer asked for.

use podnet_datapath::netlink::NetlinkError;
use podnet_datapath::{MainTable, TableRoute};

use super::host_gw::change;
use super::plan::PROTOCOL;

/// Removes the routes while pods are answered.
pub(super) async fn sweep() -> Result<(), NetlinkError> {
    let (mut table, ours) = ours()?;
    if !ours.is_empty() {
        tracing::info!(removed = ours.len(), "routes of an earlier configuration");
    }
    change(&mut table, &ours, &[]).await
}

/// Removes the routes of a daemon that has ended; how many.
pub fn remove() -> Result<usize, NetlinkError> {
    let (mut table, ours) = ours()?;
    for routes in ours.chunks(MainTable::BATCH) {
        table.delete(routes)?;
    }
    Ok(ours.len())
}

fn ours() -> Result<(MainTable, Vec<TableRoute>), NetlinkError> {
    let mut table = MainTable::open()?;
    let mut routes = table.routes()?;
    routes.retain(|route| route.protocol == PROTOCOL);
    Ok((table, routes))
}
