//! A subnet cut into equal units, which are what is granted: single addresses, or blocks.
//!
//! ```text
//!  10.241.0.0/26, unit /28:   index 0   10.241.0.0/28    closed: it has the gateway
//!                                   1   10.241.0.16/28
//!                                   2   10.241.0.32/28   closed: excluded
//!                                   3   10.241.0.48/28
//! ```

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use podnet_ipam_core::Family;

/// So many units of a subnet are used at most: an IPv6 subnet has more than anybody needs.
const LARGEST: u32 = 1 << 24;

/// One unit: the subnet's place in the configuration, and the unit's place in the subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unit {
    /// The subnet's.
    pub subnet: u16,
    /// The unit's.
    pub index: u32,
}

/// A subnet that is granted from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// What it is called in objects and messages.
    pub name: Arc<str>,
    /// All of it, without host bits.
    pub cidr: IpNet,
    /// The gateway that pods are told of.
    pub gateway: Option<IpAddr>,
    unit: u8,
    /// What is never granted: first and last index, in order, apart from each other.
    closed: Vec<(u32, u32)>,
}

impl Subnet {
    /// A subnet whose units have the prefix length `unit`, at least the subnet's own. Never granted is a unit that has
    /// any address of `excluded` or the gateway, and a single address that no host may have: IPv4's network and broadcast
    /// address (RFC 1122, section 3.2.1.3), IPv6's subnet-router anycast address (RFC 4291, section 2.6.1).
    pub fn new(name: &str, cidr: IpNet, gateway: Option<IpAddr>, excluded: &[IpNet], unit: u8) -> Self {
        let mut subnet = Self { name: name.into(), cidr, gateway, unit, closed: Vec::new() };
        let mut closed: Vec<(u32, u32)> = excluded
            .iter()
            .copied()
            .chain(gateway.map(IpNet::from))
            .filter_map(|net| subnet.span(net))
            .collect();
        if unit == cidr.max_prefix_len() && unit > cidr.prefix_len() {
            closed.push((0, 0));
            let is_broadcast = cidr.addr().is_ipv4() && cidr.prefix_len() < 31;
            closed.extend(is_broadcast.then(|| (subnet.units() - 1, subnet.units() - 1)));
        }
        closed.sort_unstable();
        for span in closed {
            match subnet.closed.last_mut() {
                Some(last) if span.0 <= last.1.saturating_add(1) => last.1 = last.1.max(span.1),
                _ => subnet.closed.push(span),
            }
        }
        subnet
    }

    /// The family of its addresses.
    pub fn family(&self) -> Family {
        Family::of(self.cidr.addr())
    }

    /// How many units it has, closed ones among them.
    pub fn units(&self) -> u32 {
        let bits = u32::from(self.unit.saturating_sub(self.cidr.prefix_len()));
        1u32.checked_shl(bits).map_or(LARGEST, |units| units.min(LARGEST))
    }

    /// How many of them can be granted.
    pub fn capacity(&self) -> u32 {
        self.units() - self.closed.iter().map(|(first, last)| last - first + 1).sum::<u32>()
    }

    /// The first unit from `index` on that may be granted.
    pub fn open_from(&self, index: u32) -> Option<u32> {
        let after = self.closed.partition_point(|(_, last)| *last < index);
        let index = match self.closed.get(after) {
            // What is closed is merged: the next index is open.
            Some((first, last)) if *first <= index => last.checked_add(1)?,
            _ => index,
        };
        (index < self.units()).then_some(index)
    }

    /// The unit's network; a single address has its full prefix length.
    pub fn net(&self, index: u32) -> Option<IpNet> {
        let offset = u128::from(index).checked_shl(u32::from(self.host_bits()))?;
        let address = match self.cidr.network() {
            IpAddr::V4(base) => {
                IpAddr::V4((u32::from(base).checked_add(u32::try_from(offset).ok()?)?).into())
            }
            IpAddr::V6(base) => IpAddr::V6(u128::from(base).checked_add(offset)?.into()),
        };
        IpNet::new(address, self.unit).ok().filter(|_| index < self.units())
    }

    /// The unit that `net` is; none where it is no unit of this subnet.
    pub fn index(&self, net: IpNet) -> Option<u32> {
        let is_unit =
            net.prefix_len() == self.unit && net.addr() == net.network() && self.cidr.contains(&net);
        self.offset(net.addr()).filter(|_| is_unit)
    }

    /// The units that have any address of `net`.
    fn span(&self, net: IpNet) -> Option<(u32, u32)> {
        if net.contains(&self.cidr) {
            return Some((0, self.units() - 1));
        }
        let first = self.cidr.contains(&net).then(|| self.offset(net.network())).flatten()?;
        let last = self.offset(net.broadcast()).unwrap_or_else(|| self.units() - 1);
        Some((first, last))
    }

    fn host_bits(&self) -> u8 {
        self.cidr.max_prefix_len() - self.unit
    }

    fn offset(&self, address: IpAddr) -> Option<u32> {
        let offset = match (address, self.cidr.network()) {
            (IpAddr::V4(address), IpAddr::V4(base)) => u32::from(address).checked_sub(base.into())?.into(),
            (IpAddr::V6(address), IpAddr::V6(base)) => u128::from(address).checked_sub(base.into())?,
            _ => return None,
        };
        let index = offset.checked_shr(u32::from(self.host_bits())).unwrap_or(0);
        u32::try_from(index).ok().filter(|index| *index < self.units())
    }
}

#[cfg(test)]
mod tests;
