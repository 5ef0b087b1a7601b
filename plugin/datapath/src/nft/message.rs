//! nfnetlink messages: a netlink header, `struct nfgenmsg`, attributes.
//!
//! Sources: Linux `include/uapi/linux/netfilter/{nfnetlink,nf_tables}.h`, `net/netfilter/nfnetlink.c`.

use std::borrow::Cow;

use super::attribute::Writer;
use crate::netlink::{Reply, Request};

/// `NFNL_SUBSYS_NFTABLES`.
const SUBSYSTEM: u16 = 10;
/// Bytes of `struct nfgenmsg`: family, version, and a resource number in network byte order.
const HEADER: usize = 4;

/// `AF_UNSPEC`: the family of a message that is about no table.
pub(super) const NO_FAMILY: u8 = 0;

/// What a message does; the values are those of `enum nf_tables_msg_types`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Operation {
    NewTable = 0,
    GetTable = 1,
    NewChain = 3,
    GetChain = 4,
    DeleteChain = 5,
    NewRule = 6,
    GetRule = 7,
    DeleteRule = 8,
    NewSet = 9,
    NewElement = 12,
    GetElement = 13,
    DeleteElement = 14,
    GetGeneration = 16,
}

/// A message about an object of a table of this family; `fill` writes its attributes. `what` begins every
/// error about it, `flags` are those of the netlink header.
pub(super) fn request(
    what: impl Into<Cow<'static, str>>,
    operation: Operation,
    flags: u16,
    family: u8,
    fill: impl FnOnce(&mut Writer),
) -> Request {
    Request::new(what, kind(operation), flags, body(family, 0, fill))
}

/// A message that asks for one object of a table.
pub(super) fn question(
    what: impl Into<Cow<'static, str>>,
    operation: Operation,
    family: u8,
    fill: impl FnOnce(&mut Writer),
) -> Request {
    Request::question(what, kind(operation), body(family, 0, fill))
}

/// The message before a transaction's changes. With a generation, the kernel refuses the transaction
/// (`ERESTART`) unless that is still the generation of the namespace's rules.
pub(super) fn begin(generation: Option<u32>) -> Request {
    const NFNL_MSG_BATCH_BEGIN: u16 = 16;
    const GENERATION: u16 = 1;
    let body = body(NO_FAMILY, SUBSYSTEM, |batch| {
        if let Some(generation) = generation {
            batch.number(GENERATION, generation);
        }
    });
    Request::new("nf_tables transaction", NFNL_MSG_BATCH_BEGIN, 0, body)
}

/// The message behind a transaction's changes.
pub(super) fn end() -> Request {
    const NFNL_MSG_BATCH_END: u16 = 17;
    Request::new("nf_tables transaction", NFNL_MSG_BATCH_END, 0, body(NO_FAMILY, SUBSYSTEM, |_| {}))
}

/// The attributes of an answer.
pub(super) fn attributes(reply: &Reply) -> &[u8] {
    reply.body.get(HEADER..).unwrap_or_default()
}

fn kind(operation: Operation) -> u16 {
    SUBSYSTEM << 8 | u16::from(operation as u8)
}

fn body(family: u8, resource: u16, fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
    const NFNETLINK_V0: u8 = 0;
    let [high, low] = resource.to_be_bytes();
    let mut writer = Writer::after(vec![family, NFNETLINK_V0, high, low]);
    fill(&mut writer);
    writer.into_bytes()
}
