//! Host ports, from `runtimeConfig.portMappings` to what the datapath is to make of them.
//!
//! ```text
//! Entry (text) ──check──▶ PortMapping ──plan, with the pod's addresses──▶ HostPort, one a family
//!                              └──▶ record
//! ```

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use ipnet::IpNet;
use podnet_datapath::{HostPort, HostPorts, Transport};
use serde::{Deserialize, Serialize};

use crate::netconf::ConfigError;
use crate::record::{Lease, addresses};

/// Where the runtime puts them.
const MEMBER: &str = "runtimeConfig.portMappings";

/// One entry as the runtime writes it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Entry {
    host_port: i64,
    container_port: i64,
    /// In any letter case; empty: tcp.
    protocol: String,
    /// Empty: every address of the node.
    #[serde(rename = "hostIP")]
    host_ip: String,
}

/// The host ports of a pod, checked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PortMappings {
    pub(crate) ports: Vec<PortMapping>,
    /// Whether connections from the node itself and from the pod's subnet get an address that answers find back to.
    pub(crate) snat: bool,
    /// By whose rules.
    #[serde(default, skip_serializing_if = "Translator::is_podnet")]
    pub(crate) translator: Translator,
}

/// By whose rules what arrives at host ports goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Translator {
    /// Podnet's, in its nftables table.
    #[default]
    Podnet,
    /// Those that the reference portmap plugin gives to iptables.
    Iptables,
}

impl Translator {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's way of asking")]
    fn is_podnet(&self) -> bool {
        *self == Self::Podnet
    }
}

/// A port of the node that leads to a port of the pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PortMapping {
    protocol: Protocol,
    host_port: u16,
    container_port: u16,
    /// `None`: every address of the node; `0.0.0.0` and `::`: every address of that family.
    #[serde(rename = "hostIP", default, skip_serializing_if = "Option::is_none")]
    host_ip: Option<IpAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

impl Protocol {
    fn transport(self) -> Transport {
        match self {
            Self::Tcp => Transport::Tcp,
            Self::Udp => Transport::Udp,
            Self::Sctp => Transport::Sctp,
        }
    }
}

impl PortMappings {
    /// Checks the entries one by one and against each other.
    pub(crate) fn check(entries: &[Entry], snat: bool) -> Result<Self, ConfigError> {
        let checked = entries.iter().enumerate().map(|(index, entry)| entry.check(index));
        let ports: Vec<PortMapping> = checked.collect::<Result<_, _>>()?;
        let mut first_with = HashMap::new();
        for (index, port) in ports.iter().enumerate() {
            for place in port.places() {
                if let Some(first) = first_with.insert(place, index) {
                    let rule = format!("{MEMBER}[{first}] has it already");
                    return Err(invalid(index, "hostPort", port.host_port, rule));
                }
            }
        }
        Ok(Self { ports, snat, translator: Translator::default() })
    }

    /// The node's ports of each protocol, in the protocols' alphabetical order, whatever family they are for.
    pub(crate) fn by_protocol(&self) -> BTreeMap<&'static str, Vec<u16>> {
        let mut ports: BTreeMap<_, Vec<u16>> = BTreeMap::new();
        for port in &self.ports {
            ports.entry(port.protocol.transport().name()).or_default().push(port.host_port);
        }
        ports
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ports.is_empty()
    }

    /// Whether there are ports, and they are iptables' affair.
    pub(crate) fn are_by_iptables(&self) -> bool {
        self.translator == Translator::Iptables && !self.is_empty()
    }

    /// The port of another pod's that stands in the way of one of these: as the other's mapping says it.
    pub(crate) fn conflict<'a>(&self, others: &'a Self) -> Option<&'a PortMapping> {
        let wanted: HashSet<_> = self.ports.iter().flat_map(PortMapping::places).collect();
        others.ports.iter().find(|port| port.places().any(|place| wanted.contains(&place)))
    }

    /// What the datapath is to make: each port to the pod's first address of each family that it is for. A port of
    /// a family that the pod has no address of leads nowhere and is passed over, as by the reference plugin.
    pub(crate) fn plan(&self, leases: &[Lease]) -> HostPorts {
        match self.translator {
            Translator::Podnet => self.plan_to(&addresses(leases)),
            Translator::Iptables => HostPorts::default(),
        }
    }

    /// The ports of a pod with these addresses, whoever translates.
    pub(crate) fn plan_to(&self, addresses: &[IpNet]) -> HostPorts {
        let pods = first_of_each_family(addresses);
        let ports = self.ports.iter().flat_map(|port| {
            let of_family = pods.iter().filter(|pod| port.is_for(pod.addr().is_ipv4()));
            of_family.map(|pod| HostPort {
                transport: port.protocol.transport(),
                host_ip: port.host_ip.filter(|ip| !ip.is_unspecified()),
                port: port.host_port,
                pod: *pod,
                pod_port: port.container_port,
            })
        });
        HostPorts { ports: ports.collect(), snat: self.snat }
    }
}

/// The addresses that host ports lead to.
pub(crate) fn first_of_each_family(addresses: &[IpNet]) -> Vec<IpNet> {
    let first = |is_ipv4| addresses.iter().find(|net| net.addr().is_ipv4() == is_ipv4).copied();
    [first(true), first(false)].into_iter().flatten().collect()
}

impl std::fmt::Display for PortMapping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "host port {}/{}", self.host_port, self.protocol.transport())?;
        self.host_ip.map_or(Ok(()), |host_ip| write!(f, " of {host_ip}"))
    }
}

impl PortMapping {
    fn is_for(&self, ipv4: bool) -> bool {
        self.host_ip.is_none_or(|ip| ip.is_ipv4() == ipv4)
    }

    /// What no two mappings of a pod may share: protocol, port, family, address.
    fn places(&self) -> impl Iterator<Item = (Protocol, u16, bool, Option<IpAddr>)> + '_ {
        let address = self.host_ip.filter(|ip| !ip.is_unspecified());
        let families = [true, false].into_iter().filter(|ipv4| self.is_for(*ipv4));
        families.map(move |ipv4| (self.protocol, self.host_port, ipv4, address))
    }
}

impl Entry {
    fn check(&self, index: usize) -> Result<PortMapping, ConfigError> {
        let port = |member, number: i64| match u16::try_from(number) {
            Ok(port) if port != 0 => Ok(port),
            _ => Err(invalid(index, member, number, "ports are 1 to 65535")),
        };
        let protocol = match self.protocol.to_ascii_lowercase().as_str() {
            "" | "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            "sctp" => Protocol::Sctp,
            _ => {
                return Err(invalid(
                    index,
                    "protocol",
                    format_args!("{:?}", self.protocol),
                    "\"tcp\", \"udp\" or \"sctp\"",
                ));
            }
        };
        let host_ip = match self.host_ip.as_str() {
            "" => None,
            text => match text.parse::<IpAddr>() {
                Ok(ip) => Some(ip.to_canonical()),
                Err(error) => return Err(invalid(index, "hostIP", format_args!("{text:?}"), error)),
            },
        };
        Ok(PortMapping {
            protocol,
            host_port: port("hostPort", self.host_port)?,
            container_port: port("containerPort", self.container_port)?,
            host_ip,
        })
    }
}

fn invalid(
    index: usize,
    member: &str,
    value: impl std::fmt::Display,
    rule: impl std::fmt::Display,
) -> ConfigError {
    ConfigError::invalid(format!("{MEMBER}[{index}].{member}"), value.to_string(), rule.to_string())
}

#[cfg(test)]
mod tests;
