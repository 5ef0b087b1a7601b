//! What is wrong with a configuration, and where.

use std::net::IpAddr;

use ipnet::IpNet;

/// A configuration that cannot be used: the member's path, as `ipam.ranges[1][0].rangeStart`, and what is
/// wrong there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{member}: {problem}")]
pub struct ConfigError {
    /// Path of the member from the top of the network configuration.
    pub member: String,
    /// What is wrong with its value.
    pub problem: Problem,
}

impl ConfigError {
    pub(crate) fn new(member: impl Into<String>, problem: Problem) -> Self {
        Self { member: member.into(), problem }
    }
}

/// One broken rule. The phrases of the reference plugin are kept where it has the rule: people search for
/// them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A member that must be there is absent or empty.
    #[error("missing")]
    Missing,
    /// Text that is no IP address.
    #[error("{value:?} is not an IP address")]
    NotAnAddress {
        /// The text.
        value: String,
    },
    /// Text that is no network.
    #[error("{value:?} is not a network in CIDR notation (address/prefix length)")]
    NotANetwork {
        /// The text.
        value: String,
    },
    /// Text that names no file.
    #[error("{value:?} is not a path: it contains NUL")]
    NotAPath {
        /// The text.
        value: String,
    },
    /// A prefix length that is no number or longer than the address.
    #[error("prefix length of {value:?} is not between 0 and {longest}")]
    PrefixLength {
        /// The text of the network.
        value: String,
        /// The longest prefix of the address family.
        longest: u8,
    },
    /// An IPv4 address dressed as IPv6 where a network is wanted: its reservations would bear two names.
    #[error("{value:?} is an IPv4-mapped IPv6 network: write it as IPv4")]
    MappedNetwork {
        /// The text.
        value: String,
    },
    /// A network without room for a gateway and a pod.
    #[error("Network {subnet} too small to allocate from")]
    TooSmall {
        /// The network.
        subnet: IpNet,
    },
    /// Not the address of a network but of a host in it.
    #[error(
        "Network has host bits set. For a subnet mask of length {} the network address is {}",
        subnet.prefix_len(), subnet.network()
    )]
    HostBits {
        /// The network as written.
        subnet: IpNet,
    },
    /// The first address to hand out lies outside the network.
    #[error("RangeStart {address} not in network {subnet}")]
    StartOutside {
        /// The address.
        address: IpAddr,
        /// The network.
        subnet: IpNet,
    },
    /// The last address to hand out lies outside the network.
    #[error("RangeEnd {address} not in network {subnet}")]
    EndOutside {
        /// The address.
        address: IpAddr,
        /// The network.
        subnet: IpNet,
    },
    /// The gateway lies outside the network, so that no pod could reach it.
    #[error("gateway {address} not in network {subnet}")]
    GatewayOutside {
        /// The address.
        address: IpAddr,
        /// The network.
        subnet: IpNet,
    },
    /// First address after the last, or nothing between them that a pod may have.
    #[error("no address to allocate between RangeStart {start} and RangeEnd {end}")]
    NothingBetween {
        /// First address, as written or by default.
        start: IpAddr,
        /// Last address, as written or by default.
        end: IpAddr,
    },
    /// IPv4 and IPv6 in one range set.
    #[error("mixed address families: {first} and {other} in one range set")]
    MixedFamilies {
        /// The network that gave the set its family.
        first: IpNet,
        /// The network of another family.
        other: IpNet,
    },
    /// Two ranges of one set have addresses in common.
    #[error("subnets {first} and {other} overlap")]
    RangesOverlap {
        /// The earlier range, as `first-last`.
        first: String,
        /// The later range.
        other: String,
    },
    /// Two range sets have addresses in common.
    #[error("range set {first} overlaps with {other}")]
    SetsOverlap {
        /// The earlier set, as `first-last,first-last…`.
        first: String,
        /// The later set.
        other: String,
    },
    /// A range set without a range.
    #[error("empty range set")]
    EmptySet,
    /// No range set at all.
    #[error("no IP ranges specified")]
    NoRanges,
    /// A second address of one family, which results of CNI versions before 0.3.0 cannot hold.
    #[error("CNI versions before 0.3.0 do not support more than 1 address per family")]
    OnePerFamily,
    /// A route whose next hop is of another family than its destination.
    #[error("gateway {gateway} is of another address family than the route's destination {destination}")]
    RouteFamily {
        /// The next hop.
        gateway: IpAddr,
        /// The destination.
        destination: IpNet,
    },
}
