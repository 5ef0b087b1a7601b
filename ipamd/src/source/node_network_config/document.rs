//! What the object says, in our own terms; what is wrong with it is named by its path.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde::Deserialize;
use serde_json::Value;

use crate::crd::{AssignmentMode, Container, ContainerType, NodeNetworkConfigSpec, NodeNetworkConfigStatus};
use crate::inventory::{Block, Host, Inventory, Network, Scaler, single};
use crate::source::Wish;
use crate::source::feed::decode_all;

/// The object but for its metadata.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    spec: NodeNetworkConfigSpec,
    #[serde(default)]
    status: NodeNetworkConfigStatus,
    /// Members that are passed over.
    #[serde(skip)]
    unknown: Vec<String>,
}

/// No node has as many pods as an IPv6 block has addresses; CNS takes as many as these (`IPv6PrefixClamp`).
const IPV6_BLOCK: u8 = 120;

const API_VERSION: &str = "acn.azure.com/v1alpha";
const KIND: &str = "NodeNetworkConfig";

/// Where in the object each block of each network stands.
pub(super) type Places = Vec<Vec<String>>;

impl Document {
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        let mut unknown = BTreeSet::new();
        let document: Option<Self> = decode_all(value, "", |path| {
            unknown.insert(member(path));
        })?;
        let mut document = document.unwrap_or_default();
        // Whose object it is, is the API server's and the feed's business.
        document.unknown = unknown.into_iter().filter(|member| member != "metadata").collect();
        for (member, said, known) in
            [("apiVersion", &document.api_version, API_VERSION), ("kind", &document.kind, KIND)]
        {
            if !said.is_empty() && said != known {
                return Err(format!("{member}: {said:?} is not {known}, which alone is known here"));
            }
        }
        Ok(document)
    }

    /// What the node is said to ask for.
    pub(super) fn asked(&self) -> Wish {
        Wish::new(number(self.spec.requested_ip_count), self.spec.ips_not_in_use.clone())
    }

    /// The addresses, and where each block stands.
    pub(super) fn inventory(&self) -> Result<(Inventory, Places), String> {
        let containers = &self.status.network_containers;
        if containers.is_empty() {
            return Err(
                "status has no networkContainers: the control plane has not assigned any yet; waiting for it"
                    .to_owned(),
            );
        }
        let mut inventory = Inventory {
            returned: self.spec.ips_not_in_use.clone(),
            unknown: self.unknown.clone(),
            ..Inventory::default()
        };
        let mut places = Vec::new();
        let mut node: Option<(usize, IpAddr)> = None;
        for (at, container) in containers.iter().enumerate() {
            let path = format!("status.networkContainers[{at}]");
            if let Some(address) = address(&container.node_ip, &path, "nodeIP")? {
                let of_family = node.filter(|(_, known)| known.is_ipv4() == address.is_ipv4());
                if let Some((other, known)) = of_family.filter(|(_, known)| *known != address) {
                    return Err(format!(
                        "{path}.nodeIP: {address} is another node than {known} of status.networkContainers[{other}]"
                    ));
                }
                node.get_or_insert((at, address));
            }
            inventory.is_overlay |= container.kind == ContainerType::Overlay;
            for (network, blocks) in networks(container, &path)? {
                inventory.networks.push(network);
                places.push(blocks);
            }
        }
        inventory.host = Host { address: node.map(|(_, address)| address), ..Host::default() };
        // Static blocks do not grow, whatever the scaler says.
        let is_dynamic =
            containers.iter().any(|container| container.assignment_mode == AssignmentMode::Dynamic);
        let scaler = self.status.scaler.as_ref().filter(|_| is_dynamic);
        inventory.scaler = scaler.map(|scaler| Scaler {
            batch: number(scaler.batch_size),
            request_percent: number(scaler.request_threshold_percent),
            release_percent: number(scaler.release_threshold_percent),
            max: number(scaler.max_ip_count),
            requested: number(self.spec.requested_ip_count),
        });
        Ok((inventory, places))
    }
}

/// The path of a member, the same for all elements of a list.
fn member(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Map { parent, key } => {
            let parent = member(parent);
            if parent.is_empty() { key.clone() } else { format!("{parent}.{key}") }
        }
        Path::Seq { parent, .. } => member(parent) + "[*]",
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => {
            member(parent)
        }
    }
}

/// What is below 0 counts as absent, as with CNS.
fn number(value: i64) -> u32 {
    u32::try_from(value.max(0)).unwrap_or(u32::MAX)
}

/// The networks of a container, one of each family, each with the places of its blocks.
fn networks(container: &Container, path: &str) -> Result<Vec<(Network, Vec<String>)>, String> {
    let id: Arc<str> = container.id.as_str().into();
    let mut found: BTreeMap<bool, Vec<(Block, String)>> = BTreeMap::new();
    let mut add = |text: &str, name: &str, place: String| -> Result<(), String> {
        let net =
            block(text).ok_or_else(|| format!("{place}: {text:?} is neither an address nor a block"))?;
        let name = Some(name.to_owned()).filter(|name| !name.is_empty());
        found.entry(is_v6(net)).or_default().push((Block { net, name }, place));
        Ok(())
    };
    if container.assignment_mode == AssignmentMode::Static {
        for (text, member) in
            [(&container.primary_ip, "primaryIP"), (&container.primary_ip_v6, "primaryIPV6")]
        {
            if !text.is_empty() {
                add(text, "", format!("{path}.{member}"))?;
            }
        }
    }
    for (at, assignment) in container.ip_assignments.iter().enumerate() {
        add(&assignment.ip, &assignment.name, format!("{path}.ipAssignments[{at}].ip"))?;
    }
    let mut networks = Vec::new();
    let families = [
        (&container.subnet_address_space, "subnetAddressSpace", &container.default_gateway, "defaultGateway"),
        (
            &container.subnet_address_space_v6,
            "subnetAddressSpaceV6",
            &container.default_gateway_v6,
            "defaultGatewayV6",
        ),
    ];
    for (subnet, member, gateway, gateway_member) in
        families.into_iter().filter(|(subnet, ..)| !subnet.is_empty())
    {
        let subnet: IpNet =
            subnet.parse().ok().ok_or_else(|| format!("{path}.{member}: {subnet:?} is no subnet"))?;
        let gateway = address(gateway, path, gateway_member)?;
        let (blocks, places) = found.remove(&is_v6(subnet)).unwrap_or_default().into_iter().unzip();
        networks.push((Network { id: Arc::clone(&id), subnet, gateway, blocks }, places));
    }
    match found.values().flatten().next() {
        Some((block, place)) => {
            Err(format!("{place}: {} has no subnet of its family in container {id}", block.net))
        }
        None => Ok(networks),
    }
}

fn address(text: &str, path: &str, member: &str) -> Result<Option<IpAddr>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).ok().ok_or_else(|| format!("{path}.{member}: {text:?} is no address"))
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
