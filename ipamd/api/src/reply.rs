//! What the server answers. Names, order and nesting are CNS's own; texts that stand for addresses are empty where there
//! is none.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ReturnCode;

/// How a request went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Response {
    /// [`ReturnCode::SUCCESS`], or why not.
    pub return_code: ReturnCode,
    /// For people; empty when all is well.
    pub message: String,
}

impl Response {
    /// A failure.
    pub fn failure(return_code: ReturnCode, message: impl Into<String>) -> Self {
        Self { return_code, message: message.into() }
    }
}

/// The answer to [`crate::IpConfigsRequest`], request and release alike.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IpConfigsReply {
    /// One element an address; `None` (on the wire `null`) after a release and most failures, one empty element when the
    /// pool is exhausted.
    #[serde(rename = "podIPInfo")]
    pub pod_ip_info: Option<Vec<PodIpInfo>>,
    /// How it went.
    pub response: Response,
}

/// The answer to a request for one address; its names begin with capitals. A release is answered with [`IpConfigsReply`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct IpConfigReply {
    /// The address; empty members after a failure.
    pub pod_ip_info: PodIpInfo,
    /// How it went.
    pub response: Response,
}

impl IpConfigsReply {
    /// A failure that names no address.
    pub fn failure(return_code: ReturnCode, message: impl Into<String>) -> Self {
        Self { pod_ip_info: None, response: Response::failure(return_code, message) }
    }

    /// The pool is exhausted: one empty element goes with this failure.
    pub fn exhausted(message: impl Into<String>) -> Self {
        let response = Response::failure(ReturnCode::FAILED_TO_ALLOCATE_IP_CONFIG, message);
        Self { pod_ip_info: Some(vec![PodIpInfo::default()]), response }
    }
}

impl From<IpConfigsReply> for IpConfigReply {
    /// The first address.
    fn from(reply: IpConfigsReply) -> Self {
        let first = reply.pod_ip_info.into_iter().flatten().next();
        Self { pod_ip_info: first.unwrap_or_default(), response: reply.response }
    }
}

impl From<IpConfigReply> for IpConfigsReply {
    fn from(single: IpConfigReply) -> Self {
        let Response { return_code, .. } = single.response;
        let given = return_code.is_success().then(|| vec![single.pod_ip_info]);
        Self { pod_ip_info: given, response: single.response }
    }
}

/// One address, and the network that it is of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PodIpInfo {
    /// The address. The prefix length is that of the network's IPv4 subnet, for an IPv6 address too.
    #[serde(rename = "PodIPConfig")]
    pub pod_ip_config: IpSubnet,
    /// The network that the address is of.
    #[serde(rename = "NetworkContainerPrimaryIPConfig")]
    pub network_container_primary_ip_config: IpConfiguration,
    /// Empty: networks of two families have theirs in the primary one.
    #[serde(rename = "NetworkContainerIPv6Config")]
    pub network_container_ipv6_config: IpConfiguration,
    /// The node.
    #[serde(rename = "HostPrimaryIPInfo")]
    pub host_primary_ip_info: HostIpInfo,
    /// `InfraNIC` for a pod's usual interface; empty means the same.
    #[serde(rename = "NICType")]
    pub nic_type: String,
    /// The interface's name, where the server decides it.
    pub interface_name: String,
    /// The interface's hardware address, where the server decides it.
    pub mac_address: String,
    /// Only [`Self::routes`] are wanted.
    pub skip_default_routes: bool,
    /// Routes for the pod, where the server decides them.
    pub routes: Option<Vec<Route>>,
    /// A PCI device.
    #[serde(rename = "PnPID")]
    pub pnp_id: String,
    /// Policies of Windows.
    pub endpoint_policies: Option<Vec<Value>>,
    /// Of multitenancy.
    #[serde(rename = "AllowHostToNCCommunication")]
    pub allow_host_to_nc_communication: bool,
    /// Of multitenancy.
    #[serde(rename = "AllowNCToHostCommunication")]
    pub allow_nc_to_host_communication: bool,
    /// The network container, where the server says it.
    #[serde(rename = "NetworkContainerID")]
    pub network_container_id: String,
}

/// [`PodIpInfo::nic_type`] of a pod's usual interface.
pub const INFRA_NIC: &str = "InfraNIC";

/// An address or a subnet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct IpSubnet {
    /// The address, or the subnet's; empty: none.
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
    /// Bits.
    pub prefix_length: u8,
}

/// A network: subnets and gateways of both families.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IpConfiguration {
    /// The IPv4 subnet.
    #[serde(rename = "IPSubnet")]
    pub ip_subnet: IpSubnet,
    /// The IPv6 subnet.
    #[serde(rename = "IPSubnetV6")]
    pub ip_subnet_v6: IpSubnet,
    /// Name servers.
    #[serde(rename = "DNSServers")]
    pub dns_servers: Option<Vec<String>>,
    /// The IPv4 gateway; empty: none.
    #[serde(rename = "GatewayIPAddress")]
    pub gateway_ip_address: String,
    /// The IPv6 gateway; empty: none.
    #[serde(rename = "GatewayIPv6Address")]
    pub gateway_ipv6_address: String,
}

/// The node's primary interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostIpInfo {
    /// The first address of the subnet, as CNS computes it.
    #[serde(rename = "Gateway")]
    pub gateway: String,
    /// The node's address.
    #[serde(rename = "PrimaryIP")]
    pub primary_ip: String,
    /// The subnet with its prefix length, as `10.224.0.0/16`.
    #[serde(rename = "Subnet")]
    pub subnet: String,
}

/// A route for the pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Route {
    /// The destination, with its prefix length.
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
    /// The next hop; empty: none.
    #[serde(rename = "GatewayIPAddress")]
    pub gateway_ip_address: String,
    /// The interface, where not the pod's own.
    #[serde(rename = "InterfaceToUse")]
    pub interface_to_use: String,
}
