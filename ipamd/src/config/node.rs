//! The members about the node itself: `nodeRules`, what is kept on it for all pods, and `ranges`, what must stay apart.

use super::document::Node;
use super::fields::{self, Fields, Problem};
use super::source::Source;
use crate::ranges::Ranges;

/// What is kept on the node for all pods (`nodeRules`). By default nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeRules {
    /// `snat`: services that pods reach with the node's address.
    pub snat: Vec<Snat>,
    /// `block`: services that nothing which the node forwards reaches.
    pub block: Vec<Blocked>,
    /// `subnetRoute`: whether the pods' subnets are reached through the gateway of the node's subnet.
    pub subnet_route: bool,
}

/// A service that answers the node's own address only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Snat {
    /// `imds`: the instance metadata service.
    Imds,
    /// `azureDNS`: Azure's DNS server.
    AzureDns,
}

/// A service that is the node's alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blocked {
    /// `wireserver`: the host's control channel; its DNS server at the same address stays open.
    Wireserver,
    /// `imds`: the instance metadata service.
    Imds,
}

impl NodeRules {
    /// Whether there is anything for the table of rules.
    pub fn has_rules(&self) -> bool {
        !self.snat.is_empty() || !self.block.is_empty()
    }

    pub(super) fn decode(parent: &mut Fields, source: Option<&Source>, problems: &mut Vec<Problem>) -> Self {
        let Some(node) = parent.node("nodeRules") else { return Self::default() };
        let mut fields = Fields::of("nodeRules", node, problems);
        let rules = Self {
            snat: take_set(&mut fields, "snat", snat, problems),
            block: take_set(&mut fields, "block", blocked, problems),
            subnet_route: fields.take("subnetRoute", fields::boolean, problems).unwrap_or_default(),
        };
        if !rules.snat.is_empty() && source.is_some_and(Source::lacks_node_address) {
            let says = "needs the node's own address, and source.nodeIP names none".to_owned();
            problems.push(Problem { line: fields.line, field: fields.name_of("snat"), says });
        }
        fields.finish(problems);
        rules
    }
}

impl Ranges {
    /// The member `ranges`, and whether what it names is apart from each other and from the pods of a static source.
    pub(super) fn decode(parent: &mut Fields, source: Option<&Source>, problems: &mut Vec<Problem>) -> Self {
        let Some(node) = parent.node("ranges") else { return Self::default() };
        let mut fields = Fields::of("ranges", node, problems);
        let before = problems.len();
        let mut nets = |name| {
            let nets = fields.take_list(name, fields::network, problems);
            nets.into_iter().map(|net| net.value).collect()
        };
        let ranges = Self { service: nets("service"), vnet: nets("vnet") };
        let line = fields.line;
        fields.finish(problems);
        if problems.len() == before {
            let mut checked = ranges.check_node(&[]);
            if let Some(Source::Static(inventory)) = source {
                checked = checked.and_then(|()| ranges.check_pods(inventory, &[]));
            }
            let problem = |error: crate::ranges::RangeError| Problem {
                line,
                field: "ranges".to_owned(),
                says: error.to_string(),
            };
            problems.extend(checked.err().map(problem));
        }
        ranges
    }
}

/// A list whose order and repetitions mean nothing.
fn take_set<T: Ord>(
    fields: &mut Fields,
    name: &'static str,
    read: fields::Reader<T>,
    problems: &mut Vec<Problem>,
) -> Vec<T> {
    let listed = fields.take_list(name, read, problems);
    let mut items: Vec<T> = listed.into_iter().map(|item| item.value).collect();
    items.sort();
    items.dedup();
    items
}

fn snat(node: &Node) -> Result<Snat, String> {
    match fields::text(node)?.as_str() {
        "imds" => Ok(Snat::Imds),
        "azureDNS" => Ok(Snat::AzureDns),
        other => Err(format!("there is no service {other:?}, only imds and azureDNS")),
    }
}

fn blocked(node: &Node) -> Result<Blocked, String> {
    match fields::text(node)?.as_str() {
        "wireserver" => Ok(Blocked::Wireserver),
        "imds" => Ok(Blocked::Imds),
        other => Err(format!("there is no service {other:?}, only wireserver and imds")),
    }
}
