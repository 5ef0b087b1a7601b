//! Taking a pod's network off the node, by its owner alone.
//!
//! Both of the kernel's deletions end in an RCU grace period: `RTM_DELLINK` waits for it, an nftables
//! transaction waits when its socket is closed. So the transaction is committed first, the link deleted
//! next, and the socket closed last, when its period is over too. A pair and an ifb go in one deletion, as a
//! group of links: two take twice as long.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    thread,
};

use nix::errno::Errno;

use crate::{
    Label, LinkName, LinkPrefix, NetnsError, Owner, conntrack,
    netlink::{NetlinkError, Protocol, Socket},
    nft::{self, NftError, NodePort, PodRules, reference_masquerade, sender_check},
    rtnl::{
        change,
        link::{self, Link},
        neighbour::{self, Neighbour},
    },
};

/// Why something of a pod's network may be left.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// The link could not be found out about or deleted.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// The nftables elements or rules could not be removed.
    #[error(transparent)]
    Nft(#[from] NftError),
    /// The pod's namespace could not be entered.
    #[error(transparent)]
    Netns(#[from] NetnsError),
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
/// searched by their comments, which takes longer the more pods there are. Without `has_ifb` no ifb is looked for.
/// A link or element that does not say it is the owner's stays.
///
/// A failure of one part does not keep the other from being removed.
pub fn remove(owner: &Owner, known: Option<&PodRules>, has_ifb: bool) -> Result<Removed, RemoveError> {
    let mut netfilter = None;
    let rules = if known.is_some_and(PodRules::is_empty) {
        Ok(nft::Removed::default())
    } else {
        remove_rules(owner, known, &mut netfilter)
    };
    let udp_ports = rules.as_ref().map(|rules| &*rules.udp_ports).unwrap_or_default();
    let remove_links = || remove_links(owner, has_ifb);
    let link = if udp_ports.is_empty() { remove_links() } else { while_forgetting(udp_ports, remove_links) };
    drop(netfilter);
    Ok(Removed { elements: rules?.elements, link: link? })
}

/// Forgets where the owner's pod is on the bridge that leads to the node's network.
fn forget_neighbours(
    owner: &Owner,
    known: Option<&PodRules>,
    netfilter: &mut Socket,
) -> Result<(), RemoveError> {
    let stations = nft::stations(netfilter, owner.id(), known)?;
    if stations.is_empty() {
        return Ok(());
    }
    let mut host = Socket::open(Protocol::Route)?;
    for Neighbour { link, address, mac, is_permanent } in neighbour::list(&mut host)? {
        if is_permanent && mac.is_some_and(|mac| stations.contains(&(address, mac))) {
            match host.execute(&neighbour::forget(link, address)) {
                Err(error) if error.errno() == Some(Errno::ENOENT) => {}
                forgotten => forgotten?,
            }
        }
    }
    Ok(())
}

/// Removes the owner's rules from the reference plugins' tables.
pub(crate) fn reference_rules(owner: &Owner) -> Result<(), RemoveError> {
    let Some(mut netfilter) = nft::open_if_any()? else { return Ok(()) };
    reference_masquerade::remove(&mut netfilter, owner)?;
    Ok(sender_check::remove(&mut netfilter, owner)?)
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
    let Some(opened) = nft::open_if_any()? else { return Ok(nft::Removed::default()) };
    let socket = socket.insert(opened);
    // Before the rules, which alone tell where they are.
    let forgotten = forget_neighbours(owner, known, socket);
    match forgotten.and_then(|()| Ok(nft::remove(socket, owner.id(), known)?)) {
        // A kernel without nftables has no rules to remove.
        Err(RemoveError::Nft(NftError::Unsupported { .. })) => Ok(nft::Removed::default()),
        removed => removed,
    }
}

/// Removes the host's end and the ifb, where there is one, and returns the host's end's name.
fn remove_links(owner: &Owner, has_ifb: bool) -> Result<Option<LinkName>, NetlinkError> {
    let mut socket = Socket::open(Protocol::Route)?;
    let host_end = owned(&mut socket, owner, &LinkPrefix::HOST_ENDS)?;
    let ifb = if has_ifb { owned(&mut socket, owner, &[LinkPrefix::IFB])? } else { None };
    let is_removed = match (&host_end, &ifb) {
        (Some((_, host_end)), Some((_, ifb))) => delete_together(&mut socket, host_end, ifb)?,
        (Some((_, link)), None) | (None, Some((_, link))) => delete(&mut socket, link)?,
        (None, None) => false,
    };
    Ok(host_end.filter(|_| is_removed).map(|(name, _)| name))
}

/// The owner's link with one of these prefixes.
fn owned(
    socket: &mut Socket,
    owner: &Owner,
    prefixes: &[LinkPrefix],
) -> Result<Option<(LinkName, Link)>, NetlinkError> {
    for name in prefixes.iter().flat_map(|prefix| owner.link_names(*prefix)) {
        if let Some(link) = link::by_name(socket, &name)?.filter(|link| is_owned(link, owner)) {
            return Ok(Some((name, link)));
        }
    }
    Ok(None)
}

/// Deletes the link of this name if it is the owner's, and says whether it did.
pub(crate) fn link(socket: &mut Socket, owner: &Owner, name: &LinkName) -> Result<bool, NetlinkError> {
    match link::by_name(socket, name)?.filter(|link| is_owned(link, owner)) {
        Some(link) => delete(socket, &link),
        None => Ok(false),
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
            let is_removed = delete(socket, host_end)?;
            delete(socket, ifb)?;
            Ok(is_removed)
        }
        deleted => deleted.map(|()| true),
    }
}

/// Deletes a link; says whether it was there.
pub(crate) fn delete(socket: &mut Socket, link: &Link) -> Result<bool, NetlinkError> {
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

/// A link without alias is one whose maker was killed before the second message; its address tells whose it is.
fn is_owned(link: &Link, owner: &Owner) -> bool {
    match link.alias.as_deref() {
        None | Some("") => (link.is_veth() || link.is_ifb()) && link.mac == Some(owner.mac()),
        Some(alias) => Label::parse(alias).is_some_and(|label| label.id == owner.id()),
    }
}
