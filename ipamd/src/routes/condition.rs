//! The node's condition `NetworkUnavailable` (k8s.io/api/core/v1): as long as it is `True`, the cluster keeps pods away.

use std::time::SystemTime;

use kube::api::{Patch, PatchParams};
use kube::core::Request;
use podnet_daemon_kit::Chain;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;

use super::nodes::{Condition, all_nodes};
use super::status::Outlet;
use crate::clock;
use crate::cluster::{Asked, Cluster, ClusterError, Pace};

/// Whether a condition says that the network is there. One that nobody has written says nothing.
pub(super) fn is_cleared(condition: Option<&Condition>) -> bool {
    condition.is_some_and(|condition| condition.status == "False")
}

/// Writes `False` whenever `wanted` becomes true, and until it is written. What was written is heard of by whoever watches
/// the node, and `wanted` is false again.
pub(super) async fn clear(cluster: Cluster, mut wanted: watch::Receiver<bool>, outlet: Outlet) {
    let mut pace = Pace::default();
    while wanted.wait_for(|is_wanted| *is_wanted).await.is_ok() {
        match write(&cluster).await {
            Ok(()) => {
                pace.well();
                tracing::info!(node = cluster.node(), "the node's network is available");
                outlet.update(|status| status.condition_error = None);
                if wanted.changed().await.is_err() {
                    return;
                }
            }
            Err(error) => {
                let error = Chain(&error).to_string();
                tracing::warn!(%error, "the node stays marked as without network");
                outlet.update(|status| status.condition_error = Some(error));
                sleep(pace.failed().max(cluster.traffic().hold())).await;
            }
        }
    }
}

async fn write(cluster: &Cluster) -> Result<(), ClusterError> {
    let node = cluster.node();
    let asked = Asked { resource: "nodes/status", object: node.to_owned(), ..all_nodes().asked("patch") };
    let now = clock::rfc3339(SystemTime::now());
    let patch = Patch::Strategic(patch(&now));
    let request =
        Request::new("/api/v1/nodes").patch_subresource("status", node, &PatchParams::default(), &patch);
    let written = cluster.request(asked, |client| async move {
        client.request::<IgnoredAny>(request.map_err(kube::Error::BuildRequest)?).await
    });
    written.await.map(drop)
}

/// A strategic merge patch: conditions are merged by their type.
fn patch(now: &str) -> Value {
    json!({"status": {"conditions": [{
        "type": Condition::NETWORK_UNAVAILABLE,
        "status": "False",
        "reason": "PodnetRoutes",
        "message": "podnet-ipamd keeps the routes to other nodes' pods",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }]}})
}
