//! Choosing the packets that a limit is about, by whom the pod exchanges them with.

use ipnet::IpNet;

use super::{
    class,
    filter::{self, Filter, Packets, Verdict},
};
use crate::{Peers, TokenBucket, netlink::Request};

/// Limits some of what leaves by a pod's host end, that is, of what the pod receives; `None` where it is all.
pub(crate) fn receive_some(
    link: &str,
    index: u32,
    bucket: TokenBucket,
    peers: &Peers,
) -> Option<Vec<Request>> {
    let by_default = match peers {
        Peers::All => return None,
        Peers::Only(_) => false,
        Peers::AllBut(_) => true,
    };
    let mut requests = Vec::from(class::shape(link, index, bucket, by_default));
    requests.extend(receiving(peers).iter().map(|filter| filter.add(link, index, class::ROOT)));
    Some(requests)
}

/// Sends what arrives at a pod's host end, that is, what the pod sends, out by the ifb with index `to`, as far as it is
/// limited.
pub(crate) fn send_by(link: &str, index: u32, to: u32, peers: &Peers) -> Vec<Request> {
    let filters = sending(to, peers);
    let added = filters.iter().map(|filter| filter.add(link, index, filter::ARRIVING));
    std::iter::once(filter::see_arriving(link, index)).chain(added).collect()
}

/// The filters of [`receive_some`].
pub(crate) fn receiving(peers: &Peers) -> Vec<Filter> {
    let (subnets, class) = match peers {
        Peers::All => return Vec::new(),
        Peers::Only(subnets) => (subnets, class::LIMITED),
        Peers::AllBut(subnets) => (subnets, class::DIRECT),
    };
    each(subnets, Packets::From, Verdict::Class(class)).collect()
}

/// The filters of [`send_by`].
pub(crate) fn sending(to: u32, peers: &Peers) -> Vec<Filter> {
    let all = Filter { packets: Packets::All, verdict: Verdict::Redirect(to) };
    match peers {
        Peers::All => vec![all],
        Peers::Only(subnets) => each(subnets, Packets::To, Verdict::Redirect(to)).collect(),
        Peers::AllBut(subnets) => each(subnets, Packets::To, Verdict::Pass).chain([all]).collect(),
    }
}

fn each(subnets: &[IpNet], packets: fn(IpNet) -> Packets, verdict: Verdict) -> impl Iterator<Item = Filter> {
    subnets.iter().map(move |subnet| Filter { packets: packets(subnet.trunc()), verdict })
}
