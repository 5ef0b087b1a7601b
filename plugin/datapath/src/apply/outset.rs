//! What ADD finds out and opens before it knows the pod's addresses: an address daemon works meanwhile, on another
//! processor.

use super::{ApplyError, uplink};
use crate::{
    LinkName,
    netlink::{Protocol, Socket},
    nft::{Seen, see_chains_of_routed},
    rtnl::link::Link,
    sysctl::Visit,
};

/// What is known of a pod's network before its addresses are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known<'a> {
    /// Nothing that helps.
    Nothing,
    /// It is behind the node ([`HostEnd::Transparent`](crate::HostEnd::Transparent)), and this is the node's link to its
    /// network; `None`: the one that the default route leaves by.
    Behind(Option<&'a LinkName>),
}

/// Where [`apply_from`](super::apply_from) begins.
#[derive(Debug)]
pub struct Outset {
    pub(super) host: Socket,
    pub(super) visit: Visit,
    /// The node's links to its network, where they were looked for.
    pub(super) ways: Option<Vec<Link>>,
    /// The socket for the node's rules, and what was seen of them.
    pub(super) rules: Option<(Socket, Seen)>,
}

impl Outset {
    /// Opens what will be needed, and looks at what is known to matter.
    pub fn find(known: Known<'_>) -> Result<Self, ApplyError> {
        let host = Socket::open(Protocol::Route)?;
        let mut outset = Self { host, visit: Visit::default(), ways: None, rules: None };
        if let Known::Behind(uplink) = known {
            outset.ways = Some(uplink::look(&mut outset.host, uplink)?.into_iter().collect());
            outset.visit.prepare();
            let mut netfilter = Socket::open(Protocol::Netfilter)?;
            let seen = see_chains_of_routed(&mut netfilter);
            outset.rules = Some((netfilter, seen));
        }
        Ok(outset)
    }
}
