//! A range: the part of one network from which pods get their addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use ipnet::IpNet;

use crate::config_error::{ConfigError, Problem};

/// Addresses `first..=last` of `subnet`, whose pods use `gateway`.
///
/// Neither the network's own address nor IPv4's broadcast address lies between first and last, even where the
/// configuration names them: a pod could not use them. IPv6 has no broadcast, its last address counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    subnet: IpNet,
    first: IpAddr,
    last: IpAddr,
    gateway: IpAddr,
}

/// What a configuration says about a range, each member already parsed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) subnet: IpNet,
    pub(crate) start: Option<IpAddr>,
    pub(crate) end: Option<IpAddr>,
    pub(crate) gateway: Option<IpAddr>,
}

impl Range {
    /// Fills in the defaults (gateway and start: the first host; end: the last) and applies every rule that
    /// concerns one range alone. `member` is the path of the object the bounds come from.
    pub(crate) fn new(bounds: Bounds, member: &str) -> Result<Self, ConfigError> {
        let Bounds { subnet, start, end, gateway } = bounds;
        let fail = |name: &str, problem| Err(ConfigError::new(format!("{member}.{name}"), problem));
        if subnet.prefix_len() + 2 > subnet.max_prefix_len() {
            return fail("subnet", Problem::TooSmall { subnet });
        }
        if subnet.addr() != subnet.network() {
            return fail("subnet", Problem::HostBits { subnet });
        }
        let (first_host, last_host) = hosts(subnet);
        let start = start.unwrap_or(first_host);
        if !subnet.contains(&start) {
            return fail("rangeStart", Problem::StartOutside { address: start, subnet });
        }
        let end = end.unwrap_or(last_host);
        if !subnet.contains(&end) {
            return fail("rangeEnd", Problem::EndOutside { address: end, subnet });
        }
        let gateway = gateway.unwrap_or(first_host);
        if !subnet.contains(&gateway) {
            return fail("gateway", Problem::GatewayOutside { address: gateway, subnet });
        }
        let (first, last) = (start.max(first_host), end.min(last_host));
        if first > last {
            return fail("rangeStart", Problem::NothingBetween { start, end });
        }
        Ok(Self { subnet, first, last, gateway })
    }

    /// The network.
    pub fn subnet(&self) -> IpNet {
        self.subnet
    }

    /// First address that may be handed out.
    pub fn first(&self) -> IpAddr {
        self.first
    }

    /// Last address that may be handed out.
    pub fn last(&self) -> IpAddr {
        self.last
    }

    /// The pods' gateway; never handed out.
    pub fn gateway(&self) -> IpAddr {
        self.gateway
    }

    /// Whether `address` lies between first and last; the gateway may, although it is never handed out.
    pub fn contains(&self, address: IpAddr) -> bool {
        (self.first..=self.last).contains(&address)
    }

    /// An address of the range with the prefix length of the network.
    pub(crate) fn host(&self, address: IpAddr) -> IpNet {
        IpNet::new(address, self.subnet.prefix_len()).unwrap_or_else(|_other_family| IpNet::from(address))
    }

    /// Whether the two have an address in common; two parts of one network need not.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// First and last as numbers, for [`Range::address`].
    pub(crate) fn bits(&self) -> RangeInclusive<u128> {
        bits(self.first)..=bits(self.last)
    }

    /// The address of this range's family that has the number `bits`, which lies in [`Range::bits`].
    pub(crate) fn address(&self, bits: u128) -> IpAddr {
        match self.first {
            IpAddr::V4(first) => IpAddr::V4(u32::try_from(bits).map_or(first, Ipv4Addr::from_bits)),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(bits)),
        }
    }
}

impl fmt::Display for Range {
    /// `first-last`, the reference plugin's way.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// An address as a number, for arithmetic within its family.
pub(crate) fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// First and last host of a network of at least four addresses, so that neither step leaves it.
fn hosts(subnet: IpNet) -> (IpAddr, IpAddr) {
    match subnet {
        IpNet::V4(net) => (
            Ipv4Addr::from_bits(net.network().to_bits() | 1).into(),
            Ipv4Addr::from_bits(net.broadcast().to_bits() & !1).into(),
        ),
        IpNet::V6(net) => (Ipv6Addr::from_bits(net.network().to_bits() | 1).into(), net.broadcast().into()),
    }
}
