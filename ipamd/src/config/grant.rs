//! The configuration of `podnet-ipamd grant`: a file of its own, YAML or JSON.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;

use super::document::{Node, Value};
use super::fields::{self, Fields, Problem};
use super::listen::metrics;
use super::{ConfigError, Kubernetes};
use crate::grant::settings::{Mode, Scaler, Settings};
use crate::grant::subnet::Subnet;

/// What the controller does, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantConfig {
    /// `kubernetes`: how the API server is reached.
    pub kubernetes: Kubernetes,
    /// `metrics`: the address of `/metrics`, `/healthz` and `/readyz`; none where it is `off`.
    pub metrics: Option<SocketAddr>,
    /// `leaseDuration`: another controller takes over when this one has not been heard of for so long.
    pub lease: Duration,
    /// What is granted, and from what.
    pub settings: Settings,
}

const METRICS: ([u8; 4], u16) = ([127, 0, 0, 1], 10093);

impl GrantConfig {
    /// Reads and checks a file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        super::read(path, Self::parse)
    }

    /// Checks a file's text; all that is wrong with it, in its order.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        super::parse(text, Self::decode)
    }

    fn decode(document: Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut fields = Fields::of("", document, problems);
        let kubernetes = Kubernetes::decode(&mut fields, problems);
        let metrics = fields.take("metrics", metrics, problems).unwrap_or(Some(METRICS.into()));
        let lease = fields.take("leaseDuration", lease, problems).unwrap_or(Duration::from_secs(15));
        let rest = fields.take("rest", fields::duration, problems).unwrap_or(Duration::from_mins(1));
        let mode = take_mode(&mut fields, problems);
        let scaler = decode_scaler(&mut fields, problems);
        let blocks = fields.take("blocksPerNode", fields::positive, problems);
        let subnets = fields.node("subnets");
        fields.finish(problems);
        let mode = mode?;
        if mode != Mode::VnetBlock && blocks.is_some() {
            let says = "only mode vnetblock has several blocks a node".to_owned();
            problems.push(Problem { line: 0, field: "blocksPerNode".to_owned(), says });
        }
        let subnets = decode_subnets(subnets, mode, problems);
        let blocks = match mode {
            Mode::VnetBlock => blocks.unwrap_or_else(|| scaler.max.div_ceil(1 << (32 - VNET_BLOCK))),
            Mode::Vnet | Mode::Overlay => 1,
        };
        Some(Self { kubernetes, metrics, lease, settings: Settings { mode, subnets, scaler, blocks, rest } })
    }
}

/// Prefix lengths of blocks where none is configured: Azure's for IPv4; for IPv6 what CNS reads of a block, and what is
/// usual for a node.
const VNET_BLOCK: u8 = 28;
const VNET_BLOCK_V6: u8 = 120;
const OVERLAY_BLOCK: u8 = 24;
const OVERLAY_BLOCK_V6: u8 = 64;

/// No node has as many pods as this leaves it addresses.
const LARGEST_BLOCK: u8 = 16;

fn take_mode(fields: &mut Fields, problems: &mut Vec<Problem>) -> Option<Mode> {
    let before = problems.len();
    let mode = fields.take("mode", read_mode, problems);
    if mode.is_none() && problems.len() == before {
        let says = "is missing: one of vnet, vnetblock, overlay".to_owned();
        problems.push(Problem { line: fields.line, field: "mode".to_owned(), says });
    }
    mode
}

fn read_mode(node: &Node) -> Result<Mode, String> {
    match fields::text(node)?.as_str() {
        "vnet" => Ok(Mode::Vnet),
        "vnetblock" => Ok(Mode::VnetBlock),
        "overlay" => Ok(Mode::Overlay),
        other => Err(format!("there is no mode {other:?}, only vnet, vnetblock and overlay")),
    }
}

/// The others must hear of three renewals before they give this one up.
fn lease(node: &Node) -> Result<Duration, String> {
    let duration = fields::duration(node)?;
    let least = Duration::from_secs(3);
    if duration < least { Err(format!("{duration:?} is less than {least:?}")) } else { Ok(duration) }
}

fn decode_scaler(parent: &mut Fields, problems: &mut Vec<Problem>) -> Scaler {
    let default = Scaler { batch: 16, request_percent: 50, release_percent: 150, max: 250 };
    let Some(node) = parent.node("scaler") else { return default };
    let mut fields = Fields::of("scaler", node, problems);
    let mut take = |name, usual| fields.take(name, fields::positive, problems).unwrap_or(usual);
    let scaler = Scaler {
        batch: take("batchSize", default.batch),
        request_percent: take("requestThresholdPercent", default.request_percent),
        release_percent: take("releaseThresholdPercent", default.release_percent),
        max: take("maxIPs", default.max),
    };
    let mut wrong = |name: &str, says: String| {
        problems.push(Problem { line: fields.line, field: fields.name_of(name), says });
    };
    if scaler.batch > scaler.max {
        wrong("batchSize", format!("{} is more than maxIPs, {}", scaler.batch, scaler.max));
    }
    if scaler.request_percent > 100 {
        wrong("requestThresholdPercent", format!("{} is more than 100", scaler.request_percent));
    }
    let least = scaler.request_percent.saturating_add(100);
    if scaler.release_percent < least {
        wrong("releaseThresholdPercent", format!("{} is less than {least}", scaler.release_percent));
    }
    fields.finish(problems);
    scaler
}

fn decode_subnets(node: Option<Node>, mode: Mode, problems: &mut Vec<Problem>) -> Vec<Subnet> {
    let (line, items) = match node.map(|node| (node.line, node.value)) {
        Some((line, Value::List(items))) => (line, items),
        Some((line, other)) => {
            let says = format!("{other} is no list");
            problems.push(Problem { line, field: "subnets".to_owned(), says });
            return Vec::new();
        }
        None => (0, Vec::new()),
    };
    if items.is_empty() {
        let says = "names no subnet: there is nothing to grant".to_owned();
        problems.push(Problem { line, field: "subnets".to_owned(), says });
    }
    let mut subnets: Vec<Subnet> = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let line = item.line;
        let path = format!("subnets[{index}]");
        let Some(subnet) = decode_subnet(&path, item, mode, problems) else { continue };
        for other in &subnets {
            let overlap = other.cidr.contains(&subnet.cidr) || subnet.cidr.contains(&other.cidr);
            if overlap || other.name == subnet.name {
                let what = if overlap { "overlaps" } else { "has the name of" };
                let says =
                    format!("{} ({}) {what} {} ({})", subnet.name, subnet.cidr, other.name, other.cidr);
                problems.push(Problem { line, field: path.clone(), says });
            }
        }
        subnets.push(subnet);
    }
    subnets
}

fn decode_subnet(path: &str, item: Node, mode: Mode, problems: &mut Vec<Problem>) -> Option<Subnet> {
    let before = problems.len();
    let mut fields = Fields::of(path, item, problems);
    let name = fields.take("name", label, problems);
    let cidr = fields.take("cidr", fields::network, problems);
    let gateway = fields.take("gateway", fields::address, problems);
    let block = fields.take("block", fields::positive, problems);
    let excluded = fields.take_list("excluded", network_or_address, problems);
    for (member, is_missing) in [("name", name.is_none()), ("cidr", cidr.is_none())] {
        if is_missing {
            fields.missing(member, problems);
        }
    }
    let mut wrong = |line, field: String, says| problems.push(Problem { line, field, says });
    if let Some(cidr) = cidr {
        if let Some(gateway) = gateway.filter(|gateway| !cidr.contains(gateway)) {
            wrong(fields.line, fields.name_of("gateway"), format!("{gateway} is not in {cidr}"));
        }
        for net in excluded.iter().filter(|net| !cidr.contains(&net.value) && !net.value.contains(&cidr)) {
            wrong(net.line, net.field.clone(), format!("{} is not in {cidr}", net.value));
        }
    }
    let unit = cidr.map(|cidr| unit(cidr, block, mode));
    if let Some(Err(says)) = &unit {
        wrong(fields.line, fields.name_of("block"), says.clone());
    }
    let line = fields.line;
    fields.finish(problems);
    let (name, cidr, unit) = (name?, cidr?, unit?.ok()?);
    let excluded: Vec<IpNet> = excluded.into_iter().map(|net| net.value).collect();
    let subnet = Subnet::new(&name, cidr, gateway, &excluded, unit);
    if subnet.capacity() == 0 && problems.len() == before {
        let says = format!("nothing of {cidr} is left to grant");
        problems.push(Problem { line, field: path.to_owned(), says });
    }
    Some(subnet)
}

/// The prefix length of what is granted of a subnet.
fn unit(cidr: IpNet, block: Option<u32>, mode: Mode) -> Result<u8, String> {
    let usual = match (mode, cidr) {
        (Mode::Vnet, _) if block.is_some() => {
            return Err("mode vnet grants single addresses, no blocks".to_owned());
        }
        (Mode::Vnet, _) => return Ok(cidr.max_prefix_len()),
        (Mode::VnetBlock, IpNet::V4(_)) => VNET_BLOCK,
        (Mode::VnetBlock, IpNet::V6(_)) => VNET_BLOCK_V6,
        (Mode::Overlay, IpNet::V4(_)) => OVERLAY_BLOCK,
        (Mode::Overlay, IpNet::V6(_)) => OVERLAY_BLOCK_V6,
    };
    let block = block.map_or(Some(usual), |block| u8::try_from(block).ok());
    let most = cidr.max_prefix_len();
    let least = cidr.prefix_len().max(if most == 32 { LARGEST_BLOCK } else { 0 });
    let fitting = block.filter(|block| (least..=most).contains(block));
    fitting.ok_or_else(|| {
        let block = block.map_or("the block".to_owned(), |block| format!("a /{block}"));
        format!("{block} does not fit into {cidr}: blocks of /{least} to /{most} do")
    })
}

/// A DNS label, as part of objects' names.
fn label(node: &Node) -> Result<String, String> {
    let text = fields::text(node)?;
    let is_inner = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    if text.len() <= 63 && text.chars().all(is_inner) && !text.starts_with('-') && !text.ends_with('-') {
        Ok(text)
    } else {
        Err(format!("{text:?} is no name of lower-case letters, digits and dashes, 63 at most"))
    }
}

fn network_or_address(node: &Node) -> Result<IpNet, String> {
    fields::address(node).map(|address: IpAddr| IpNet::from(address)).or_else(|_| fields::network(node))
}

#[cfg(test)]
mod tests;
