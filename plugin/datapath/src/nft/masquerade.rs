//! Masquerading: what a pod sends to anywhere but its own subnet leaves with the node's address.
//!
//! ```text
//! table inet podnet {                                     comment "podnet schema 1"
//!     map masq4 { type ipv4_addr : verdict                and masq6, for IPv6
//!         elements = { 10.244.1.5 comment "OWNER ALIAS" : jump masq-10.244.1.0-24 } }
//!     chain postrouting { type nat hook postrouting priority srcnat
//!         ip saddr vmap @masq4
//!         ip6 saddr vmap @masq6 }
//!     chain masq-10.244.1.0-24 {                          one a pod subnet
//!         ip daddr 10.244.1.0/24 return
//!         ip daddr 224.0.0.0/4 return                     multicast, ff00::/8 for IPv6
//!         masquerade fully-random } }
//! ```
//!
//! - A pod is one element an address. [`add`] looks whether the subnet's chain is there and adds the elements
//!   in one transaction. Only if something is missing (the first pod of the node or of a subnet, a deleted
//!   table) or in the way does it read what there is and make what is not, in one transaction with the
//!   elements that is refused if anything changed since the reading. So a subnet's chain comes with
//!   everything that it needs, and any number of processes may begin at once. It looks first because a
//!   transaction that fails costs a grace period of the kernel (about 15 ms) during which no other program
//!   can change its rules either.
//! - An address belongs to the pod that holds it in the allocator, so an element that is there already is
//!   what a lost DEL left: [`add`] replaces it. [`remove`] deletes only what carries its owner's id, so that
//!   a late DEL does not take the element of the pod that has the address now.
//! - The table and the chains of subnets stay when their pods are gone.
//!
//! **Layouts.** The table's comment names its layout. A version of podnet that adds maps, chains or rules
//! keeps the comment; one that gives a map or a chain another meaning gives it another name and the table
//! another comment. An older podnet then misses the old name, reads the comment before it sets up anything,
//! and refuses ([`NftError::Layout`]): to go back to it, drain the node and delete the table. This is the
//! first layout, so that there is none before it to carry over. The kernel keeps comments of tables since
//! 5.10.

mod missing;
mod reading;
mod ruleset;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;
use nix::errno::Errno;

pub use self::missing::Missing;
use self::ruleset::TABLE;
use super::{NftError, element::Element, transaction};
use crate::{
    Label, Owner,
    netlink::{NetlinkError, Request, Socket},
};

/// Masquerades what comes from `addresses`, which belong to `owner`; each is given with its pod subnet's
/// prefix length.
pub fn add(socket: &mut Socket, owner: &Owner, addresses: &[IpNet]) -> Result<(), NftError> {
    if addresses.is_empty() {
        return Ok(());
    }
    let additions = || elements(owner, addresses).map(|element| insert(&element)).collect::<Vec<_>>();
    if reading::has_chains(socket, subnets(addresses))? {
        match transaction::commit(socket, None, additions()) {
            Ok(()) => return Ok(()),
            Err(error) if is_worth_a_look(&error) => {}
            Err(error) => return Err(NftError::changing(error)),
        }
    }
    transaction::commit_what_is_read(socket, |socket| {
        let mut changes = set_up(socket, addresses)?;
        let stale = reading::elements(socket, addresses.iter().map(IpNet::addr))?;
        changes.extend(stale.iter().map(delete));
        changes.extend(additions());
        Ok(changes)
    })
    .map(drop)
}

/// Ends the masquerading of `owner`'s addresses; returns how many there were.
///
/// With `known` addresses only theirs are looked at, without, all. No element, no table and a kernel without
/// `nf_tables` are success.
pub fn remove(socket: &mut Socket, owner: &Owner, known: Option<&[IpAddr]>) -> Result<usize, NftError> {
    let removed = transaction::commit_what_is_read(socket, |socket| {
        let mut elements = match known {
            Some(addresses) => reading::elements(socket, addresses.iter().copied())?,
            None => reading::all_elements(socket)?,
        };
        elements.retain(|element| Label::parse(&element.comment).is_some_and(|label| label.id == owner.id()));
        Ok(elements.iter().map(delete).collect())
    });
    match removed {
        Err(NftError::Unsupported { .. }) => Ok(0),
        removed => removed,
    }
}

/// The masqueraded addresses and whose they are, as far as podnet put them there.
pub fn owners(socket: &mut Socket) -> Result<Vec<(IpAddr, Label)>, NftError> {
    let elements = match reading::all_elements(socket) {
        Err(NftError::Unsupported { .. }) => return Ok(Vec::new()),
        elements => elements?,
    };
    let owner = |element: Element| Some((element.address, Label::parse(&element.comment)?));
    Ok(elements.into_iter().filter_map(owner).collect())
}

/// What [`add`] with the same arguments made and is not there as it made it.
pub fn check(socket: &mut Socket, owner: &Owner, addresses: &[IpNet]) -> Result<Vec<Missing>, NftError> {
    if addresses.is_empty() {
        return Ok(Vec::new());
    }
    reading::refuse_other_layout(socket)?;
    let mut missing = Vec::new();
    for chain in ruleset::chains(subnets(addresses)) {
        if !reading::has_rules(socket, &chain)? {
            missing.push(Missing::Rules { chain: chain.name });
        }
    }
    for element in elements(owner, addresses) {
        match reading::elements(socket, [element.address])?.pop() {
            None => missing.push(Missing::Element { address: element.address }),
            Some(found) if found != element => missing.push(Missing::OtherElement {
                address: found.address,
                comment: found.comment,
                chain: found.chain,
            }),
            Some(_) => {}
        }
    }
    Ok(missing)
}

/// Brings about everything that the elements of `addresses` need, as far as it is not there.
fn set_up(socket: &mut Socket, addresses: &[IpNet]) -> Result<Vec<Request>, NftError> {
    reading::refuse_other_layout(socket)?;
    let mut changes = ruleset::table_and_maps();
    for chain in ruleset::chains(subnets(addresses)) {
        if !reading::has_rules(socket, &chain)? {
            changes.extend(chain.fill());
        }
    }
    Ok(changes)
}

/// Whether a refused addition may succeed once what is in the kernel is known: an address that is there
/// already, something that is not there, or no place in a map that is being resized.
fn is_worth_a_look(error: &NetlinkError) -> bool {
    matches!(error.errno(), Some(Errno::EEXIST | Errno::ENOENT | Errno::EBUSY))
}

/// The elements of `owner`'s addresses.
fn elements(owner: &Owner, addresses: &[IpNet]) -> impl Iterator<Item = Element> {
    addresses.iter().map(|address| Element {
        address: address.addr(),
        chain: ruleset::subnet_chain_name(*address),
        comment: owner.alias(),
    })
}

/// The subnets of the addresses, each once.
fn subnets(addresses: &[IpNet]) -> BTreeSet<IpNet> {
    addresses.iter().map(IpNet::trunc).collect()
}

fn insert(element: &Element) -> Request {
    TABLE.add(ruleset::map(element.address), element)
}

fn delete(element: &Element) -> Request {
    TABLE.delete(ruleset::map(element.address), element.address)
}
