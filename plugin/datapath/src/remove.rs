//! Taking a pod's network off the node, by its owner alone.
//!
//! Both of the kernel's deletions end in an RCU grace period: `RTM_DELLINK` waits for it, an nftables
//! transaction waits when its socket is closed. So the transaction is committed first, the link deleted
//! next, and the socket closed last, when its period is over too. A pair and an ifb go in one deletion, as a group:
//! two take twice as long.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    net::IpAddr,
};

use nix::errno::Errno;

use crate::{
    Label, LinkName, LinkPrefix, Owner,
    netlink::{NetlinkError, Protocol, Socket},
    nft::{self, NftError},
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
/// `masqueraded` is what the attachment's record says of the pod's masqueraded addresses, `None` where there
/// is no record: then the elements are searched by their comments, which takes longer the more pods there are.
/// `has_ifb` says whether there may be an ifb. A link of the owner's name without any alias is one whose creator was killed; it is deleted only if there is a
/// record, since nothing else says whose it is. A link or element that says it is another's stays.
///
/// A failure of one part does not keep the other from being removed.
pub fn remove(
    owner: &Owner,
    prefix: LinkPrefix,
    masqueraded: Option<&[IpAddr]>,
    has_ifb: bool,
) -> Result<Removed, RemoveError> {
    let mut netfilter = None;
    let elements = if masqueraded.is_some_and(<[IpAddr]>::is_empty) {
        Ok(0)
    } else {
        remove_masquerade(owner, masqueraded, &mut netfilter)
    };
    let link = remove_links(owner, prefix, masqueraded.is_some(), has_ifb);
    drop(netfilter);
    Ok(Removed { elements: elements?, link: link? })
}

fn remove_masquerade(
    owner: &Owner,
    addresses: Option<&[IpAddr]>,
    socket: &mut Option<Socket>,
) -> Result<usize, RemoveError> {
    let socket = socket.insert(Socket::open(Protocol::Netfilter)?);
    Ok(nft::masquerade::remove(socket, owner, addresses)?)
}

/// Removes the host's end, and what is at its side, and returns the host's end's name.
fn remove_links(
    owner: &Owner,
    prefix: LinkPrefix,
    is_recorded: bool,
    has_ifb: bool,
) -> Result<Option<LinkName>, RemoveError> {
    let mut socket = Socket::open(Protocol::Route)?;
    let host_end = owned(&mut socket, owner, prefix, is_recorded)?;
    let ifb = if has_ifb { owned(&mut socket, owner, LinkPrefix::IFB, is_recorded)? } else { None };
    let removed = match (&host_end, &ifb) {
        (Some((_, host_end)), Some((_, ifb))) => delete_together(&mut socket, host_end, ifb)?,
        (Some((_, link)), None) | (None, Some((_, link))) => delete(&mut socket, link)?,
        (None, None) => false,
    };
    Ok(host_end.filter(|_| removed).map(|(name, _)| name))
}

/// The owner's link with this prefix.
fn owned(
    socket: &mut Socket,
    owner: &Owner,
    prefix: LinkPrefix,
    is_recorded: bool,
) -> Result<Option<(LinkName, Link)>, NetlinkError> {
    for name in owner.link_names(prefix) {
        if let Some(link) = link::by_name(socket, &name)?.filter(|link| is_owned(link, owner, is_recorded)) {
            return Ok(Some((name, link)));
        }
    }
    Ok(None)
}

fn is_owned(link: &Link, owner: &Owner, is_recorded: bool) -> bool {
    match link.alias.as_deref() {
        None | Some("") => is_recorded && (link.is_veth() || link.is_ifb()),
        Some(alias) => Label::parse(alias).is_some_and(|label| label.id == owner.id()),
    }
}

/// Deletes both in one grace period, by a group that they alone are in: its number is drawn now, and nobody else can
/// know it.
fn delete_together(socket: &mut Socket, host_end: &Link, ifb: &Link) -> Result<bool, NetlinkError> {
    let group = random_group();
    let requests = [
        change::join_group(&host_end.name, host_end.index, group),
        change::join_group(&ifb.name, ifb.index, group),
        change::delete_group(group),
    ];
    match socket.batch(&requests) {
        // The pod's namespace ended meanwhile, and the pair with it; the ifb may be gone or not.
        Err(error) if error.errno() == Some(Errno::ENODEV) => {
            let removed = delete(socket, host_end)?;
            delete(socket, ifb)?;
            Ok(removed)
        }
        deleted => deleted.map(|()| true),
    }
}

/// Deletes a link; says whether it was there.
fn delete(socket: &mut Socket, link: &Link) -> Result<bool, NetlinkError> {
    match socket.execute(&change::delete(&link.name, link.index)) {
        // The pod's namespace ended meanwhile, and the pair with it.
        Err(error) if error.errno() == Some(Errno::ENODEV) => Ok(false),
        deleted => deleted.map(|()| true),
    }
}

/// A number above all that people give; the standard library's hashers start from the kernel's random numbers.
fn random_group() -> u32 {
    let [_, _, _, _, number @ ..] = RandomState::new().build_hasher().finish().to_ne_bytes();
    u32::from_ne_bytes(number) | 1 << 31
}
