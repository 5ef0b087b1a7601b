//! Routes to the pods of other nodes: whose business they are, and how they are.
//!
//! ```text
//!  routes: cloud   ─▶ the node's condition NetworkUnavailable is awaited ─▶ cleared ─▶ conflist
//!  routes: host-gw ─▶ nodes ─plan─▶ difference from the kernel's table ─▶ routes, condition
//!  neither         ─▶ what host-gw left behind is removed
//! ```

mod cloud;
mod condition;
mod host_gw;
mod monitor;
mod nodes;
mod plan;
mod status;
mod sweep;

pub use status::{Outlet, summary};
pub use sweep::remove;

use podnet_daemon_kit::Chain;
use tokio::task::JoinHandle;

use crate::cluster::Cluster;
use crate::config::Routes;

/// Begins to do what the configuration says. It goes on until it is aborted.
pub fn start(routes: Option<Routes>, cluster: Cluster, outlet: Outlet) -> JoinHandle<()> {
    outlet.cleared.send_replace(routes != Some(Routes::Cloud));
    tokio::spawn(async move {
        if routes != Some(Routes::HostGw)
            && let Err(error) = sweep::sweep().await
        {
            tracing::warn!(error = %Chain(&error), "routes of an earlier configuration may be left");
        }
        match routes {
            None => outlet.begin(None),
            Some(Routes::Cloud) => cloud::wait(cluster, outlet).await,
            Some(Routes::HostGw) => host_gw::keep(cluster, outlet).await,
        }
    })
}
