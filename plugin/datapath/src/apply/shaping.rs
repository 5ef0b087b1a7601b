//! The pod's limits.
//!
//! ```text
//!  pod ◀── veth… ◀─ tbf                       what the pod receives leaves by the host's end
//!  pod ──▶ veth… ─▶ redirect ─▶ ifb… ─ tbf ─▶ as if it had just arrived      what it sends arrives there
//! ```
//!
//! The kernel queues only what leaves, hence the ifb: a link out of which packets come back in. A token bucket at the
//! pod's own end would need none, but be the pod's to remove. Where only some peers are meant, filters choose
//! ([`selection`]).

use nix::errno::Errno;

use super::{
    ApplyError, Undo,
    pair::{Pair, refuse_if_attached},
};
use crate::{
    LinkName, LinkPrefix, PodNetwork, Shaping, TokenBucket,
    netlink::{Request, Socket},
    rtnl::{
        change,
        link::{self, Link},
        tc::{self, selection},
    },
    sysctl,
};

/// Limits what goes through the pair, whose MTU is given. The pod's end is down, so that nothing slips through.
pub(super) fn shape(
    host: &mut Socket,
    wanted: &PodNetwork,
    pair: &Pair,
    mtu: u32,
    undo: &mut Undo,
) -> Result<(), ApplyError> {
    let (name, index) = (pair.host_name.as_str(), pair.host_index);
    let mut requests = Vec::new();
    let Shaping { ingress, egress, peers } = &wanted.shaping;
    if let Some(bucket) = egress {
        let (ifb_name, ifb) = create_ifb(host, wanted, mtu, undo)?;
        requests.extend(finish_ifb(&ifb_name, ifb, wanted.owner.alias(), bucket.for_mtu(mtu)));
        requests.extend(selection::send_by(name, index, ifb, peers));
    }
    if let Some(bucket) = ingress.map(|bucket| bucket.for_mtu(mtu)) {
        requests.extend(
            selection::receive_some(name, index, bucket, peers)
                .unwrap_or_else(|| vec![tc::shape(name, index, bucket)]),
        );
    }
    if !requests.is_empty() {
        host.batch(&requests)?;
    }
    Ok(())
}

/// The discipline comes first: changing that of a link which is on, the kernel waits for packets on their way.
fn finish_ifb(name: &LinkName, index: u32, alias: String, bucket: TokenBucket) -> [Request; 3] {
    [
        tc::shape(name.as_str(), index, bucket),
        change::mark_ifb(name, index, alias, sysctl::has_ipv6()),
        change::switch_on(name, index),
    ]
}

fn create_ifb(
    host: &mut Socket,
    wanted: &PodNetwork,
    mtu: u32,
    undo: &mut Undo,
) -> Result<(LinkName, u32), ApplyError> {
    let names = wanted.owner.link_names(LinkPrefix::IFB);
    for name in &names {
        let echoed = match host.query(&change::create_ifb(name, wanted.owner.mac(), mtu)) {
            Ok(replies) => replies.iter().find_map(Link::parse),
            Err(error) if error.errno() == Some(Errno::EEXIST) => {
                let taken_by = link::by_name(host, name)?;
                taken_by.map_or(Ok(()), |link| refuse_if_attached(&wanted.owner, name, &link))?;
                continue;
            }
            Err(error) => {
                // A lost answer does not say whether the link was made.
                undo.link(&wanted.owner, name);
                return Err(error.into());
            }
        };
        undo.link(&wanted.owner, name);
        let ifb = match echoed {
            Some(ifb) => Some(ifb),
            None => link::by_name(host, name)?,
        };
        let ifb = ifb.ok_or_else(|| ApplyError::Vanished { name: name.clone() })?;
        return Ok((name.clone(), ifb.index));
    }
    Err(ApplyError::NamesTaken { names })
}
