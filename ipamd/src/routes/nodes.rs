//! The nodes of the cluster, reduced to what routes need while they are read: some hundred bytes a node instead of the
//! object's ten thousand.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer};

use crate::cluster::{Target, Versioned};

/// So many nodes of a list come at a time: half a megabyte or more.
const PAGE: u32 = 100;

/// All nodes.
pub(super) fn all_nodes() -> Target {
    Target { group: "", version: "v1", resource: "nodes", namespace: None, name: None, page: PAGE }
}

/// A node, as far as routes to its pods go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Peer {
    /// `spec.podCIDRs`: where its pods are.
    pub(super) cidrs: Box<[IpNet]>,
    /// Its addresses of type `InternalIP`, in the object's order.
    pub(super) addresses: Box<[IpAddr]>,
}

/// All nodes by name, this one included.
pub(super) type Nodes = BTreeMap<Box<str>, Peer>;

/// A Node object (k8s.io/api/core/v1), of which only this is read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct NodeObject {
    /// Who it is.
    pub(super) metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    /// What became of it.
    #[serde(default)]
    pub(super) status: Status,
}

/// `metadata`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    /// The node's name.
    pub(super) name: Box<str>,
    /// The object's version; none in no object that a server sends.
    pub(super) resource_version: Option<Box<str>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
struct Spec {
    #[serde(default, rename = "podCIDRs", deserialize_with = "networks")]
    cidrs: Vec<IpNet>,
    /// What is there where `podCIDRs` is not.
    #[serde(default, rename = "podCIDR")]
    first: Option<Box<str>>,
    /// What a cloud's controller calls the machine; none where no cloud manages the node.
    #[serde(default, rename = "providerID")]
    provider: Option<Box<str>>,
    #[serde(default)]
    taints: Option<Vec<Taint>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Taint {
    key: Box<str>,
}

/// What kubelet marks its Node with until a cloud's controller has seen it (k8s.io/cloud-provider/api).
const UNINITIALIZED: &str = "node.cloudprovider.kubernetes.io/uninitialized";

impl NodeObject {
    /// Whether a cloud manages the node, or is about to.
    pub(super) fn has_cloud(&self) -> bool {
        let awaits_one = |taint: &Taint| &*taint.key == UNINITIALIZED;
        self.spec.provider.as_deref().is_some_and(|name| !name.is_empty())
            || self.spec.taints.iter().flatten().any(awaits_one)
    }
}

/// `status`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub(super) struct Status {
    #[serde(default, deserialize_with = "internal")]
    addresses: Vec<IpAddr>,
    /// The condition `NetworkUnavailable`, where there is one.
    #[serde(default, rename = "conditions", deserialize_with = "network_unavailable")]
    pub(super) network: Option<Condition>,
}

/// A condition of a node.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    kind: String,
    /// `True`, `False` or `Unknown`.
    pub(super) status: String,
    /// Why, in one word.
    #[serde(default)]
    pub(super) reason: Option<String>,
}

impl Versioned for NodeObject {
    fn version(&self) -> Option<&str> {
        self.metadata.resource_version.as_deref()
    }
}

impl Condition {
    /// The type of the condition that says that a node's pods cannot be reached yet.
    pub(super) const NETWORK_UNAVAILABLE: &str = "NetworkUnavailable";
}

impl From<NodeObject> for Peer {
    fn from(node: NodeObject) -> Self {
        let Spec { mut cidrs, first, .. } = node.spec;
        if cidrs.is_empty() {
            cidrs.extend(first.and_then(|text| network(&text)));
        }
        Self { cidrs: cidrs.into(), addresses: node.status.addresses.into() }
    }
}

/// A range; none where it cannot be read, which no API server lets through.
fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().map(|net: IpNet| net.trunc())
}

fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Option::<Vec<Box<str>>>::deserialize(deserializer)?;
    Ok(texts.iter().flatten().filter_map(|text| network(text)).collect())
}

fn internal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpAddr>, D::Error> {
    #[derive(Deserialize)]
    struct Address {
        #[serde(rename = "type")]
        kind: Box<str>,
        address: Box<str>,
    }
    let addresses = Option::<Vec<Address>>::deserialize(deserializer)?;
    let internal = addresses.iter().flatten().filter(|address| &*address.kind == "InternalIP");
    Ok(internal.filter_map(|address| address.address.parse().ok()).collect())
}

fn network_unavailable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Condition>, D::Error> {
    let conditions = Option::<Vec<Condition>>::deserialize(deserializer)?;
    Ok(conditions.into_iter().flatten().find(|condition| condition.kind == Condition::NETWORK_UNAVAILABLE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cloud_is_known_by_the_name_it_gives_or_by_the_taint_that_waits_for_it() {
        let of =
            |spec: &str| node(&format!(r#"{{"metadata": {{"name": "n"}}, "spec": {spec}}}"#)).has_cloud();
        assert!(of(r#"{"providerID": "azure:///x"}"#));
        assert!(of(
            r#"{"taints": [{"key": "node.cloudprovider.kubernetes.io/uninitialized", "effect": "NoSchedule"}]}"#
        ));
        for spec in [
            "{}",
            r#"{"providerID": "", "taints": null}"#,
            r#"{"taints": [{"key": "node.kubernetes.io/not-ready"}]}"#,
        ] {
            assert!(!of(spec), "{spec}");
        }
    }

    fn node(text: &str) -> NodeObject {
        serde_json::from_str(text).unwrap()
    }

    fn shown(peer: &Peer) -> (Vec<String>, Vec<String>) {
        let (cidrs, addresses) = (peer.cidrs.iter(), peer.addresses.iter());
        (cidrs.map(ToString::to_string).collect(), addresses.map(ToString::to_string).collect())
    }

    #[test]
    fn a_node_is_read_as_the_api_server_sends_it() {
        let node = node(
            r#"{"kind": "Node", "apiVersion": "v1",
                "metadata": {"name": "n1", "resourceVersion": "7", "uid": "u", "labels": {"a": "b"}},
                "spec": {"podCIDR": "10.244.2.0/24", "podCIDRs": ["10.244.2.0/24", "fd44:2::/64"], "taints": []},
                "status": {"addresses": [{"type": "Hostname", "address": "n1"},
                    {"type": "InternalIP", "address": "10.0.0.2"}, {"type": "ExternalIP", "address": "192.0.2.2"},
                    {"type": "InternalIP", "address": "fd00::2"}],
                  "conditions": [{"type": "Ready", "status": "True"},
                    {"type": "NetworkUnavailable", "status": "True", "reason": "NoRouteCreated", "message": "m"}]}}"#,
        );
        let condition = node.status.network.clone().unwrap();
        assert_eq!(
            (condition.status.as_str(), condition.reason.as_deref()),
            ("True", Some("NoRouteCreated"))
        );
        assert_eq!(&*node.metadata.name, "n1");
        let (cidrs, addresses) = shown(&node.into());
        assert_eq!(cidrs, ["10.244.2.0/24", "fd44:2::/64"]);
        assert_eq!(addresses, ["10.0.0.2", "fd00::2"]);
    }

    #[test]
    fn a_node_that_has_nothing_yet_is_one_too() {
        for text in [
            r#"{"metadata": {"name": "n1"}}"#,
            r#"{"metadata": {"name": "n1"}, "spec": {"podCIDRs": null}, "status": {"addresses": null, "conditions": null}}"#,
        ] {
            let node = node(text);
            assert_eq!(node.status.network, None);
            assert_eq!(Peer::from(node), Peer::default());
        }
        let old = node(r#"{"metadata": {"name": "n1"}, "spec": {"podCIDR": "10.244.2.9/24"}}"#);
        assert_eq!(shown(&old.into()).0, ["10.244.2.0/24"]);
    }
}
