//! Which routes there have to be, and what that changes.
//!
//! Pure.

use std::net::IpAddr;

use ipnet::IpNet;
use podnet_datapath::TableRoute;

use crate::networks::Networks;

/// `RTPROT_STATIC` (include/uapi/linux/rtnetlink.h).
pub(super) const STATIC: u8 = 4;

/// Why there is no route to a subnet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRoute {
    /// No next hop is known.
    #[error("no gateway to {0} is known: the source names none, and the node has no default route")]
    NoGateway(IpNet),
    /// The next hop is on none of the node's links.
    #[error("no link of the node leads to {gateway}, the gateway to {subnet}")]
    NoLink {
        /// The next hop.
        gateway: IpAddr,
        /// The pods' subnet.
        subnet: IpNet,
    },
    /// There is another route to the subnet.
    #[error("there is another route to {0}, which is not the daemon's to change")]
    Taken(IpNet),
}

/// The routes to the subnets that the node is not in itself. `found`: the node's main table.
pub fn wanted(networks: &Networks, found: &[TableRoute]) -> Result<Vec<TableRoute>, NoRoute> {
    let host = &networks.host;
    let mut routes: Vec<TableRoute> = Vec::new();
    for subnet in networks.all.iter().map(|network| network.subnet) {
        let is_nodes = host.address.is_some_and(|node| subnet.contains(&node))
            || host.subnet.is_some_and(|own| own.contains(&subnet) || subnet.contains(&own));
        if is_nodes || routes.iter().any(|route| route.dst == subnet) {
            continue;
        }
        let is_family = |address: &IpAddr| address.is_ipv4() == subnet.addr().is_ipv4();
        let by_default = found.iter().filter(|route| route.dst.prefix_len() == 0);
        let by_default = by_default.filter_map(|route| Some((route.priority, route.via?)));
        let by_default = by_default.filter(|(_, via)| is_family(via)).min().map(|(_, via)| via);
        let gateway = host.next_hop().filter(is_family).or(by_default).ok_or(NoRoute::NoGateway(subnet))?;
        let on_link = found.iter().filter(|route| route.via.is_none() && route.dst.contains(&gateway));
        let closest = on_link.max_by_key(|route| route.dst.prefix_len());
        let link = closest.ok_or(NoRoute::NoLink { gateway, subnet })?.link;
        routes.push(TableRoute::new(subnet, gateway, link, STATIC));
    }
    Ok(routes)
}

/// What has to be done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// Routes of ours that are no longer wanted.
    pub delete: Vec<TableRoute>,
    /// Routes that are not there.
    pub add: Vec<TableRoute>,
    /// Wanted routes in whose place there is one of somebody else's.
    pub taken: Vec<TableRoute>,
    /// What is ours once that is done.
    pub ours: Vec<TableRoute>,
}

impl Change {
    /// The difference between what is wanted and what is found, where `ours` were made by the daemon.
    pub fn of(wanted: &[TableRoute], found: &[TableRoute], ours: &[TableRoute]) -> Self {
        let is_ours = |route: &TableRoute| ours.contains(route);
        let (kept, delete): (Vec<_>, Vec<_>) =
            found.iter().filter(|route| is_ours(route)).cloned().partition(|route| wanted.contains(route));
        let missing = wanted.iter().filter(|route| !found.contains(route)).cloned();
        let in_place_of = |route: &TableRoute| {
            let same = |other: &&TableRoute| (other.dst, other.priority) == (route.dst, route.priority);
            found.iter().filter(same).any(|other| !is_ours(other))
        };
        let (taken, add): (Vec<_>, Vec<_>) = missing.partition(in_place_of);
        let ours = kept.into_iter().chain(add.iter().cloned()).collect();
        Self { delete, add, taken, ours }
    }
}

#[cfg(test)]
mod tests;
