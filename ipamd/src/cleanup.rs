//! What the daemon keeps on the node for all pods, taken off it. For a daemon that has ended.

use std::path::Path;

use podnet_datapath::netlink::NetlinkError;

use crate::node_rules::{self, NodeRulesError};
use crate::routes;
use crate::subnet_route::{self, SubnetRouteError};

/// Why something stays.
#[derive(Debug, thiserror::Error)]
pub enum CleanupError {
    /// The table.
    #[error(transparent)]
    Rules(#[from] NodeRulesError),
    /// The routes to the pods' subnets.
    #[error(transparent)]
    Subnets(#[from] SubnetRouteError),
    /// The routes to other nodes' pods.
    #[error("cannot remove the routes to other nodes' pods")]
    Nodes(#[source] NetlinkError),
}

/// Removes all of it, and says what there was. `state`: the daemon's state directory, which knows of the routes to subnets.
pub fn cleanup(state: &Path) -> Result<Vec<String>, CleanupError> {
    let mut removed = Vec::new();
    let routes = subnet_route::remove(state)?;
    if routes > 0 {
        removed.push(format!("{routes} routes to the pods' subnets"));
    }
    let routes = routes::remove().map_err(CleanupError::Nodes)?;
    if routes > 0 {
        removed.push(format!("{routes} routes to other nodes' pods"));
    }
    if node_rules::remove_left()? {
        removed.push("table inet podnet-node".to_owned());
    }
    Ok(removed)
}
