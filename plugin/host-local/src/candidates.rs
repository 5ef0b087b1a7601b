//! The allocator: in which order the addresses of a set are tried, and when to stop trying one by one.
//!
//! Round robin, as the reference plugin: from the address after the one reserved last, through the ranges of
//! the set in their order, back to the start, ending with the last reserved address itself. An address just
//! released is so the last to be given again, which spares a new pod the connections meant for an old one.
//!
//! The order is a chain of intervals, cut once; it ends whatever the cursor says, and nothing counts the
//! addresses of an IPv6 range.

use std::collections::HashSet;
use std::net::IpAddr;

use crate::range::{Range, bits};
use crate::range_set::RangeSet;

/// How many taken addresses in a row are worth trying before all that is taken is listed: trying costs a
/// microsecond, listing twenty thousand names some milliseconds.
const TRIES: usize = 32;

/// An address that may be handed out, and the range it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate<'a> {
    pub(crate) address: IpAddr,
    pub(crate) range: &'a Range,
}

impl RangeSet {
    /// Every address of the set that a pod may have, each once, beginning after `last_reserved`; from the
    /// start where that is none or lies in no range.
    pub(crate) fn candidates(&self, last_reserved: Option<IpAddr>) -> impl Iterator<Item = Candidate<'_>> {
        let ranges = self.ranges();
        let cursor = last_reserved.and_then(|last| {
            let at = ranges.iter().position(|range| range.contains(last))?;
            Some((at, bits(last)))
        });
        let begin = cursor.map_or(0, |(at, _)| at);
        let rotated = ranges.iter().cycle().skip(begin).take(ranges.len());
        let intervals = rotated.enumerate().map(move |(turn, range)| match cursor {
            // The cursor itself is skipped, not stepped over: it may be the last number there is.
            Some((_, last)) if turn == 0 => (range, last..=*range.bits().end(), 1),
            _ => (range, range.bits(), 0),
        });
        let tail = cursor
            .and_then(|(at, last)| ranges.get(at).map(|range| (range, *range.bits().start()..=last, 0)));
        intervals
            .chain(tail)
            .flat_map(|(range, interval, skipped)| {
                interval.skip(skipped).map(|bits| Candidate { address: range.address(bits), range })
            })
            .filter(|candidate| !self.is_gateway(candidate.address))
    }

    /// The first candidate that `take` takes. `list` is asked, at most once, for the addresses known to be
    /// taken when trying one by one has failed for a while.
    pub(crate) fn first_free<E>(
        &self,
        last_reserved: Option<IpAddr>,
        mut take: impl FnMut(IpAddr) -> Result<bool, E>,
        list: impl FnOnce() -> Result<HashSet<IpAddr>, E>,
    ) -> Result<Option<Candidate<'_>>, E> {
        let mut candidates = self.candidates(last_reserved);
        for candidate in candidates.by_ref().take(TRIES) {
            if take(candidate.address)? {
                return Ok(Some(candidate));
            }
        }
        let Some(next) = candidates.next() else {
            return Ok(None);
        };
        let taken = list()?;
        for candidate in std::iter::once(next).chain(candidates) {
            if !taken.contains(&candidate.address) && take(candidate.address)? {
                return Ok(Some(candidate));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
