//! Blocks of addresses.

use std::net::IpAddr;

use ipnet::{IpAddrRange, IpNet, Ipv4AddrRange, Ipv6AddrRange};

/// Every address of a block in order, the first and the last too.
pub(crate) fn addresses(block: &IpNet) -> IpAddrRange {
    match block {
        IpNet::V4(block) => IpAddrRange::V4(Ipv4AddrRange::new(block.network(), block.broadcast())),
        IpNet::V6(block) => IpAddrRange::V6(Ipv6AddrRange::new(block.network(), block.broadcast())),
    }
}

/// How many addresses a block has, as far as a number can say.
pub(crate) fn size(block: &IpNet) -> u128 {
    let bits = block.max_prefix_len().saturating_sub(block.prefix_len());
    1_u128.checked_shl(u32::from(bits)).unwrap_or(u128::MAX)
}

/// The fewest blocks with exactly these addresses.
pub(crate) fn cover(addresses: impl IntoIterator<Item = IpAddr>) -> Vec<IpNet> {
    IpNet::aggregate(&addresses.into_iter().map(IpNet::from).collect())
}
