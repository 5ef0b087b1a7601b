//! Where a pod is on the node's own network, as its record says it.
//!
//! ```json
//! {"links": ["azv…", "azv…"], "mac": "0a:58:0a:e0:01:05", "ipsToRouteViaHost": ["169.254.20.10"]}
//! ```

use std::net::IpAddr;

use podnet_datapath::{LinkName, MacAddr, PodNetwork, Segment};
use serde::{Deserialize, Serialize};

/// Where a pod is on the node's own network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OnNetwork {
    links: Vec<String>,
    mac: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ips_to_route_via_host: Vec<IpAddr>,
}

impl OnNetwork {
    /// Where a pod with this network is; `None`: not there.
    pub(crate) fn of(network: &PodNetwork) -> Option<Self> {
        let Segment { links, mac, diverted, .. } =
            network.segment(network.owner.link_names(network.veth.prefix).into())?;
        Some(Self {
            links: links.into_iter().map(String::from).collect(),
            mac: mac.to_string(),
            ips_to_route_via_host: diverted,
        })
    }

    /// The same for the rules; the node's Ethernet address is no record's to keep.
    pub(crate) fn segment(&self) -> Option<Segment> {
        let mac: podnet_cni::MacAddr = self.mac.parse().ok()?;
        Some(Segment {
            links: self.links.iter().filter_map(|name| name.parse().ok()).collect::<Vec<LinkName>>(),
            mac: MacAddr::new(mac.octets()),
            node: None,
            diverted: self.ips_to_route_via_host.clone(),
        })
    }
}
