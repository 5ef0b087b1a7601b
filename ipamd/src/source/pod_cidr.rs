//! The node's pod ranges, as Kubernetes gives them out: `spec.podCIDRs` of the Node object.
//!
//! Every address of a range is a pod's, but for the range's own, its broadcast address and the first host: the node's
//! bridge, and the pods' gateway. Of a large IPv6 range the first addresses are taken.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;

use super::feed::{Feed, decode};
use super::{Needs, Report, Source, checked, content};
use crate::inventory::{self, Block, Host, Inventory, Network};

/// The source.
pub(super) struct PodCidr<F> {
    feed: F,
    node: Option<IpAddr>,
}

impl<F> PodCidr<F> {
    pub(super) fn new(feed: F, node: Option<IpAddr>) -> Self {
        Self { feed, node }
    }
}

impl<F: Feed> Source for PodCidr<F> {
    async fn next(&mut self, _: &mut watch::Receiver<Needs>) -> Report {
        let document = self.feed.next().await?;
        let origin = self.feed.name();
        let mut inventory = parse(&document).map_err(content(&origin))?;
        if self.node.is_some() {
            inventory.host = Host { address: self.node, ..Host::default() };
        }
        checked(&origin, "spec.podCIDRs", inventory)
    }
}

#[derive(Deserialize, Default)]
struct Spec {
    #[serde(rename = "podCIDRs", default)]
    ranges: Vec<IpNet>,
    #[serde(rename = "podCIDR")]
    range: Option<IpNet>,
}

#[derive(Deserialize, Default)]
struct Status {
    #[serde(default)]
    addresses: Vec<NodeAddress>,
}

#[derive(Deserialize)]
struct NodeAddress {
    #[serde(rename = "type")]
    kind: String,
    address: String,
}

/// Reads a Node object, or its `spec` alone.
fn parse(document: &Value) -> Result<Inventory, String> {
    let spec: Option<Spec> = match document.get("spec") {
        Some(spec) => decode(spec, "spec")?,
        None => decode(document, "")?,
    };
    let spec = spec.unwrap_or_default();
    let ranges = if spec.ranges.is_empty() { spec.range.into_iter().collect() } else { spec.ranges };
    if ranges.is_empty() {
        return Err(
            "spec has neither podCIDRs nor podCIDR: the node has no range yet; waiting for the controller \
                    that gives nodes their ranges"
                .to_owned(),
        );
    }
    let status: Option<Status> =
        document.get("status").map_or(Ok(None), |status| decode(status, "status"))?;
    let addresses = status.unwrap_or_default().addresses;
    let internal = addresses.iter().find(|address| address.kind == "InternalIP");
    let address = internal.and_then(|internal| internal.address.parse().ok());
    Ok(Inventory {
        host: Host { address, ..Host::default() },
        networks: ranges.into_iter().map(network).collect(),
        is_overlay: true,
        ..Inventory::default()
    })
}

/// The shortest prefix of which every address is taken: more than a node can have pods. Kubernetes gives a node 64 bits of
/// IPv6.
const WHOLE: u8 = 116;

fn network(range: IpNet) -> Network {
    let gateway = inventory::first_host(range);
    let taken = match range {
        IpNet::V6(wide) if wide.prefix_len() < WHOLE => IpNet::new(range.network(), WHOLE).unwrap_or(range),
        _ => range,
    };
    let blocks = gateway.map_or_else(|| vec![taken], |gateway| inventory::without(taken, gateway));
    Network {
        id: super::id_of(range),
        subnet: range,
        gateway,
        blocks: blocks.into_iter().map(Block::of).collect(),
    }
}

#[cfg(test)]
mod tests;
