//! Ports of the node that lead to a pod.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;

/// The ports of the node that lead to one pod.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostPorts {
    /// The ports.
    pub ports: Vec<HostPort>,
    /// Whether what comes through them from the node's loopback addresses and from the pod's own subnet gets the
    /// bridge's address. Without it neither finds its way back.
    pub snat: bool,
}

/// One port of the node and where in the pod it leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// The protocol of both ports.
    pub transport: Transport,
    /// The one address of the node that has the port, of the pod address's version; `None`: all.
    pub host_ip: Option<IpAddr>,
    /// The node's port.
    pub port: u16,
    /// The pod's address with its subnet's prefix length.
    pub pod: IpNet,
    /// The pod's port.
    pub pod_port: u16,
}

/// A protocol that has ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// TCP (RFC 9293).
    Tcp,
    /// UDP (RFC 768).
    Udp,
    /// SCTP (RFC 9260).
    Sctp,
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// The number in the IP header, as IANA assigned it.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }

    /// The protocol of this number.
    pub(crate) fn of_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|transport| transport.number() == number)
    }

    /// The name, as configurations have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl HostPorts {
    /// Whether packets from 127.0.0.0/8 must be able to leave by the bridge: the kernel drops them unless told
    /// otherwise. IPv6 has no such choice, so that `::1` never reaches a pod.
    pub(crate) fn needs_route_localnet(&self) -> bool {
        self.snat && self.ports.iter().any(|port| port.pod.addr().is_ipv4())
    }
}
