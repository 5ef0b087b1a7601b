//! `routes: cloud`: the cloud's route controller makes the routes, and says so on the Node.
//!
//! A node that has no condition `NetworkUnavailable` yet is one that the controller has not looked at: the answer is
//! awaited, too, but on a node that no cloud manages, where nobody will ever give one. What was there before stays: a node
//! that was declared ready in an earlier life of the daemon stays so.

use podnet_ipam_api::debug::RoutesStatus;

use super::condition::is_cleared;
use super::nodes::{Condition, NodeObject, all_nodes};
use super::status::Outlet;
use crate::cluster::{Change, Cluster, Target, Watch};
use crate::config::Routes;

/// Waits until the network is there.
pub(super) async fn wait(cluster: Cluster, outlet: Outlet) {
    let node = cluster.node().to_owned();
    let begin = RoutesStatus { kind: Routes::Cloud.kind().to_owned(), ..RoutesStatus::default() };
    outlet.begin(Some(RoutesStatus { awaits: Some(awaited(&node, "is not known yet")), ..begin }));
    let mut watch = Watch::<NodeObject>::start(cluster, Target { name: Some(node.clone()), ..all_nodes() });
    let mut said = String::new();
    loop {
        let object = match watch.next().await {
            Ok(Change::All(objects)) => objects.into_iter().next(),
            Ok(Change::Changed(object)) => Some(object),
            Ok(Change::Gone(_)) => None,
            Ok(Change::Resumed) => {
                outlet.heard();
                continue;
            }
            Err(error) => {
                outlet.unheard(&error);
                continue;
            }
        };
        outlet.heard();
        let awaits = state(object.as_ref()).map(|state| awaited(&node, &state));
        outlet.update(|status| status.awaits.clone_from(&awaits));
        let Some(awaits) = awaits else { break };
        if awaits != said {
            tracing::info!(%awaits, "the node is not declared ready yet");
        }
        said = awaits;
    }
    tracing::info!(%node, "nothing of the cloud is awaited any longer");
    outlet.cleared.send_replace(true);
}

/// How the condition is; none where it is cleared.
fn state(object: Option<&NodeObject>) -> Option<String> {
    let Some(object) = object else { return Some("is not there, and neither is the node".to_owned()) };
    match &object.status.network {
        None => object.has_cloud().then(|| "is not there yet".to_owned()),
        condition if is_cleared(condition.as_ref()) => None,
        Some(Condition { status, reason, .. }) => {
            let reason = reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            Some(format!("is {status}{reason}"))
        }
    }
}

fn awaited(node: &str, state: &str) -> String {
    let condition = Condition::NETWORK_UNAVAILABLE;
    format!("condition {condition}=False of node {node}, by the cloud's route controller; it {state}")
}
