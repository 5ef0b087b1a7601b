//! Which addresses are on a link of the node, and over which: the longest prefix of its routes decides, as it does in the
//! kernel.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;
use podnet_datapath::TableRoute;

/// The routes of others, by destination.
pub(super) struct Reach<'a> {
    best: HashMap<IpNet, &'a TableRoute>,
    /// The prefix lengths that there are, of IPv4 and of IPv6.
    lengths: [BTreeSet<u8>; 2],
}

impl<'a> Reach<'a> {
    pub(super) fn new(routes: impl Iterator<Item = &'a TableRoute>) -> Self {
        let mut reach = Self { best: HashMap::new(), lengths: Default::default() };
        for route in routes {
            let best = reach.best.entry(route.dst).or_insert(route);
            if route.priority < best.priority {
                *best = route;
            }
            let [v4, v6] = &mut reach.lengths;
            let lengths = if route.dst.addr().is_ipv4() { v4 } else { v6 };
            lengths.insert(route.dst.prefix_len());
        }
        reach
    }

    /// The route to exactly this destination.
    pub(super) fn to(&self, dst: IpNet) -> Option<&'a TableRoute> {
        self.best.get(&dst).copied()
    }

    /// The index of the link that an address is on; `None` where it is behind a next hop, or nowhere.
    pub(super) fn link_of(&self, address: IpAddr) -> Option<u32> {
        let [v4, v6] = &self.lengths;
        let lengths = if address.is_ipv4() { v4 } else { v6 };
        let mut prefixes = lengths.iter().rev().filter_map(|length| IpNet::new(address, *length).ok());
        let route = prefixes.find_map(|prefix| self.best.get(&prefix.trunc()))?;
        route.via.is_none().then_some(route.link)
    }
}
