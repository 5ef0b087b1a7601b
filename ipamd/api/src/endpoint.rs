//! What the server knows of the interfaces of one container: `/network/endpoints/CONTAINERID`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::Response;

/// The answer to `GET`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointReply {
    /// How it went; [`crate::ReturnCode::NOT_FOUND`] for a container without endpoint.
    pub response: Response,
    /// The endpoint; its map is `null` where there is none.
    #[serde(rename = "endpointInfo")]
    pub endpoint_info: EndpointInfo,
}

/// What `GET` says when all is well; the slip is CNS's own.
pub const FOUND_MESSAGE: &str = "[GetEndpointState] GetEndpoint retruned successfully";

/// The interfaces of one container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct EndpointInfo {
    /// The pod's name.
    pub pod_name: String,
    /// The pod's namespace.
    pub pod_namespace: String,
    /// The addresses of each interface.
    #[serde(rename = "IfnameToIPMap")]
    pub ifname_to_ip_map: Option<BTreeMap<String, IpInfo>>,
}

/// The body of `PATCH`: what is to be noted of each interface. Answered with a bare [`Response`].
pub type EndpointPatch = BTreeMap<String, IpInfo>;

/// One interface of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct IpInfo {
    /// Its IPv4 addresses.
    #[serde(rename = "IPv4")]
    pub ipv4: Option<Vec<IpMask>>,
    /// Its IPv6 addresses.
    #[serde(rename = "IPv6", skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub ipv6: Vec<IpMask>,
    /// Of Windows.
    #[serde(rename = "HnsEndpointID", skip_serializing_if = "String::is_empty")]
    pub hns_endpoint_id: String,
    /// Of Windows.
    #[serde(rename = "HnsNetworkID", skip_serializing_if = "String::is_empty")]
    pub hns_network_id: String,
    /// The node's end of the pair.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host_veth_name: String,
    /// The pod's hardware address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mac_address: String,
    /// The network container.
    #[serde(rename = "NetworkContainerID", skip_serializing_if = "String::is_empty")]
    pub network_container_id: String,
    /// As [`crate::PodIpInfo::nic_type`].
    #[serde(rename = "NICType")]
    pub nic_type: String,
}

fn null_is_default<'de, D: serde::Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// An address and its netmask, as Go writes a `net.IPNet`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct IpMask {
    /// The address.
    #[serde(rename = "IP")]
    pub ip: String,
    /// The mask's bytes in base64 (RFC 4648 section 4).
    pub mask: String,
}

impl IpMask {
    /// `address` with the mask of `prefix_len` bits; more than the family has count as all.
    pub fn new(address: IpAddr, prefix_len: u8) -> Self {
        let ones = u32::from(prefix_len);
        let mask = match address {
            IpAddr::V4(_) => {
                let hosts = u32::MAX.checked_shr(ones).unwrap_or(0);
                base64(&(!hosts).to_be_bytes())
            }
            IpAddr::V6(_) => {
                let hosts = u128::MAX.checked_shr(ones).unwrap_or(0);
                base64(&(!hosts).to_be_bytes())
            }
        };
        Self { ip: address.to_string(), mask }
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |bits: u32| DIGITS.get((bits & 63) as usize).map_or('=', |&digit| char::from(digit));
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | u32::from(group.get(at).copied().unwrap_or(0)));
        let digits = [18, 12, 6, 0].map(|shift| digit(bits >> shift));
        text.extend(digits.iter().take(group.len() + 1));
        text.extend(std::iter::repeat_n('=', 3 - group.len()));
    }
    text
}
