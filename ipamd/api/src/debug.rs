//! What the server tells of its state under `/debug/`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Response;

mod health;

pub use health::{Findings, Health, Missing, RoutesStatus, Upkeep};

/// What [`crate::path::DEBUG_ADDRESSES`] is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AddressesRequest {
    /// The states of which addresses are wanted.
    #[serde(rename = "IPConfigStateFilter")]
    pub state_filter: Option<Vec<IpState>>,
}

/// The addresses in the states asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AddressesReply {
    /// One element an address.
    #[serde(rename = "IPConfigurationStatus")]
    pub addresses: Option<Vec<IpStatus>>,
    /// How it went.
    #[serde(rename = "Response")]
    pub response: Response,
}

/// Where an address is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum IpState {
    /// Granted to the node, not yet routed to it.
    PendingProgramming,
    /// Free.
    Available,
    /// A pod's.
    Assigned,
    /// Free again, but not yet to be given out. podnet-ipamd's own: a CNS has no such state.
    CoolingDown,
    /// On its way back to the cloud.
    PendingRelease,
    /// A state that this version does not know.
    #[serde(other)]
    Unknown,
}

/// One address of the pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpStatus {
    /// Its state.
    pub state: IpState,
    /// The address's name, where the cloud gives it one; else the address.
    #[serde(rename = "ID")]
    pub id: String,
    /// The address.
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
    /// When the state was entered (RFC 3339 with nanoseconds).
    #[serde(rename = "LastStateTransition", default)]
    pub last_state_transition: String,
    /// The network container.
    #[serde(rename = "NCID", default)]
    pub nc_id: String,
    /// The pod that has the address.
    #[serde(rename = "PodInfo", default)]
    pub pod_info: Option<PodInfo>,
}

/// A pod that has an address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodInfo {
    /// The pod's name.
    #[serde(rename = "podName")]
    pub pod_name: String,
    /// The pod's namespace.
    #[serde(rename = "podNamespace")]
    pub pod_namespace: String,
    /// As [`crate::IpConfigsRequest::infra_container_id`].
    #[serde(rename = "PodInfraContainerID")]
    pub pod_infra_container_id: String,
    /// As [`crate::IpConfigsRequest::pod_interface_id`].
    #[serde(rename = "PodInterfaceID")]
    pub pod_interface_id: String,
    /// How pods are told apart; [`PodInfo::BY_INTERFACE`].
    #[serde(rename = "Version")]
    pub version: u32,
    /// Whether the pod has further interfaces.
    #[serde(rename = "SecondaryInterfaceSet")]
    pub secondary_interface_set: bool,
}

impl PodInfo {
    /// [`Self::version`]: a pod's key is its interface's ID.
    pub const BY_INTERFACE: u32 = 2;
}

/// Which pod has which addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PodContextReply {
    /// The names of the addresses, by the pod's key.
    pub pod_context: BTreeMap<String, Vec<String>>,
    /// How it went.
    pub response: Response,
}

/// Everything in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RestDataReply {
    /// The pool.
    #[serde(rename = "HTTPRestServiceData")]
    pub data: RestData,
    /// How it went.
    #[serde(rename = "Response")]
    pub response: Response,
}

/// The pool from both sides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RestData {
    /// The names of the addresses, by the pod's key.
    #[serde(rename = "PodIPIDByPodInterfaceKey")]
    pub addresses_by_pod: BTreeMap<String, Vec<String>>,
    /// The addresses, by name.
    #[serde(rename = "PodIPConfigState")]
    pub addresses: BTreeMap<String, IpStatus>,
}
