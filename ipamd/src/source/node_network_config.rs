//! Azure's `NodeNetworkConfig` (`acn.azure.com/v1alpha`): what the control plane gives this node, and what the node
//! asks of it.
//!
//! | assignment | addresses | subnet |
//! |---|---|---|
//! | dynamic | `ipAssignments`, each with a name of its own | `subnetAddressSpace` |
//! | static, overlay | the block `primaryIP`, all of it | `subnetAddressSpace` |
//! | static, vnetblock | the blocks `primaryIP` and `ipAssignments[].ip` | `subnetAddressSpace` |
//!
//! A node of both families has `primaryIPV6` and `subnetAddressSpaceV6` in the same container, or a second container.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;

use super::feed::{Feed, decode};
use super::{Needs, Report, Source, SourceError, Wish, checked, content};
use crate::inventory::{Block, Host, Inventory, Network, Scaler, single};

/// The source.
pub(super) struct NodeNetworkConfig<F> {
    feed: F,
    /// What was asked for last.
    asked: Option<Wish>,
}

impl<F> NodeNetworkConfig<F> {
    pub(super) fn new(feed: F) -> Self {
        Self { feed, asked: None }
    }
}

impl<F: Feed> Source for NodeNetworkConfig<F> {
    async fn next(&mut self, needs: &mut watch::Receiver<Needs>) -> Report {
        loop {
            let document = tokio::select! {
                document = self.feed.next() => document?,
                Ok(()) = needs.changed() => {
                    let wish = needs.borrow_and_update().wish.clone();
                    self.ask(wish).await?;
                    continue;
                }
            };
            let origin = self.feed.name();
            return checked(&origin, parse(&document).map_err(content(&origin))?);
        }
    }
}

impl<F: Feed> NodeNetworkConfig<F> {
    async fn ask(&mut self, wish: Option<Wish>) -> Result<(), SourceError> {
        if let Some(wish) = &wish
            && self.asked.as_ref() != Some(wish)
        {
            self.feed.request(wish).await?;
            self.asked = Some(wish.clone());
        }
        Ok(())
    }
}

#[derive(Deserialize, Default)]
struct Document {
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(rename = "requestedIPCount", default)]
    requested: u32,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Status {
    scaler: Option<ScalerStatus>,
    #[serde(default)]
    network_containers: Vec<Container>,
}

/// What is absent or senseless, the pool puts right as CNS does.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ScalerStatus {
    batch_size: u32,
    request_threshold_percent: u32,
    release_threshold_percent: u32,
    #[serde(rename = "maxIPCount")]
    max: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    id: String,
    #[serde(default)]
    assignment_mode: String,
    #[serde(rename = "primaryIP", default)]
    primary: String,
    #[serde(rename = "primaryIPV6", default)]
    primary_v6: String,
    #[serde(default)]
    ip_assignments: Vec<Assignment>,
    #[serde(default)]
    default_gateway: String,
    #[serde(default)]
    default_gateway_v6: String,
    #[serde(default)]
    subnet_address_space: String,
    #[serde(default)]
    subnet_address_space_v6: String,
    #[serde(rename = "nodeIP", default)]
    node: String,
}

#[derive(Deserialize)]
struct Assignment {
    #[serde(default)]
    name: String,
    ip: String,
}

/// No node has as many pods as an IPv6 block has addresses; CNS takes as many as these (`IPv6PrefixClamp`).
const IPV6_BLOCK: u8 = 120;

fn parse(document: &Value) -> Result<Inventory, String> {
    let document: Option<Document> = decode(document, "")?;
    let document = document.unwrap_or_default();
    let Status { scaler, network_containers } = document.status;
    if network_containers.is_empty() {
        return Err(
            "its status has no networkContainers: the control plane has not assigned any yet".to_owned()
        );
    }
    let mut inventory = Inventory::default();
    let mut is_dynamic = false;
    for container in network_containers {
        is_dynamic |= container.assignment_mode != "static";
        let node = Some(container.node.as_str()).filter(|node| !node.is_empty());
        if let Some(node) = node {
            let address = node.parse().ok().ok_or_else(|| format!("nodeIP {node:?} is no address"))?;
            inventory.host = Host { address: Some(address), ..Host::default() };
        }
        inventory.networks.extend(networks(&container)?);
    }
    // Static blocks do not grow, whatever the scaler says.
    inventory.scaler = scaler.filter(|_| is_dynamic).map(|scaler| Scaler {
        batch: scaler.batch_size,
        request_percent: scaler.request_threshold_percent,
        release_percent: scaler.release_threshold_percent,
        max: scaler.max,
        requested: document.spec.requested,
    });
    Ok(inventory)
}

/// One network for each family of the container.
fn networks(container: &Container) -> Result<Vec<Network>, String> {
    let id: Arc<str> = container.id.as_str().into();
    let mut blocks: HashMap<bool, Vec<Block>> = HashMap::new();
    let mut add = |text: &str, name: Option<String>| -> Result<(), String> {
        let net = block(text).ok_or_else(|| format!("{text:?} is neither an address nor a block"))?;
        blocks.entry(is_v6(net)).or_default().push(Block { net, name });
        Ok(())
    };
    if container.assignment_mode == "static" {
        for text in [&container.primary, &container.primary_v6].into_iter().filter(|text| !text.is_empty()) {
            add(text, None)?;
        }
    }
    for assignment in &container.ip_assignments {
        add(&assignment.ip, Some(assignment.name.clone()).filter(|name| !name.is_empty()))?;
    }
    let mut networks = Vec::new();
    for (subnet, gateway) in [
        (&container.subnet_address_space, &container.default_gateway),
        (&container.subnet_address_space_v6, &container.default_gateway_v6),
    ] {
        if subnet.is_empty() {
            continue;
        }
        let subnet: IpNet = subnet.parse().ok().ok_or_else(|| format!("{subnet:?} is no subnet"))?;
        let gateway = Some(gateway).filter(|gateway| !gateway.is_empty());
        let gateway =
            gateway.map(|gateway| gateway.parse().ok().ok_or_else(|| format!("{gateway:?} is no gateway")));
        let blocks = blocks.remove(&is_v6(subnet)).unwrap_or_default();
        networks.push(Network { id: Arc::clone(&id), subnet, gateway: gateway.transpose()?, blocks });
    }
    match blocks.values().flatten().next() {
        Some(block) => Err(format!("container {id} has {} but no subnet of its family", block.net)),
        None => Ok(networks),
    }
}

fn block(text: &str) -> Option<IpNet> {
    let net = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(single))?;
    match net {
        IpNet::V6(net) if net.prefix_len() < IPV6_BLOCK => {
            IpNet::new(IpAddr::V6(net.network()), IPV6_BLOCK).ok()
        }
        net => Some(net),
    }
}

fn is_v6(net: IpNet) -> bool {
    matches!(net, IpNet::V6(_))
}

#[cfg(test)]
mod tests;
