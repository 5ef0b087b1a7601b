//! A range set: the pool one of a pod's addresses comes from.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::config_error::{ConfigError, Problem};
use crate::range::Range;

/// One or more ranges of one family that have no address in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeSet {
    ranges: Vec<Range>,
    /// Gateways of every range of the configuration, not only of this set: where two sets divide one network,
    /// one's gateway may lie in the other's range.
    gateways: Arc<[IpAddr]>,
}

impl RangeSet {
    /// Applies the rules between the ranges of one set. `member` is the path of the set in the configuration.
    fn new(ranges: Vec<Range>, gateways: Arc<[IpAddr]>, member: &str) -> Result<Self, ConfigError> {
        let fail = |problem| Err(ConfigError::new(member, problem));
        let Some(head) = ranges.first() else {
            return fail(Problem::EmptySet);
        };
        for (index, other) in ranges.iter().enumerate() {
            if head.first().is_ipv4() != other.first().is_ipv4() {
                return fail(Problem::MixedFamilies { first: head.subnet(), other: other.subnet() });
            }
            if let Some(first) = ranges.iter().take(index).find(|range| range.overlaps(other)) {
                return fail(Problem::RangesOverlap { first: first.to_string(), other: other.to_string() });
            }
        }
        Ok(Self { ranges, gateways })
    }

    /// Makes the sets of one configuration out of its ranges, each set with its member path, and applies the
    /// rules between the sets.
    pub(crate) fn all(sets: Vec<(String, Vec<Range>)>) -> Result<Vec<Self>, ConfigError> {
        let gateways: Arc<[IpAddr]> =
            sets.iter().flat_map(|(_, ranges)| ranges).map(Range::gateway).collect();
        let mut done: Vec<Self> = Vec::with_capacity(sets.len());
        for (member, ranges) in sets {
            let set = Self::new(ranges, Arc::clone(&gateways), &member)?;
            if let Some(first) = done.iter().find(|earlier| earlier.overlaps(&set)) {
                let problem = Problem::SetsOverlap { first: first.to_string(), other: set.to_string() };
                return Err(ConfigError::new(member, problem));
            }
            done.push(set);
        }
        Ok(done)
    }

    /// The ranges, in the order in which they are used.
    pub fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    /// How many addresses the set can hand out.
    pub fn size(&self) -> u128 {
        let of_range = |range: &Range| (range.bits().end() - range.bits().start()).saturating_add(1);
        let all = self.ranges.iter().map(of_range).fold(0, u128::saturating_add);
        let gateways: BTreeSet<_> =
            self.gateways.iter().filter(|gateway| self.range_of(**gateway).is_some()).collect();
        all - gateways.len() as u128
    }

    /// Whether the set hands out IPv4 addresses.
    pub fn is_ipv4(&self) -> bool {
        self.ranges.first().is_some_and(|range| range.first().is_ipv4())
    }

    /// The range that `address` lies in.
    pub fn range_of(&self, address: IpAddr) -> Option<&Range> {
        self.ranges.iter().find(|range| range.contains(address))
    }

    /// Whether `address` is a gateway of the configuration, and so no pod's.
    pub fn is_gateway(&self, address: IpAddr) -> bool {
        self.gateways.contains(&address)
    }

    /// Whether `address` may be a pod's.
    pub fn is_allocable(&self, address: IpAddr) -> bool {
        self.range_of(address).is_some() && !self.is_gateway(address)
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.ranges.iter().any(|range| other.ranges.iter().any(|theirs| range.overlaps(theirs)))
    }
}

impl fmt::Display for RangeSet {
    /// `first-last,first-last`, the reference plugin's way.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.ranges.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            range.fmt(f)?;
        }
        Ok(())
    }
}
