//! Which destinations keep a pod's address: the result of all configuration files.

use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{Ipv4Addr, Ipv6Addr};

/// What upstream exempts without a configuration: RFC 1918.
const PRIVATE: [(u32, u8); 3] = [(0x0a00_0000, 8), (0xac10_0000, 12), (0xc0a8_0000, 16)];

/// What `--nomasq-all-reserved-ranges` adds, in upstream's order: RFC 6598, 6890, 5737, 7526, 2544 and 1112.
const RESERVED: [(u32, u8); 8] = [
    (0x6440_0000, 10),
    (0xc000_0000, 24),
    (0xc000_0200, 24),
    (0xc058_6300, 24),
    (0xc612_0000, 15),
    (0xc633_6400, 24),
    (0xcb00_7100, 24),
    (0xf000_0000, 4),
];

/// IPv4 link-local addresses (RFC 3927).
pub(crate) const LINK_LOCAL: IpNet = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16));
/// IPv6 link-local addresses (RFC 4291).
pub(crate) const LINK_LOCAL_V6: IpNet =
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10));

/// Which destinations keep a pod's address; everything else gets the node's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Destinations that keep it, in order, each once; of both families.
    pub ranges: Vec<IpNet>,
    /// Whether 169.254.0.0/16 gets the node's address.
    pub masq_link_local: bool,
    /// Whether `fe80::/10` gets the node's address.
    pub masq_link_local_ipv6: bool,
    /// The interval of full checks that the configuration asks for.
    pub resync_interval: Option<Duration>,
}

impl Policy {
    /// What holds without a configuration.
    pub fn defaults(all_reserved_ranges: bool) -> Self {
        Self {
            ranges: default_ranges(all_reserved_ranges),
            masq_link_local: false,
            masq_link_local_ipv6: false,
            resync_interval: None,
        }
    }

    /// The policy that rules were made for, from the ranges that they exempt, of both families.
    pub fn of_exempted(exempted: impl IntoIterator<Item = IpNet>) -> Self {
        let mut policy = Self {
            ranges: Vec::new(),
            masq_link_local: true,
            masq_link_local_ipv6: true,
            resync_interval: None,
        };
        for range in exempted {
            match range {
                LINK_LOCAL => policy.masq_link_local = false,
                LINK_LOCAL_V6 => policy.masq_link_local_ipv6 = false,
                other => policy.ranges.push(other),
            }
        }
        policy
    }
}

/// The ranges that hold where no file lists any.
pub(crate) fn default_ranges(all_reserved_ranges: bool) -> Vec<IpNet> {
    let reserved = RESERVED.iter().take(if all_reserved_ranges { RESERVED.len() } else { 0 });
    PRIVATE
        .iter()
        .chain(reserved)
        .map(|&(bits, length)| Ipv4Net::new_assert(Ipv4Addr::from_bits(bits), length).into())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_defaults() {
        let text = |all| default_ranges(all).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        assert_eq!(text(false), "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16");
        assert_eq!(
            text(true),
            "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 \
             198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4"
        );
    }
}
