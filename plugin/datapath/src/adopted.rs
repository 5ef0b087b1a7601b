//! Pods that the reference plugins made: nothing of theirs says whose it is, but for rules.
//!
//! A pod's link is found as they find it, by its name in the pod's namespace, or by what they answered about the host's
//! end. A link that carries a label of podnet's is its owner's, and nobody else's to remove: a namespace's path may lead
//! to another pod by now.

use crate::{
    Label, LinkName, MacAddr, Netns, Owner, RemoveError,
    netlink::{Protocol, Socket},
    nft::{self, NftError, reference_masquerade},
    remove,
    rtnl::link::{self, Link},
};

/// The host's end as an earlier result has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnsweredLink {
    /// Its name.
    pub name: LinkName,
    /// Its Ethernet address.
    pub mac: MacAddr,
}

/// Removes the links and rules that the reference interface plugins made for the owner, and says whether there was a
/// link. What is missing is as good as removed.
///
/// # Arguments
/// `pod`: the pod's namespace and its link's name in there; `answered`: the host's end, for where the namespace is gone.
pub fn remove_adopted(
    owner: &Owner,
    pod: Option<(&Netns, &LinkName)>,
    answered: Option<&AnsweredLink>,
) -> Result<bool, RemoveError> {
    let rules = remove::reference_rules(owner);
    let link = remove_link(owner, pod, answered)?;
    rules?;
    Ok(link)
}

/// Removes the masquerading rules of the network in the reference plugins' table whose owners are not among `kept`.
pub fn collect_adopted(network: &str, kept: &[Owner]) -> Result<usize, NftError> {
    let Some(mut netfilter) = nft::open_if_any().map_err(NftError::reading)? else { return Ok(0) };
    reference_masquerade::collect(&mut netfilter, network, kept)
}

/// Whether the pod's namespace has a link of this name.
pub fn has_link(netns: &Netns, name: &LinkName) -> Result<bool, RemoveError> {
    Ok(link_in(netns, name)?.is_some())
}

fn remove_link(
    owner: &Owner,
    pod: Option<(&Netns, &LinkName)>,
    answered: Option<&AnsweredLink>,
) -> Result<bool, RemoveError> {
    let mut host = Socket::open(Protocol::Route)?;
    let found = match pod {
        Some((netns, name)) => host_end_of(&mut host, netns, name)?,
        None => None,
    };
    let found = match (found, answered) {
        (None, Some(answered)) => {
            link::by_name(&mut host, &answered.name)?.filter(|link| link.mac == Some(answered.mac))
        }
        (found, _) => found,
    };
    match found.filter(|link| link.is_veth() && is_free(link, owner)) {
        Some(link) => Ok(remove::delete(&mut host, &link)?),
        None => Ok(false),
    }
}

fn is_free(link: &Link, owner: &Owner) -> bool {
    let label = link.alias.as_deref().and_then(Label::parse);
    label.is_none_or(|label| label.id == owner.id())
}

/// The host's end of the pair whose pod's end has this name.
fn host_end_of(host: &mut Socket, netns: &Netns, name: &LinkName) -> Result<Option<Link>, RemoveError> {
    let Some((index, peer)) = link_in(netns, name)?.and_then(|pod| Some((pod.index, pod.peer?))) else {
        return Ok(None);
    };
    Ok(link::by_index(host, peer)?.filter(|link| link.peer == Some(index)))
}

fn link_in(netns: &Netns, name: &LinkName) -> Result<Option<Link>, RemoveError> {
    let mut socket = netns.run(|| Socket::open(Protocol::Route))??;
    Ok(link::by_name(&mut socket, name)?)
}
