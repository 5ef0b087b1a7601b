//! Several files as one: the union of the ranges, the OR of the switches.

use std::collections::HashSet;

use ipnet::IpNet;

use super::file::{File, Listed};
use crate::policy::{Policy, default_ranges};

/// Merges files, given in the order of their names. A range keeps the place of its first occurrence; the shortest
/// interval of full checks holds. Where no file lists ranges the default ones hold.
pub fn merge<'a>(files: impl IntoIterator<Item = &'a File>, all_reserved_ranges: bool) -> Policy {
    let mut policy = Policy { ranges: Vec::new(), ..Policy::defaults(false) };
    let mut seen = HashSet::<IpNet>::new();
    let mut is_listed = false;
    for file in files {
        if let Listed::Ranges(ranges) = &file.listed {
            is_listed = true;
            policy.ranges.extend(ranges.iter().filter(|range| seen.insert(**range)));
        }
        policy.masq_link_local |= file.masq_link_local;
        policy.masq_link_local_ipv6 |= file.masq_link_local_ipv6;
        let intervals = [policy.resync_interval, file.resync_interval];
        policy.resync_interval = intervals.into_iter().flatten().min();
    }
    if !is_listed {
        policy.ranges = default_ranges(all_reserved_ranges);
    }
    policy
}
