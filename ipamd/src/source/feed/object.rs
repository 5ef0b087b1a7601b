//! A document that is an object at the API server.

use kube::core::DynamicObject;
use serde_json::Value;

use super::Feed;
use crate::cluster::{Change, Cluster, Target, Watch};
use crate::source::{SourceError, Wish, content};

/// One object, watched.
pub(in crate::source) struct Object {
    cluster: Cluster,
    /// As errors call it, as in `Node n1`.
    name: String,
    target: Target,
    watch: Option<Watch<DynamicObject>>,
    /// What it was when it was seen last; none: it was not there.
    last: Option<DynamicObject>,
}

impl Object {
    pub(super) fn new(cluster: Cluster, name: String, target: Target) -> Self {
        Self { cluster, name, target, watch: None, last: None }
    }
}

/// Where a node's Node object is.
pub(super) fn target_of_node(name: &str) -> Target {
    let name = Some(name.to_owned());
    Target { group: "", version: "v1", resource: "nodes", namespace: None, name, page: 1 }
}

/// This node's Node object.
pub(in crate::source) fn node(cluster: Cluster) -> Object {
    let name = cluster.node();
    let (shown, target) = (format!("Node {name}"), target_of_node(name));
    Object::new(cluster, shown, target)
}

impl Feed for Object {
    fn name(&self) -> String {
        self.name.clone()
    }

    async fn next(&mut self) -> Result<Value, SourceError> {
        let Self { cluster, target, .. } = self;
        let watch = self.watch.get_or_insert_with(|| Watch::start(cluster.clone(), target.clone()));
        self.last = match watch.next().await? {
            Change::All(objects) => objects.into_iter().next(),
            Change::Changed(object) => Some(object),
            Change::Gone(_) => None,
            Change::Resumed => self.last.take(),
        };
        let complain = content(&self.name);
        match &self.last {
            Some(object) => serde_json::to_value(object).map_err(|error| complain(error.to_string())),
            None => Err(complain("the API server does not have it; waiting for it".to_owned())),
        }
    }

    async fn request(&mut self, _: &Wish) -> Result<(), SourceError> {
        Ok(())
    }
}
