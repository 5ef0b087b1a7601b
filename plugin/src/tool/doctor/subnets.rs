//! Subnets of pods, Services and nodes that get in each other's way.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use podnet_datapath::{LinkAddress, NodeRoute, addresses, links, routes};
use podnet_host_local::Range;

use super::finding::{Finding, Severity, quoted};
use super::node::{Cidrs, Node};
use crate::error::Error;
use crate::subnets::overlap;

/// Where a control plane has the Services' range.
const API_SERVER: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";

/// The pods of a network.
#[derive(Debug, Clone)]
struct Pods {
    network: String,
    file: PathBuf,
    bridge: Option<String>,
    subnet: IpNet,
    /// What they get of the subnet, where it may be the node's own too, as in mode vnet; `None`: the subnet is theirs alone.
    share: Option<Range>,
}

/// Everything that has a subnet.
#[derive(Debug, Default)]
struct Plan {
    pods: Vec<Pods>,
    addresses: Vec<LinkAddress>,
    routes: Vec<NodeRoute>,
    /// The links of pods, by whichever network.
    pod_links: BTreeSet<String>,
    cidrs: Cidrs,
}

/// Compares all with all.
pub(super) fn check(node: &Node) -> Result<Vec<Finding>, Error> {
    let pods = node.networks.iter().flat_map(|network| {
        network.ranges.iter().map(|range| Pods {
            network: network.name.clone(),
            file: network.file.clone(),
            bridge: network.bridge.clone(),
            subnet: range.subnet(),
            share: network.is_vnet().then(|| range.clone()),
        })
    });
    // Before and after the look at routes: pods come and go.
    let before = links()?;
    let (addresses, routes) = (addresses()?, routes()?);
    let pod_links = before.into_iter().chain(links()?).map(|link| link.name).collect();
    let plan = Plan { pods: pods.collect(), addresses, routes, pod_links, cidrs: node.cidrs.clone() };
    Ok(plan.findings())
}

impl Plan {
    fn findings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        for (index, pods) in self.pods.iter().enumerate() {
            found.extend(self.pods.iter().take(index).filter_map(|other| with_pods(pods, other)));
            found.extend(self.cidrs.services.iter().filter_map(|cidr| with_range(pods, *cidr, "Services")));
            let nodes = self.cidrs.nodes.iter().filter(|_| !pods.are_on_network());
            found.extend(nodes.filter_map(|cidr| with_range(pods, *cidr, "nodes")));
            found.extend(self.addresses.iter().filter_map(|address| with_address(pods, address)));
            found.extend(self.routes.iter().filter_map(|route| self.with_route(pods, route)));
            found.extend(self.outside(pods));
        }
        found.extend(self.cidrs.services.iter().flat_map(|service| self.with_services(*service)));
        found
    }

    /// What has addresses that a Service may get. (The pods of networks are compared with them already.)
    fn with_services(&self, service: IpNet) -> Vec<Finding> {
        let nodes = self.cidrs.nodes.iter().map(|cidr| (*cidr, "nodes' range".to_owned()));
        let pods = self.cidrs.pods.iter().map(|cidr| (*cidr, "pods' range".to_owned()));
        let has_pods = |link: &str| {
            self.pods.iter().any(|pods| pods.bridge.as_deref().is_some_and(|bridge| bridge == link))
        };
        let links = self.addresses.iter().filter(|own| !has_pods(&own.link));
        let links = links.map(|own| (own.address.trunc(), format!("subnet of link {}", own.link)));
        // A single address on a dummy link is a Service's own, as kube-proxy has them with IPVS.
        let others =
            nodes.chain(pods).chain(links).filter(|(other, _)| other.prefix_len() < other.max_prefix_len());
        let overlapping = others.filter(|(other, _)| overlap(service, *other)).map(|(other, what)| {
            finding(
                format!("Services' range {service}"),
                format!("it overlaps the {what} {other}"),
                "packets to these addresses are taken for a Service's",
                sed(service, Path::new(API_SERVER)),
            )
        });
        overlapping.collect()
    }

    /// A route that takes part of the pods' subnet elsewhere.
    fn with_route(&self, pods: &Pods, route: &NodeRoute) -> Option<Finding> {
        let is_of_address = |own: &LinkAddress| {
            own.link == route.link && own.address.trunc() == route.dst && route.via.is_none()
        };
        if pods.bridge.as_deref() == Some(&route.link)
            || self.pod_links.contains(&route.link)
            || !pods.are_affected_by(route)
            || self.addresses.iter().any(is_of_address)
        {
            return None;
        }
        Some(finding(
            pods.object(),
            format!("the route to {} leads to link {}", route.dst, route.link),
            "pods with these addresses are looked for there",
            format!("ip route del {} dev {}", route.dst, quoted(&route.link)),
        ))
    }

    /// Pods outside of what the cluster routes to this node.
    fn outside(&self, pods: &Pods) -> Option<Finding> {
        let mut cidrs =
            self.cidrs.pods.iter().filter(|cidr| cidr.addr().is_ipv4() == pods.subnet.addr().is_ipv4());
        let first = *cidrs.clone().next()?;
        if cidrs.any(|cidr| cidr.contains(&pods.subnet)) {
            return None;
        }
        let edit = format!("s|{}|{first}|", pods.subnet);
        Some(Finding {
            severity: Severity::Warning,
            ..finding(
                pods.object(),
                format!("it is not within the pods' range {first}"),
                "other nodes have no route to these pods",
                format!("sed -i {} {}", quoted(&edit), quoted(&pods.file.to_string_lossy())),
            )
        })
    }
}

impl Pods {
    fn object(&self) -> String {
        format!("subnet {} of network {}", self.subnet, self.network)
    }

    /// Whether they are on the node's own network, by a bridge in place of its link to that.
    fn are_on_network(&self) -> bool {
        self.share.is_some() && self.bridge.is_some()
    }

    /// Whether a route to elsewhere may take from them what they are sent. Where the node has a route to each, only another one
    /// to a single address does.
    fn are_affected_by(&self, route: &NodeRoute) -> bool {
        match &self.share {
            Some(share) if self.bridge.is_none() => {
                route.dst.prefix_len() == route.dst.max_prefix_len() && may_be_given(share, route.dst.addr())
            }
            _ => self.subnet.contains(&route.dst),
        }
    }
}

fn may_be_given(share: &Range, address: IpAddr) -> bool {
    share.contains(address) && share.gateway() != address
}

fn with_pods(pods: &Pods, other: &Pods) -> Option<Finding> {
    if pods.network == other.network || !overlap(pods.subnet, other.subnet) {
        return None;
    }
    let file = pods.file.to_string_lossy();
    Some(finding(
        pods.object(),
        format!("it overlaps {}", other.object()),
        "two pods can get one address, and the node knows one way only",
        format!("mv {} {}", quoted(&file), quoted(&format!("{file}.disabled"))),
    ))
}

fn with_range(pods: &Pods, cidr: IpNet, whose: &str) -> Option<Finding> {
    overlap(pods.subnet, cidr).then(|| {
        finding(
            pods.object(),
            format!("it overlaps the {whose}' range {cidr}"),
            "who has one of these addresses is reached by some and not by others",
            sed(pods.subnet, &pods.file),
        )
    })
}

fn with_address(pods: &Pods, own: &LinkAddress) -> Option<Finding> {
    if pods.bridge.as_deref() == Some(&own.link) {
        return None;
    }
    let LinkAddress { link, address, .. } = own;
    let fix = sed(pods.subnet, &pods.file);
    let holds = format!("it holds the node's own address {address} of link {link}");
    if let Some(share) = &pods.share {
        let why = "ADD fails whenever this address is next";
        let finding = || Finding { severity: Severity::Warning, ..finding(pods.object(), holds, why, fix) };
        return may_be_given(share, address.addr()).then(finding);
    }
    if pods.subnet.contains(&address.addr()) {
        let (severity, why) = if address.prefix_len() < address.max_prefix_len() {
            (Severity::Error, "ADD refuses it: the node would look for that link's neighbours at the bridge")
        } else {
            (Severity::Warning, "a pod can get the same address, and the node does not reach it then")
        };
        return Some(Finding { severity, ..finding(pods.object(), holds, why, fix) });
    }
    address.contains(&pods.subnet).then(|| Finding {
        severity: Severity::Warning,
        ..finding(
            pods.object(),
            format!("it is part of the subnet {} of link {link}", address.trunc()),
            "machines there look for the pods among themselves unless they have a route",
            fix,
        )
    })
}

fn finding(object: String, problem: String, why: &str, fix: String) -> Finding {
    Finding { severity: Severity::Error, check: "subnet", object, problem, why: why.to_owned(), fix }
}

/// The edit that puts another subnet, which only a person can choose, in place of this one.
fn sed(subnet: IpNet, file: &Path) -> String {
    format!(r#"sed -i "s|{subnet}|$NEW_SUBNET|" {}"#, quoted(&file.to_string_lossy()))
}

#[cfg(test)]
mod tests;
