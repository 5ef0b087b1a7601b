//! The table as nft prints it: what it has to be, and what is found.
//!
//! Pure. nft's text is compared line by line, without its indentation; it prints what it reads, in one way.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use crate::config::{Blocked, NodeRules, Snat};
use crate::networks::Networks;

/// The name of the table.
pub(super) const TABLE: &str = "podnet-node";

/// The same with its family.
pub(super) const NAME: &str = "inet podnet-node";

/// The instance metadata service.
const IMDS: &str = "ip daddr 169.254.169.254 tcp dport 80";
/// The services of the host at 168.63.129.16: its control channel on TCP ports 80 and 32526, its DNS server.
const WIRESERVER: [&str; 2] =
    ["ip daddr 168.63.129.16 tcp dport 80", "ip daddr 168.63.129.16 tcp dport 32526"];
const AZURE_DNS: [&str; 2] = ["ip daddr 168.63.129.16 udp dport 53", "ip daddr 168.63.129.16 tcp dport 53"];

/// Before the rules of others that masquerade: the first one that translates a connection decides.
const POSTROUTING: &str = "type nat hook postrouting priority srcnat - 1; policy accept;";
const FORWARD: &str = "type filter hook forward priority filter; policy accept;";

/// The source does not say what address the node has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the source names no IPv4 address of the node, with which pods are to reach the cloud's services")]
pub struct NoNodeAddress;

/// A table, line by line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table(Vec<String>);

impl Table {
    /// What the table has to be for these rules and the pods of these networks.
    pub fn wanted(rules: &NodeRules, networks: &Networks) -> Result<Self, NoNodeAddress> {
        let lines = [
            vec![format!("table {NAME} {{"), "comment \"podnet-node schema 1\"".to_owned()],
            chain("postrouting", POSTROUTING, translations(&rules.snat, networks)?),
            chain("forward", FORWARD, drops(&rules.block)),
            vec!["}".to_owned()],
        ];
        Ok(Self(lines.concat()))
    }

    /// Reads what `nft list table` printed.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().map(str::trim);
        Self(lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect())
    }

    /// The transaction that puts this table in the place of the one there is, if any.
    pub fn to_script(&self) -> String {
        let mut script = removal();
        for line in &self.0 {
            // Writing to a String cannot fail.
            let _infallible = writeln!(script, "{line}");
        }
        script
    }
}

/// The transaction that removes the table, be it there or not.
pub(super) fn removal() -> String {
    format!("table {NAME}\ndelete table {NAME}\n")
}

fn chain(name: &str, hook: &str, rules: Vec<String>) -> Vec<String> {
    let begin = vec![format!("chain {name} {{"), hook.to_owned()];
    [begin, rules, vec!["}".to_owned()]].concat()
}

/// A rule for each subnet of IPv4 and each service.
fn translations(services: &[Snat], networks: &Networks) -> Result<Vec<String>, NoNodeAddress> {
    // Networks of one subnet are one to these rules.
    let subnets: BTreeSet<Ipv4Net> = networks.all.iter().filter_map(|network| v4(network.subnet)).collect();
    if services.is_empty() || subnets.is_empty() {
        return Ok(Vec::new());
    }
    let node = networks.host.address.and_then(v4_address).ok_or(NoNodeAddress)?;
    let destinations = services.iter().flat_map(|service| match service {
        Snat::Imds => vec![IMDS],
        Snat::AzureDns => AZURE_DNS.to_vec(),
    });
    let rule = |(destination, subnet): (&str, &Ipv4Net)| {
        // A proxy of the node's own at the service's address is no service of the cloud.
        format!("ip saddr {} {destination} fib daddr type != local snat ip to {node}", source(*subnet))
    };
    let pairs = destinations.flat_map(|destination| subnets.iter().map(move |subnet| (destination, subnet)));
    Ok(pairs.map(rule).collect())
}

fn drops(services: &[Blocked]) -> Vec<String> {
    let destinations = services.iter().flat_map(|service| match service {
        Blocked::Wireserver => WIRESERVER.to_vec(),
        Blocked::Imds => vec![IMDS],
    });
    destinations.map(|destination| format!("{destination} counter drop")).collect()
}

/// A subnet as nft prints it: a single address without its length.
fn source(subnet: Ipv4Net) -> String {
    if subnet.prefix_len() == 32 { subnet.addr().to_string() } else { subnet.to_string() }
}

fn v4(net: IpNet) -> Option<Ipv4Net> {
    match net {
        IpNet::V4(net) => Some(net),
        IpNet::V6(_) => None,
    }
}

fn v4_address(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests;
