//! Taking a pod's network off the node, by its owner alone.
//!
//! Both of the kernel's deletions end in an RCU grace period: `RTM_DELLINK` waits for it, an nftables
//! transaction waits when its socket is closed. So the transaction is committed first, the link deleted
//! next, and the socket closed last, when its period is over too.

use std::thread;

use nix::errno::Errno;

use crate::{
    Label, LinkName, LinkPrefix, Owner, conntrack,
    netlink::{NetlinkError, Protocol, Socket},
    nft::{self, NftError, NodePort, PodRules},
    rtnl::{
        change,
        link::{self, Link},
    },
};

/// Why something of a pod's network may be left.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// The link could not be found out about or deleted.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// The nftables elements could not be removed.
    #[error(transparent)]
    Nft(#[from] NftError),
}

/// What [`remove`] found and removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Removed {
    /// The host's end.
    pub link: Option<LinkName>,
    /// How many nftables elements.
    pub elements: usize,
}

/// Removes whatever the owner has on the node. What is missing is as good as removed.
///
/// `known` is what the attachment's record says of the pod's rules, `None` where there is no record: then they are
/// searched by their comments, which takes longer the more pods there are. A link or element that does not say it
/// is the owner's stays.
///
/// A failure of one part does not keep the other from being removed.
pub fn remove(owner: &Owner, prefix: LinkPrefix, known: Option<&PodRules>) -> Result<Removed, RemoveError> {
    let mut netfilter = None;
    let rules = if known.is_some_and(PodRules::is_empty) {
        Ok(nft::Removed::default())
    } else {
        remove_rules(owner, known, &mut netfilter)
    };
    let udp_ports = rules.as_ref().map(|rules| &*rules.udp_ports).unwrap_or_default();
    let remove_link = || remove_link(owner, prefix);
    let link = if udp_ports.is_empty() { remove_link() } else { while_forgetting(udp_ports, remove_link) };
    drop(netfilter);
    Ok(Removed { elements: rules?.elements, link: link? })
}

/// Both take about as long.
fn while_forgetting<T>(udp_ports: &[NodePort], work: impl FnOnce() -> T) -> T {
    let forget = || conntrack::forget(udp_ports);
    thread::scope(|scope| {
        if thread::Builder::new().spawn_scoped(scope, forget).is_err() {
            forget();
        }
        work()
    })
}

fn remove_rules(
    owner: &Owner,
    known: Option<&PodRules>,
    socket: &mut Option<Socket>,
) -> Result<nft::Removed, RemoveError> {
    let socket = socket.insert(Socket::open(Protocol::Netfilter)?);
    Ok(nft::remove(socket, owner.id(), known)?)
}

fn remove_link(owner: &Owner, prefix: LinkPrefix) -> Result<Option<LinkName>, NetlinkError> {
    let mut socket = Socket::open(Protocol::Route)?;
    for name in owner.link_names(prefix) {
        if link(&mut socket, owner, &name)? {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Deletes the link of this name if it is the owner's, and says whether it did.
pub(crate) fn link(socket: &mut Socket, owner: &Owner, name: &LinkName) -> Result<bool, NetlinkError> {
    let Some(link) = link::by_name(socket, name)?.filter(|link| is_owned(link, owner)) else {
        return Ok(false);
    };
    match socket.execute(&change::delete(name.as_str(), link.index)) {
        // The pod's namespace ended meanwhile, and the pair with it.
        Err(error) if error.errno() == Some(Errno::ENODEV) => Ok(false),
        deleted => deleted.map(|()| true),
    }
}

/// A link without alias is one whose maker was killed before the second message; its address tells whose it is.
fn is_owned(link: &Link, owner: &Owner) -> bool {
    match link.alias.as_deref() {
        None | Some("") => link.is_veth() && link.mac == Some(owner.mac()),
        Some(alias) => Label::parse(alias).is_some_and(|label| label.id == owner.id()),
    }
}
