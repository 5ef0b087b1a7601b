//! The member `source`: where the node's addresses come from.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::document::Node;
use super::fields::{self, Fields, Placed, Problem};
use crate::inventory::{self, Block, Host, Inventory, Network};

/// Where addresses come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `static`: the configuration itself.
    Static(Inventory),
    /// `wireserver`: the host's list of interfaces, in XML.
    Wireserver(Poll),
    /// `imds`: the instance metadata service, in JSON.
    Imds(Poll),
    /// `podCIDR`: the node's pod ranges.
    PodCidr(Addresses),
    /// `nodeNetworkConfig`: the node's `NodeNetworkConfig`.
    NodeNetworkConfig {
        /// `file`: the object, as `kubectl get -o yaml` or `-o json` prints it; none: at the API server.
        file: Option<PathBuf>,
    },
}

/// A document that is asked for again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poll {
    /// `url`: plain HTTP.
    pub url: String,
    /// `fastest`: between two questions while the pool is dry, or after a change.
    pub fastest: Duration,
    /// `slowest`: what that time doubles up to while nothing changes.
    pub slowest: Duration,
}

/// Where the node's pod ranges are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// `file`: the Node object, or its `spec`, with `podCIDRs` or `podCIDR`; none: at the API server.
    pub file: Option<PathBuf>,
    /// `nodeIP`: the node's own address; none: as the Node object says.
    pub node: Option<IpAddr>,
}

const WIRESERVER: &str = "http://168.63.129.16/machine/plugins?comp=nmagent&type=getinterfaceinfov1";
const IMDS: &str = "http://169.254.169.254/metadata/instance/network?api-version=2021-02-01&format=json";

impl Source {
    /// As the configuration calls it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Static(_) => "static",
            Self::Wireserver(_) => "wireserver",
            Self::Imds(_) => "imds",
            Self::PodCidr(_) => "podCIDR",
            Self::NodeNetworkConfig { .. } => "nodeNetworkConfig",
        }
    }

    /// Whether it asks the Kubernetes API server.
    pub fn asks_cluster(&self) -> bool {
        matches!(self, Self::PodCidr(Addresses { file: None, .. }) | Self::NodeNetworkConfig { file: None })
    }

    pub(super) fn decode(parent: &mut Fields, problems: &mut Vec<Problem>) -> Option<Self> {
        let Some(node) = parent.node("source") else {
            let says = "is missing: it says where the node's addresses come from".to_owned();
            problems.push(Problem { line: 0, field: "source".to_owned(), says });
            return None;
        };
        let mut fields = Fields::of("source", node, problems);
        let kind = fields.node("kind");
        let place = kind.as_ref().map_or(fields.line, |node| node.line);
        let kind = kind.map_or(Ok(String::new()), |node| fields::text(&node));
        let source = match kind.as_deref() {
            Ok("static") => Some(Self::Static(decode_static(&mut fields, problems))),
            Ok("wireserver") => Some(Self::Wireserver(Poll::decode(&mut fields, WIRESERVER, problems))),
            Ok("imds") => Some(Self::Imds(Poll::decode(&mut fields, IMDS, problems))),
            Ok("podCIDR") => {
                let file = fields.take("file", fields::absolute_path, problems);
                let node = fields.take("nodeIP", fields::address, problems);
                Some(Self::PodCidr(Addresses { file, node }))
            }
            Ok("nodeNetworkConfig") => {
                let file = fields.take("file", fields::absolute_path, problems);
                Some(Self::NodeNetworkConfig { file })
            }
            unknown => {
                let known = "static, wireserver, imds, podCIDR, nodeNetworkConfig";
                let says = match unknown {
                    Ok("") => format!("is missing: one of {known}"),
                    Ok(kind) => format!("there is no source {kind:?}, only {known}"),
                    Err(says) => says.clone(),
                };
                problems.push(Problem { line: place, field: "source.kind".to_owned(), says });
                // What its members should be cannot be said.
                return None;
            }
        };
        fields.finish(problems);
        source
    }
}

impl Poll {
    fn decode(fields: &mut Fields, url: &str, problems: &mut Vec<Problem>) -> Self {
        let poll = Self {
            url: fields.take("url", plain_http, problems).unwrap_or_else(|| url.to_owned()),
            fastest: fields.take("fastest", interval, problems).unwrap_or(Duration::from_secs(4)),
            slowest: fields.take("slowest", interval, problems).unwrap_or(Duration::from_mins(1)),
        };
        if poll.slowest < poll.fastest {
            let (line, field) = (fields.line, fields.name_of("slowest"));
            let says = format!("{:?} is less than fastest, {:?}", poll.slowest, poll.fastest);
            problems.push(Problem { line, field, says });
        }
        poll
    }
}

fn plain_http(node: &Node) -> Result<String, String> {
    let url = fields::text(node)?;
    let parsed: Result<hyper::Uri, _> = url.parse();
    let is_plain = |uri: &hyper::Uri| uri.scheme_str() == Some("http") && uri.host().is_some();
    match parsed {
        Ok(uri) if is_plain(&uri) => Ok(url),
        _ => Err(format!("{url:?} is no URL, as in http://169.254.169.254/path")),
    }
}

/// Never so short that the host would be asked without pause.
fn interval(node: &Node) -> Result<Duration, String> {
    let interval = fields::duration(node)?;
    let least = Duration::from_millis(100);
    if interval < least { Err(format!("{interval:?} is less than {least:?}")) } else { Ok(interval) }
}

/// The addresses of one family that the configuration names.
#[derive(Default)]
struct Named {
    subnet: Option<Placed<IpNet>>,
    gateway: Option<IpAddr>,
    blocks: Vec<Placed<IpNet>>,
}

fn decode_static(fields: &mut Fields, problems: &mut Vec<Problem>) -> Inventory {
    let mut families = [Named::default(), Named::default()];
    let subnets = [("subnet", "gateway"), ("subnetV6", "gatewayV6")];
    for (family, (subnet, gateway)) in families.iter_mut().zip(subnets) {
        family.subnet = take_placed(fields, subnet, problems);
        family.gateway = fields.take(gateway, fields::address, problems);
    }
    // A node of IPv6 alone may say `subnet` for it.
    let [first, second] = &mut families;
    if second.subnet.is_none() && first.subnet.as_ref().is_some_and(|subnet| is_v6(subnet.value)) {
        std::mem::swap(first, second);
    }
    for (family, wants_v6) in families.iter().zip([false, true]) {
        if let Some(subnet) = family.subnet.as_ref().filter(|subnet| is_v6(subnet.value) != wants_v6) {
            let says = format!("{} is of the other family", subnet.value);
            problems.push(Problem { line: subnet.line, field: subnet.field.clone(), says });
        }
    }
    let node = fields.take("nodeIP", fields::address, problems);
    let mut blocks = fields.take_list("ranges", fields::network, problems);
    let single = |node: &Node| fields::address(node).map(inventory::single);
    blocks.extend(fields.take_list("addresses", single, problems));
    if blocks.is_empty() && problems.is_empty() {
        let (line, field) = (fields.line, fields.name_of("ranges"));
        let says = "names no address, and neither does addresses".to_owned();
        problems.push(Problem { line, field, says });
    }
    for block in blocks {
        let [v4, v6] = &mut families;
        let family = if is_v6(block.value) { v6 } else { v4 };
        if family.subnet.is_none() {
            let says = format!("{} has no subnet of its family", block.value);
            problems.push(Problem { line: block.line, field: block.field, says });
        } else {
            family.blocks.push(block);
        }
    }
    check(families, node, fields, problems)
}

fn take_placed(
    fields: &mut Fields,
    name: &'static str,
    problems: &mut Vec<Problem>,
) -> Option<Placed<IpNet>> {
    let node = fields.node(name)?;
    let (line, field) = (node.line, fields.name_of(name));
    match fields::network(&node) {
        Ok(value) => Some(Placed { value, line, field }),
        Err(says) => {
            problems.push(Problem { line, field, says });
            None
        }
    }
}

fn is_v6(net: IpNet) -> bool {
    matches!(net, IpNet::V6(_))
}

/// The inventory of these families; its faults are noted where the blocks stand.
fn check(
    families: [Named; 2],
    node: Option<IpAddr>,
    fields: &Fields,
    problems: &mut Vec<Problem>,
) -> Inventory {
    let mut inventory = Inventory { origin: "the configuration's source".to_owned(), ..Inventory::default() };
    let mut places = Vec::new();
    for family in families {
        let Some(subnet) = family.subnet else { continue };
        if node.is_some_and(|node| subnet.value.contains(&node)) {
            inventory.host = Host { address: node, subnet: Some(subnet.value), gateway: family.gateway };
        }
        inventory.networks.push(Network {
            id: if is_v6(subnet.value) { "static-v6" } else { "static" }.into(),
            subnet: subnet.value,
            gateway: family.gateway,
            blocks: family.blocks.iter().map(|block| Block::of(block.value)).collect(),
        });
        places.push(family.blocks);
    }
    inventory.host.address = node;
    for (place, error) in inventory.faults() {
        let block = place.and_then(|(network, block)| places.get(network)?.get(block));
        let (line, field) = block.map_or_else(
            || (fields.line, fields.name_of("gateway")),
            |block| (block.line, block.field.clone()),
        );
        problems.push(Problem { line, field, says: error.to_string() });
    }
    inventory
}
