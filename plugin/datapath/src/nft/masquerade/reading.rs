//! What of the rules is in the kernel.

use std::net::IpAddr;

use ipnet::IpNet;
use nix::errno::Errno;

use super::ruleset::{self, Chain, MAPS, SCHEMA, TABLE};
use crate::{
    netlink::{Reply, Request, Socket},
    nft::{NftError, element::Element, message, table},
};

/// Whether the chains of all these subnets are there.
pub(super) fn has_chains(
    socket: &mut Socket,
    subnets: impl IntoIterator<Item = IpNet>,
) -> Result<bool, NftError> {
    let subnets = subnets.into_iter();
    let requests: Vec<_> =
        subnets.map(|subnet| TABLE.get_chain(&ruleset::subnet_chain_name(subnet))).collect();
    match socket.batch(&requests) {
        Ok(()) => Ok(true),
        Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(false),
        Err(error) => Err(NftError::reading(error)),
    }
}

/// The elements for those of the addresses that have one.
pub(super) fn elements(
    socket: &mut Socket,
    addresses: impl IntoIterator<Item = IpAddr>,
) -> Result<Vec<Element>, NftError> {
    let requests = addresses.into_iter().map(|address| TABLE.element(ruleset::map(address), address));
    elements_in_answers(socket, requests)
}

/// All elements.
pub(super) fn all_elements(socket: &mut Socket) -> Result<Vec<Element>, NftError> {
    elements_in_answers(socket, MAPS.into_iter().map(|map| TABLE.all_elements(map)))
}

/// Whether the chain has its rules, in their order, and no other. A rule is known by its comment, which `nft`
/// does not keep when it replaces a rule.
pub(super) fn has_rules(socket: &mut Socket, chain: &Chain) -> Result<bool, NftError> {
    let found = read(socket, &TABLE.rules(&chain.name))?;
    let wanted = chain.rules.iter().map(|rule| Some(rule.comment));
    Ok(found.iter().map(table::rule_comment).eq(wanted))
}

/// Fails if the table is there and is not of this program's layout.
pub(super) fn refuse_other_layout(socket: &mut Socket) -> Result<(), NftError> {
    let found = read(socket, &TABLE.get())?;
    match found.first().map(table::table_comment) {
        None | Some(Some(SCHEMA)) => Ok(()),
        Some(comment) => Err(NftError::Layout {
            table: TABLE.name,
            found: comment.unwrap_or_default().to_owned(),
            wanted: SCHEMA,
        }),
    }
}

fn elements_in_answers(
    socket: &mut Socket,
    requests: impl Iterator<Item = Request>,
) -> Result<Vec<Element>, NftError> {
    let mut elements = Vec::new();
    for request in requests {
        let replies = read(socket, &request)?;
        elements.extend(replies.iter().map(message::attributes).flat_map(Element::read_all));
    }
    Ok(elements)
}

/// The objects in the answer; none if the object that was asked for, or what it would be in, is not there.
fn read(socket: &mut Socket, request: &Request) -> Result<Vec<Reply>, NftError> {
    match socket.query(request) {
        Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(Vec::new()),
        answer => answer.map_err(NftError::reading),
    }
}
