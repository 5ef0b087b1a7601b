//! Between the objects at the API server and what the core knows of them. The status has a module of its own.

use std::net::IpAddr;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ObjectMeta;
use podnet_ipam_core::{Family, PerFamily};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::ledger::Owner;
use super::observed::{Node, Observed};
use super::settings::Settings;
use super::status;
use crate::cluster::Versioned;
use crate::crd::{self, NodeNetworkConfig, NodeNetworkConfigSpec};

/// Where the objects are, and the controller's own.
pub const NAMESPACE: &str = "kube-system";

/// A Node, as far as it is read: thousands of them are followed.
#[derive(Debug, Clone, Deserialize)]
pub struct FoundNode {
    /// Name, UID and version.
    pub metadata: ObjectMeta,
    #[serde(default)]
    status: FoundNodeStatus,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct FoundNodeStatus {
    #[serde(default)]
    addresses: Vec<FoundAddress>,
}

#[derive(Debug, Clone, Deserialize)]
struct FoundAddress {
    #[serde(rename = "type")]
    kind: String,
    address: String,
}

impl Versioned for FoundNode {
    fn version(&self) -> Option<&str> {
        self.metadata.resource_version.as_deref()
    }
}

/// What a Node says.
pub fn node(found: FoundNode) -> Node {
    let internal = found.status.addresses.iter().filter(|address| address.kind == "InternalIP");
    let parsed: Vec<IpAddr> = internal.filter_map(|address| address.address.parse().ok()).collect();
    let first = |family| parsed.iter().copied().find(|address| Family::of(*address) == family);
    Node {
        uid: found.metadata.uid.unwrap_or_default(),
        addresses: PerFamily { v4: first(Family::V4), v6: first(Family::V6) },
    }
}

/// A `NodeNetworkConfig`, also where it is malformed: one bad object must not hide the others.
#[derive(Debug, Clone)]
pub struct Found {
    /// Name, UID, version, owner.
    pub metadata: ObjectMeta,
    /// What is malformed, with its field.
    spec: Result<NodeNetworkConfigSpec, String>,
    status: Result<Option<crd::NodeNetworkConfigStatus>, String>,
}

impl<'de> Deserialize<'de> for Found {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            metadata: ObjectMeta,
            #[serde(default)]
            spec: Value,
            #[serde(default)]
            status: Value,
        }
        fn read<T: DeserializeOwned>(part: &str, value: Value) -> Result<T, String> {
            serde_path_to_error::deserialize(value)
                .map_err(|error| format!("{part}.{}: {}", error.path(), error.inner()))
        }
        let Raw { mut metadata, spec, status } = Raw::deserialize(deserializer)?;
        metadata.managed_fields = None;
        let spec = if spec.is_null() { Ok(NodeNetworkConfigSpec::default()) } else { read("spec", spec) };
        Ok(Self { metadata, spec, status: read("status", status) })
    }
}

impl Versioned for Found {
    fn version(&self) -> Option<&str> {
        self.metadata.resource_version.as_deref()
    }
}

/// A new object for a node.
pub fn create(owner: &Owner, settings: &Settings) -> NodeNetworkConfig {
    let reference = OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Node".to_owned(),
        name: owner.node.clone(),
        uid: owner.uid.clone(),
        controller: Some(true),
        block_owner_deletion: None,
    };
    let requested = if settings.mode.is_dynamic() { settings.scaler.batch } else { 0 };
    NodeNetworkConfig {
        metadata: ObjectMeta {
            name: Some(owner.node.clone()),
            namespace: Some(NAMESPACE.to_owned()),
            owner_references: Some(vec![reference]),
            ..ObjectMeta::default()
        },
        spec: NodeNetworkConfigSpec {
            requested_ip_count: requested.into(),
            ..NodeNetworkConfigSpec::default()
        },
        status: None,
    }
}

/// What a `NodeNetworkConfig` says.
pub fn observe(found: Found, settings: &Settings) -> Observed {
    let Found { metadata, spec, status } = found;
    let owners = metadata.owner_references.into_iter().flatten();
    let mut observed = Observed {
        version: metadata.resource_version.unwrap_or_default(),
        uid: metadata.uid.unwrap_or_default(),
        owner: owners
            .filter(|owner| owner.kind == "Node" && owner.controller == Some(true))
            .map(|owner| owner.uid)
            .next(),
        is_deleting: metadata.deletion_timestamp.is_some(),
        ..Observed::default()
    };
    match spec {
        Ok(spec) => {
            observed.requested = u32::try_from(spec.requested_ip_count.max(0)).unwrap_or(u32::MAX);
            observed.not_in_use = spec.ips_not_in_use.into_iter().collect();
        }
        Err(says) => observed.fault = Some(says),
    }
    match status {
        Ok(Some(status)) => {
            let (granted, fault) = status::read(&status, settings);
            observed.is_current = status::render(&granted, settings) == status;
            observed.granted = granted;
            observed.fault = observed.fault.or(fault);
        }
        Ok(None) => {}
        Err(says) => observed.fault = Some(says),
    }
    observed
}

#[cfg(test)]
mod tests;
