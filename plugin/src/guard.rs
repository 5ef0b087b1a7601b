//! What a pod is kept from, as its record says it.
//!
//! ```json
//! {"blockWireserver": true, "antiSpoofing": {"links": ["veth…", "veth…"], "bridged": true, "mac": "0a:58:0a:f4:01:05"}}
//! ```

use podnet_datapath::{Guard, LinkName, MacAddr, PodNetwork, Station};
use serde::{Deserialize, Serialize};

/// What a pod is kept from doing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Guarded {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    block_wireserver: bool,
    #[serde(rename = "blockIMDS", skip_serializing_if = "std::ops::Not::not")]
    block_imds: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    anti_spoofing: Option<Sender>,
}

/// Where what the pod sends comes in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Sender {
    links: Vec<String>,
    bridged: bool,
    mac: String,
}

impl Guarded {
    /// What a pod with this network is kept from.
    pub(crate) fn of(network: &PodNetwork) -> Self {
        let PodNetwork { owner, guard, veth, .. } = network;
        let links = || owner.link_names(veth.prefix).map(String::from).into();
        let sender = || Sender {
            links: links(),
            bridged: network.bridge_name().is_some(),
            mac: veth.pod_mac.to_string(),
        };
        Self {
            block_wireserver: guard.wireserver,
            block_imds: guard.imds,
            anti_spoofing: guard.spoofing.then(sender),
        }
    }

    /// Whether there is nothing that the pod is kept from.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The switches.
    pub(crate) fn guard(&self) -> Guard {
        Guard {
            spoofing: self.anti_spoofing.is_some(),
            wireserver: self.block_wireserver,
            imds: self.block_imds,
        }
    }

    /// Where what the pod sends comes in, if it is held to its addresses.
    pub(crate) fn station(&self) -> Option<Station> {
        let Sender { links, bridged, mac } = self.anti_spoofing.as_ref()?;
        let links: Vec<LinkName> = links.iter().filter_map(|name| name.parse().ok()).collect();
        let mac: podnet_cni::MacAddr = mac.parse().ok()?;
        Some(Station { links, is_bridged: *bridged, mac: MacAddr::new(mac.octets()) })
    }
}
