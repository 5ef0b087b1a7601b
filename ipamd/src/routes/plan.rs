//! What routes the node should have, and what is wrong with those that it cannot have. Pure.
//!
//! ```text
//!  nodes ──▶ claims ──own, links──▶ ──rivals──▶ ──on a link?──▶ ──foreign?──▶ routes
//!                        └────────────┴────────────┴──────────────┴─────────▶ refusals
//! ```
//!
//! A range that two nodes claim is nobody's, but where its route is there already: the pods that it leads to are running,
//! and whoever comes later is wrong.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use podnet_datapath::TableRoute;

use super::nodes::{Nodes, Peer};

mod contest;
mod reach;

use reach::Reach;

/// The protocol number (`rtm_protocol`) of the routes that this daemon keeps. None of those in use
/// (linux/rtnetlink.h, iproute2's `rt_protos`, FRR's).
pub(super) const PROTOCOL: u8 = 112;

/// What the kernel has.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    /// The unicast routes of the main table.
    pub(super) routes: Vec<TableRoute>,
    /// The names of the links, by index.
    pub(super) links: HashMap<u32, String>,
}

/// The routes to other nodes' pods.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Plan {
    /// What should be there, sorted.
    pub(super) routes: Vec<TableRoute>,
    /// What should not, and why, in the order of the nodes' names.
    pub(super) refusals: Vec<Refusal>,
}

/// A range of a node's that gets no route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The node.
    pub(super) node: Box<str>,
    /// Its range.
    pub(super) cidr: IpNet,
    /// What is wrong.
    pub(super) reason: Reason,
}

/// Why a range gets no route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reason {
    /// The node has no `InternalIP` of the range's family.
    NoAddress,
    /// The node's `InternalIP` is on no link of this node.
    OffLink(IpAddr),
    /// The node has an address of this node's own.
    OwnAddress(IpAddr),
    /// The range overlaps one of this node's own.
    OverlapsOwn(IpNet),
    /// The range overlaps the subnet of a link.
    OverlapsLink {
        /// The subnet.
        subnet: IpNet,
        /// The link's name.
        link: String,
    },
    /// The range overlaps one of another node's.
    OverlapsNode {
        /// The other node.
        node: Box<str>,
        /// Its range.
        cidr: IpNet,
    },
    /// Somebody else has a route to the range, by way of this next hop.
    Foreign(Option<IpAddr>),
}

/// A node's range.
struct Claim<'a> {
    node: &'a str,
    peer: &'a Peer,
    cidr: IpNet,
}

impl Claim<'_> {
    fn refused(&self, reason: Reason) -> Refusal {
        Refusal { node: self.node.into(), cidr: self.cidr, reason }
    }
}

/// The routes of the node `own` to the pods of all others.
pub(super) fn plan(own: &str, nodes: &Nodes, table: &Table) -> Plan {
    let (ours, others): (Vec<_>, Vec<_>) = table.routes.iter().partition(|route| route.protocol == PROTOCOL);
    let reach = Reach::new(others.into_iter());
    let ground = Ground::new(own, nodes, table);
    let mut plan = Plan::default();

    let mut claims = Vec::new();
    for (node, peer) in nodes.iter().filter(|(node, _)| &***node != own) {
        for cidr in peer.cidrs.iter().copied() {
            let claim = Claim { node, peer, cidr };
            match ground.refuses(&claim) {
                Some(reason) => plan.refusals.push(claim.refused(reason)),
                None => claims.push(claim),
            }
        }
    }
    let incumbents: HashSet<(IpNet, IpAddr)> =
        ours.iter().filter_map(|route| Some((route.dst, route.via?))).collect();
    let ranges: Vec<IpNet> = claims.iter().map(|claim| claim.cidr).collect();
    for (claim, rival) in claims.iter().zip(contest::rivals(&ranges)) {
        match granted(claim, rival.and_then(|place| claims.get(place)), &incumbents, &reach) {
            Ok(route) => plan.routes.push(route),
            Err(reason) => plan.refusals.push(claim.refused(reason)),
        }
    }
    plan.routes.sort();
    plan.routes.dedup();
    plan.refusals.sort_by(|one, other| one.node.cmp(&other.node));
    plan
}

/// The route of a claim.
fn granted(
    claim: &Claim<'_>,
    rival: Option<&Claim<'_>>,
    incumbents: &HashSet<(IpNet, IpAddr)>,
    reach: &Reach<'_>,
) -> Result<TableRoute, Reason> {
    if let Some(rival) = rival
        && !claim.peer.addresses.iter().any(|via| incumbents.contains(&(claim.cidr, *via)))
    {
        return Err(Reason::OverlapsNode { node: rival.node.into(), cidr: rival.cidr });
    }
    let is_v4 = claim.cidr.addr().is_ipv4();
    let mut addresses = claim.peer.addresses.iter().filter(|address| address.is_ipv4() == is_v4).copied();
    let first = addresses.clone().next().ok_or(Reason::NoAddress)?;
    let (via, link) = addresses
        .find_map(|address| Some((address, reach.link_of(address)?)))
        .ok_or(Reason::OffLink(first))?;
    if let Some(foreign) = reach.to(claim.cidr) {
        return Err(Reason::Foreign(foreign.via));
    }
    Ok(TableRoute::new(claim.cidr, via, link, PROTOCOL))
}

/// What belongs to this node, so that no other can have it.
struct Ground<'a> {
    own: Option<&'a Peer>,
    /// The subnets of its links, each with the link's name.
    subnets: Vec<(IpNet, &'a str)>,
}

impl<'a> Ground<'a> {
    fn new(own: &str, nodes: &'a Nodes, table: &'a Table) -> Self {
        // Single pods and the whole world are no subnets, nor is what means something on one link only.
        let is_subnet = |route: &&TableRoute| {
            let length = route.dst.prefix_len();
            let is_local = matches!(route.dst, IpNet::V6(net) if net.addr().is_unicast_link_local());
            route.via.is_none() && length != 0 && length != route.dst.max_prefix_len() && !is_local
        };
        let subnets = table.routes.iter().filter(|route| route.protocol != PROTOCOL).filter(is_subnet);
        let named =
            |route: &TableRoute| (route.dst, table.links.get(&route.link).map_or("?", String::as_str));
        Self { own: nodes.get(own), subnets: subnets.map(named).collect() }
    }

    fn refuses(&self, claim: &Claim<'_>) -> Option<Reason> {
        let own = self.own.map(|own| (&*own.cidrs, &*own.addresses));
        let (cidrs, addresses) = own.unwrap_or_default();
        if let Some(cidr) = cidrs.iter().find(|cidr| overlap(**cidr, claim.cidr)) {
            return Some(Reason::OverlapsOwn(*cidr));
        }
        if let Some(address) = addresses.iter().find(|address| claim.peer.addresses.contains(address)) {
            return Some(Reason::OwnAddress(*address));
        }
        let (subnet, link) = self.subnets.iter().find(|(subnet, _)| overlap(*subnet, claim.cidr))?;
        Some(Reason::OverlapsLink { subnet: *subnet, link: (*link).to_owned() })
    }
}

fn overlap(one: IpNet, other: IpNet) -> bool {
    one.contains(&other) || other.contains(&one)
}

/// What has to change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Difference {
    /// Routes of ours that should not be there.
    pub(super) stale: Vec<TableRoute>,
    /// Routes that should be there.
    pub(super) missing: Vec<TableRoute>,
}

impl Difference {
    /// Between what should be there, sorted, and what is. Routes of others are no part of it.
    pub(super) fn between(wanted: &[TableRoute], table: &Table) -> Self {
        let mut found: Vec<&TableRoute> =
            table.routes.iter().filter(|route| route.protocol == PROTOCOL).collect();
        found.sort();
        let is_wanted = |route: &TableRoute| wanted.binary_search(route).is_ok();
        let is_found = |route: &TableRoute| found.binary_search(&route).is_ok();
        Self {
            stale: found.iter().copied().filter(|route| !is_wanted(route)).cloned().collect(),
            missing: wanted.iter().filter(|route| !is_found(route)).cloned().collect(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "node {}, {}: {}", self.node, self.cidr, self.reason)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress => formatter.write_str("the node has no InternalIP of this family"),
            Self::OffLink(address) => {
                write!(formatter, "its InternalIP {address} is on no link of this node")
            }
            Self::OwnAddress(address) => write!(formatter, "its InternalIP {address} is this node's own"),
            Self::OverlapsOwn(cidr) => write!(formatter, "overlaps this node's own {cidr}"),
            Self::OverlapsLink { subnet, link } => write!(formatter, "overlaps {subnet} of link {link}"),
            Self::OverlapsNode { node, cidr } => write!(formatter, "overlaps {cidr} of node {node}"),
            Self::Foreign(Some(via)) => write!(formatter, "somebody else's route leads there, via {via}"),
            Self::Foreign(None) => formatter.write_str("somebody else's route leads there"),
        }
    }
}

#[cfg(test)]
mod tests;
