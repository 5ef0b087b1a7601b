//! What of the rules is in the kernel.

use std::collections::HashSet;

use nix::errno::Errno;

use super::{
    NftError,
    element::Element,
    layout::{Chain, SCHEMA, TABLE},
    message,
    table::{self, Map, Table},
};
use crate::netlink::{Reply, Request, Socket};

// Families of tables, of `linux/netfilter.h`.
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;

/// Up to so many elements are asked for one by one; for more it is quicker to list the map.
const FEW: usize = 16;

/// Chains that were seen to be there.
#[derive(Debug, Default)]
pub(crate) struct Seen(Vec<(Table, String)>);

impl Seen {
    /// Looks for some of podnet's own table; what cannot be found out is not seen.
    pub(super) fn among(socket: &mut Socket, names: &[&str]) -> Self {
        let requests: Vec<_> = names.iter().map(|name| TABLE.get_chain(name)).collect();
        let Ok(refusals) = socket.try_each(&requests) else { return Self::default() };
        let seen = names.iter().zip(refusals).filter(|(_, refusal)| refusal.is_none());
        Self(seen.map(|(name, _)| (TABLE, (*name).to_owned())).collect())
    }

    /// Whether this one was.
    pub(super) fn has(&self, chain: &(Table, String)) -> bool {
        self.0.contains(chain)
    }
}

/// Whether all these chains are there.
pub(super) fn has_chains(
    socket: &mut Socket,
    chains: impl IntoIterator<Item = (Table, String)>,
) -> Result<bool, NftError> {
    let requests: Vec<_> = chains.into_iter().map(|(table, name)| table.get_chain(&name)).collect();
    if requests.is_empty() {
        return Ok(true);
    }
    match socket.batch(&requests) {
        Ok(()) => Ok(true),
        Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(false),
        Err(error) => Err(NftError::reading(error)),
    }
}

/// Whether another program's table of IPv4 (`ipv4`) or IPv6 is there and has this chain. False also where the kernel has no
/// nftables at all.
pub fn has_foreign_chain(ipv4: bool, table: &'static str, chain: &str) -> Result<bool, NftError> {
    let read = |source| NftError::reading(source);
    let table = Table { family: if ipv4 { NFPROTO_IPV4 } else { NFPROTO_IPV6 }, name: table };
    let Some(mut socket) = super::open_if_any().map_err(read)? else { return Ok(false) };
    match socket.query(&table.get_chain(chain)) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.errno(), Some(Errno::ENOENT | Errno::EINVAL | Errno::EOPNOTSUPP)) => {
            Ok(false)
        }
        Err(error) => Err(read(error)),
    }
}

/// The elements of those of the keys that have one.
pub(super) fn elements(socket: &mut Socket, map: Map, keys: &[&[u8]]) -> Result<Vec<Element>, NftError> {
    if keys.len() > FEW {
        let mut elements = all_elements(socket, map)?;
        let keys: HashSet<&[u8]> = keys.iter().copied().collect();
        elements.retain(|element| keys.contains(&*element.key));
        return Ok(elements);
    }
    let mut elements = Vec::new();
    for key in keys {
        elements.extend(elements_in_answer(socket, &map.table.element(map, key))?);
    }
    Ok(elements)
}

/// All elements of a map.
pub(super) fn all_elements(socket: &mut Socket, map: Map) -> Result<Vec<Element>, NftError> {
    elements_in_answer(socket, &map.table.all_elements(map))
}

/// Whether the chain has its rules, in their order, and no other. A rule is known by its comment, which `nft`
/// does not keep when it replaces a rule.
pub(super) fn has_rules(socket: &mut Socket, chain: &Chain) -> Result<bool, NftError> {
    let found = read(socket, &chain.table.rules(&chain.name))?;
    let wanted = chain.rules.iter().map(|rule| Some(&*rule.comment));
    Ok(found.iter().map(table::rule_comment).eq(wanted))
}

/// Fails if the table is there and is not of this program's layout.
pub(super) fn refuse_other_layout(socket: &mut Socket, table: Table) -> Result<(), NftError> {
    let found = read(socket, &table.get())?;
    match found.first().map(table::table_comment) {
        None | Some(Some(SCHEMA)) => Ok(()),
        Some(comment) => Err(NftError::Layout {
            table: table.to_string(),
            found: comment.unwrap_or_default().to_owned(),
            wanted: SCHEMA,
        }),
    }
}

fn elements_in_answer(socket: &mut Socket, request: &Request) -> Result<Vec<Element>, NftError> {
    let replies = read(socket, request)?;
    Ok(replies.iter().map(message::attributes).flat_map(Element::read_all).collect())
}

/// The objects in the answer; none if the object that was asked for, or what it would be in, is not there.
pub(super) fn read(socket: &mut Socket, request: &Request) -> Result<Vec<Reply>, NftError> {
    match socket.query(request) {
        Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(Vec::new()),
        answer => answer.map_err(NftError::reading),
    }
}
