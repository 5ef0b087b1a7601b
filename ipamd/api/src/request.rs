//! What clients ask for.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ContextError, PodRef};

/// Addresses of a pod, wanted or given back (CNS `IPConfigsRequest`).
///
/// Clients name an attachment differently: azure-ipam sends the container ID as both IDs, azure-vnet the container ID's first
/// eight characters, a hyphen and the interface name as `podInterfaceID`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IpConfigsRequest {
    /// The addresses wanted, at most one a family, as text; `None` (on the wire `null`) and empty: any.
    #[serde(rename = "desiredIPAddresses")]
    pub desired_ip_addresses: Option<Vec<String>>,
    /// The pod's interface, in the client's own spelling.
    #[serde(rename = "podInterfaceID")]
    pub pod_interface_id: String,
    /// The sandbox's container ID.
    #[serde(rename = "infraContainerID")]
    pub infra_container_id: String,
    /// JSON that names the pod; see [`Self::pod`].
    pub orchestrator_context: Value,
    /// `CNI_IFNAME`; azure-vnet leaves it empty.
    pub ifname: String,
    /// Whether the pod has interfaces beside this one.
    pub secondary_interfaces_exist: bool,
    /// Whether the pod has a backend interface.
    #[serde(rename = "BackendInterfaceExist")]
    pub backend_interface_exist: bool,
    /// The backend interfaces' hardware addresses. The key is misspelt on the wire.
    #[serde(rename = "BacknendInterfaceMacAddress")]
    pub backend_interface_mac_addresses: Option<Vec<String>>,
}

/// One address of a pod, wanted or given back (CNS `IPConfigRequest`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct IpConfigRequest {
    /// The address wanted, as text; empty: any.
    #[serde(rename = "DesiredIPAddress")]
    pub desired_ip_address: String,
    /// As [`IpConfigsRequest::pod_interface_id`].
    #[serde(rename = "PodInterfaceID")]
    pub pod_interface_id: String,
    /// As [`IpConfigsRequest::infra_container_id`].
    #[serde(rename = "InfraContainerID")]
    pub infra_container_id: String,
    /// As [`IpConfigsRequest::orchestrator_context`].
    pub orchestrator_context: Value,
    /// As [`IpConfigsRequest::ifname`].
    pub ifname: String,
}

impl IpConfigsRequest {
    /// The pod that the request is for.
    pub fn pod(&self) -> Result<PodRef, ContextError> {
        PodRef::from_context(&self.orchestrator_context)
    }
}

impl From<IpConfigRequest> for IpConfigsRequest {
    /// The same wish in the form for several addresses.
    fn from(single: IpConfigRequest) -> Self {
        let desired = Some(single.desired_ip_address).filter(|address| !address.is_empty());
        Self {
            desired_ip_addresses: desired.map(|address| vec![address]),
            pod_interface_id: single.pod_interface_id,
            infra_container_id: single.infra_container_id,
            orchestrator_context: single.orchestrator_context,
            ifname: single.ifname,
            ..Self::default()
        }
    }
}

impl From<IpConfigsRequest> for IpConfigRequest {
    /// The same wish in the form for one address: of several desired ones, the first.
    fn from(request: IpConfigsRequest) -> Self {
        let desired = request.desired_ip_addresses.and_then(|addresses| addresses.into_iter().next());
        Self {
            desired_ip_address: desired.unwrap_or_default(),
            pod_interface_id: request.pod_interface_id,
            infra_container_id: request.infra_container_id,
            orchestrator_context: request.orchestrator_context,
            ifname: request.ifname,
        }
    }
}
