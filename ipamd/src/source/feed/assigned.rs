//! This node's `NodeNetworkConfig` at the API server: only if it is this node's.
//!
//! A node that was replaced by another of the same name leaves an object of that name behind, with addresses that went
//! elsewhere. So the object has to name this node as its owner, by the unique ID of the Node object, and what the node asks
//! for is applied to exactly that object (its own ID goes with it).

use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::object::target_of_node;
use super::{Feed, Object};
use crate::cluster::{Cluster, ClusterError, Pace, Target};
use crate::crd::NodeNetworkConfig;
use crate::source::{SourceError, Wish, content};

/// Where the control plane keeps its objects.
const NAMESPACE: &str = "kube-system";

/// Who wrote what we ask for (`metadata.managedFields`).
const MANAGER: &str = "podnet-ipamd";

const GROUP: &str = "acn.azure.com";
const VERSION: &str = "v1alpha";

/// The object, and whose it is.
pub(in crate::source) struct Assigned {
    cluster: Cluster,
    target: Target,
    object: Object,
    /// Seen, and not judged yet.
    seen: Option<Value>,
    /// The unique ID of this node's Node object, as it was last.
    node_uid: Option<String>,
    /// The unique ID of the object that is this node's.
    uid: Option<String>,
    pace: Pace,
    /// Whether the last attempt to judge failed.
    has_failed: bool,
}

impl Assigned {
    pub(in crate::source) fn new(cluster: Cluster) -> Self {
        let name = cluster.node();
        let target = Target {
            group: GROUP,
            version: VERSION,
            resource: "nodenetworkconfigs",
            namespace: Some(NAMESPACE),
            name: Some(name.to_owned()),
            page: 1,
        };
        let shown = format!("NodeNetworkConfig {NAMESPACE}/{name}");
        let object = Object::new(cluster.clone(), shown, target.clone());
        Self {
            cluster,
            target,
            object,
            seen: None,
            node_uid: None,
            uid: None,
            pace: Pace::default(),
            has_failed: false,
        }
    }

    /// Whether the object is this node's; its own unique ID.
    async fn judge(&mut self, object: &Value) -> Result<String, SourceError> {
        let owner = owner(&object["metadata"]).map_err(content(&self.name()))?;
        let node = self.cluster.node();
        if owner.name != node {
            let says =
                format!("{} is {:?}, another node than this, {node:?}", owner.path("name"), owner.name);
            return Err(content(&self.name())(says));
        }
        if self.node_uid.as_deref() != Some(owner.uid) {
            // Asked only where it matters: a Node object keeps its ID for life.
            let uid = self.ask_node().await?;
            let is_own = uid == owner.uid;
            let says = format!(
                "{} is {:?}: it belongs to an earlier node of this name, this one's is {uid:?}; waiting for its own",
                owner.path("uid"),
                owner.uid
            );
            self.node_uid = Some(uid);
            if !is_own {
                return Err(content(&self.name())(says));
            }
        }
        Ok(object["metadata"]["uid"].as_str().unwrap_or_default().to_owned())
    }

    async fn ask_node(&self) -> Result<String, ClusterError> {
        let name = self.cluster.node();
        let asked = target_of_node(name).asked("get");
        let get = |client| async move { Api::<Node>::all(client).get_metadata(name).await };
        let node = self.cluster.request(asked, get).await?;
        Ok(node.metadata.uid.unwrap_or_default())
    }
}

impl Feed for Assigned {
    fn name(&self) -> String {
        self.object.name()
    }

    async fn next(&mut self) -> Result<Value, SourceError> {
        if self.seen.is_some() && self.has_failed {
            let pause = self.pace.failed().max(self.cluster.traffic().hold());
            // Another version may come meanwhile.
            tokio::select! {
                () = sleep(pause) => {}
                object = self.object.next() => self.seen = Some(object?),
            }
        }
        let object = if let Some(object) = &self.seen {
            object.clone()
        } else {
            let object = self.object.next().await.inspect_err(|_| self.uid = None)?;
            self.seen.insert(object).clone()
        };
        let judged = self.judge(&object).await;
        // What the API server did not say, it is asked again.
        self.has_failed = matches!(judged, Err(SourceError::Cluster(_)));
        if !self.has_failed {
            self.seen = None;
            self.pace.well();
        }
        self.uid = judged.as_ref().ok().cloned();
        judged.map(|_| object)
    }

    async fn request(&mut self, wish: &Wish) -> Result<(), SourceError> {
        let Some(uid) = &self.uid else { return Ok(()) };
        let name = self.cluster.node();
        let config = json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": "NodeNetworkConfig",
            "metadata": {"name": name, "namespace": NAMESPACE, "uid": uid},
            "spec": wish,
        });
        let applied = self.cluster.request(self.target.asked("patch"), |client| async move {
            let resource = ApiResource::erase::<NodeNetworkConfig>(&());
            let api = Api::<DynamicObject>::namespaced_with(client, NAMESPACE, &resource);
            api.patch(name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(config)).await
        });
        let applied = applied.await?;
        tracing::debug!(version = applied.metadata.resource_version, "the node's request is applied");
        Ok(())
    }
}

/// The node that an object belongs to.
#[derive(Debug, PartialEq, Eq)]
struct Owner<'a> {
    /// Its place among the references.
    at: usize,
    name: &'a str,
    uid: &'a str,
}

impl Owner<'_> {
    fn path(&self, member: &str) -> String {
        format!("metadata.ownerReferences[{}].{member}", self.at)
    }
}

fn owner(metadata: &Value) -> Result<Owner<'_>, String> {
    let references = metadata["ownerReferences"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |reference: &'_ Value, member: &str| reference[member].as_str().map(ToOwned::to_owned);
    let mut nodes = references.iter().enumerate().filter(|(_, reference)| reference["kind"] == "Node");
    match (nodes.next(), nodes.next()) {
        (None, _) => Err("metadata.ownerReferences names no Node: whose it is cannot be said".to_owned()),
        (Some((_, one)), Some((_, other))) => Err(format!(
            "metadata.ownerReferences names two nodes, {:?} and {:?}",
            text(one, "name").unwrap_or_default(),
            text(other, "name").unwrap_or_default()
        )),
        (Some((at, node)), None) => Ok(Owner {
            at,
            name: node["name"].as_str().unwrap_or_default(),
            uid: node["uid"].as_str().unwrap_or_default(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_belongs_to_one_node() {
        let of = |references: Value| {
            let metadata = json!({"ownerReferences": references});
            owner(&metadata).map(|owner| (owner.at, owner.name.to_owned(), owner.uid.to_owned()))
        };
        let node = |name: &str| json!({"kind": "Node", "name": name, "uid": "u"});
        assert_eq!(of(json!([{"kind": "Other"}, node("a")])), Ok((1, "a".to_owned(), "u".to_owned())));
        assert!(of(json!([node("a"), node("b")])).unwrap_err().contains("two nodes, \"a\" and \"b\""));
        for references in [json!(null), json!([]), json!([{"kind": "Other"}]), json!("x")] {
            assert!(of(references).unwrap_err().contains("names no Node"));
        }
    }
}
