//! Azure's `NodeNetworkConfig` (`acn.azure.com/v1alpha`, azure-container-networking, `crd/nodenetworkconfig`): the spec is the
//! node's, what it asks for; the status is the control plane's, what it gave.
//!
//! What a reader does not know it passes over, and what is absent has the default that Azure's definition gives it.

#![expect(clippy::duplicated_attributes, reason = "every column has the same members")]

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a node asks for.
#[derive(CustomResource, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "acn.azure.com",
    version = "v1alpha",
    kind = "NodeNetworkConfig",
    plural = "nodenetworkconfigs",
    shortname = "nnc",
    namespaced,
    status = "NodeNetworkConfigStatus",
    derive = "PartialEq",
    doc = "The addresses that a node has and asks for; its name is the node's.",
    printcolumn(
        name = "Requested IPs",
        type_ = "integer",
        json_path = ".spec.requestedIPCount",
        priority = 1
    ),
    printcolumn(
        name = "Availability Zone",
        type_ = "integer",
        json_path = ".spec.availabilityZone",
        priority = 1
    ),
    printcolumn(name = "Allocated IPs", type_ = "integer", json_path = ".status.assignedIPCount"),
    printcolumn(
        name = "Subnet",
        type_ = "string",
        json_path = ".status.networkContainers[*].subnetName",
        priority = 1
    ),
    printcolumn(
        name = "Subnet CIDR",
        type_ = "string",
        json_path = ".status.networkContainers[*].subnetAddressSpace",
        priority = 1
    ),
    printcolumn(
        name = "Subnet CIDR v6",
        type_ = "string",
        json_path = ".status.networkContainers[*].subnetAddressSpaceV6",
        priority = 1
    ),
    printcolumn(
        name = "NC ID",
        type_ = "string",
        json_path = ".status.networkContainers[*].id",
        priority = 1
    ),
    printcolumn(
        name = "NC Mode",
        type_ = "string",
        json_path = ".status.networkContainers[*].assignmentMode"
    ),
    printcolumn(
        name = "NC Type",
        type_ = "string",
        json_path = ".status.networkContainers[*].type",
        priority = 1
    ),
    printcolumn(name = "NC Version", type_ = "integer", json_path = ".status.networkContainers[*].version")
)]
#[serde(rename_all = "camelCase")]
pub struct NodeNetworkConfigSpec {
    /// How many addresses the node asks for in total.
    #[serde(rename = "requestedIPCount", default)]
    pub requested_ip_count: i64,
    /// The names of the addresses that go back.
    #[serde(rename = "ipsNotInUse", default, skip_serializing_if = "Vec::is_empty")]
    pub ips_not_in_use: Vec<String>,
    /// Where the node is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability_zone: Option<i64>,
}

/// What the control plane gave.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeNetworkConfigStatus {
    /// How many addresses the node has.
    #[serde(rename = "assignedIPCount", default)]
    pub assigned_ip_count: i64,
    /// How far the control plane is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(extend("enum" = status::ALL))]
    pub status: String,
    /// How the node is to ask for more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaler: Option<Scaler>,
    /// The addresses, in one or more containers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub network_containers: Vec<Container>,
}

/// The values of [`NodeNetworkConfigStatus::status`].
pub mod status {
    /// The control plane is at work.
    pub const UPDATING: &str = "Updating";
    /// The status is what the spec asked for, as far as that can be had.
    pub const UPDATED: &str = "Updated";
    /// It cannot be had; the containers say why.
    pub const ERROR: &str = "Error";
    pub(super) const ALL: [&str; 3] = [UPDATING, UPDATED, ERROR];
}

/// How many addresses to ask for at a time, and when. What is absent or senseless, the node puts right as CNS does.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Scaler {
    /// Addresses asked for at a time.
    #[serde(default)]
    pub batch_size: i64,
    /// In per cent of a batch: more free ones than this, and some are given back.
    #[serde(default)]
    pub release_threshold_percent: i64,
    /// In per cent of a batch: fewer free ones than this, and more are asked for.
    #[serde(default)]
    pub request_threshold_percent: i64,
    /// The most that the node may have.
    #[serde(rename = "maxIPCount", default)]
    pub max_ip_count: i64,
}

/// A network container: addresses of one subnet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// Its name.
    pub id: String,
    /// Whether addresses come and go.
    #[serde(default)]
    pub assignment_mode: AssignmentMode,
    /// What kind of addresses these are.
    #[serde(default, rename = "type")]
    pub kind: ContainerType,
    /// The container's own address; static: a block of pod addresses.
    #[serde(rename = "primaryIP", default, skip_serializing_if = "String::is_empty")]
    pub primary_ip: String,
    /// The same of the other family.
    #[serde(rename = "primaryIPV6", default, skip_serializing_if = "String::is_empty")]
    pub primary_ip_v6: String,
    /// What the subnet is called.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subnet_name: String,
    /// Addresses of pods; static: further blocks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ip_assignments: Vec<Assignment>,
    /// The subnet's gateway.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub default_gateway: String,
    /// The same of the other family.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub default_gateway_v6: String,
    /// The Ethernet address of the node's interface.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mac_address: String,
    /// The subnet.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subnet_address_space: String,
    /// The same of the other family.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subnet_address_space_v6: String,
    /// Grows with each change of the container.
    #[serde(default)]
    pub version: i64,
    /// The node's own address.
    #[serde(rename = "nodeIP", default, skip_serializing_if = "String::is_empty")]
    pub node_ip: String,
    /// Azure's name of the subscription, spelt as Azure spells the member.
    #[serde(rename = "subcriptionID", default, skip_serializing_if = "String::is_empty")]
    pub subscription_id: String,
    /// Azure's name of the resource group.
    #[serde(rename = "resourceGroupID", default, skip_serializing_if = "String::is_empty")]
    pub resource_group_id: String,
    /// Azure's name of the virtual network.
    #[serde(rename = "vnetID", default, skip_serializing_if = "String::is_empty")]
    pub vnet_id: String,
    /// Azure's name of the subnet.
    #[serde(rename = "subnetID", default, skip_serializing_if = "String::is_empty")]
    pub subnet_id: String,
    /// What became of the last change.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(extend("enum" = container_status::ALL))]
    pub status: String,
}

/// The values of [`Container::status`].
pub mod container_status {
    /// It is as asked for.
    pub const SUCCESS: &str = "NCUpdateSuccess";
    /// The subnet has no address left.
    pub const SUBNET_FULL: &str = "NCUpdateSubnetFullError";
    /// The control plane is ill.
    pub const INTERNAL: &str = "NCUpdateInternalServerError";
    /// The control plane may not.
    pub const UNAUTHORIZED: &str = "NCUpdateUnauthorizedError";
    /// Anything else.
    pub const FAILED: &str = "NCUpdateFailed";
    pub(super) const ALL: [&str; 5] = [SUCCESS, SUBNET_FULL, INTERNAL, UNAUTHORIZED, FAILED];
}

/// Whether a container's addresses come and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AssignmentMode {
    /// One by one, as the node asks.
    #[default]
    Dynamic,
    /// Whole blocks, once and for all.
    Static,
}

/// What kind of addresses a container has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ContainerType {
    /// Single addresses of the virtual network.
    #[default]
    Vnet,
    /// Blocks of the virtual network.
    Vnetblock,
    /// A block of a network that is routed above it.
    Overlay,
}

/// An address, or a block of them, and its name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Assignment {
    /// What spec and status call it.
    #[serde(default)]
    pub name: String,
    /// The address; in a static container a block.
    pub ip: String,
}
