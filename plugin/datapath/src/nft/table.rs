//! The messages about one table and what is in it.
//!
//! `ensure…` leaves an object of that name as it is, so that set-up can be repeated. Rules have no name: the
//! kernel appends one each time it is asked to, so that a chain is emptied before it is filled.
//!
//! Source: Linux `include/uapi/linux/netfilter/nf_tables.h`; attributes are in the order in which `nft` sends
//! them.

use std::{borrow::Cow, fmt};

use netlink_packet_core::{NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL};

use super::{
    attribute::{Writer, find},
    comment,
    element::{self, Element},
    expression::Expressions,
    key::{self, Part},
    message::{self, Operation},
};
use crate::netlink::{Reply, Request};

/// `NFPROTO_INET`: the family of tables whose chains see IPv4 and IPv6.
pub(super) const INET: u8 = 1;
/// `NFPROTO_BRIDGE`: of those whose chains see Ethernet frames.
pub(super) const BRIDGE: u8 = 7;

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Table {
    /// The protocol family, as netfilter numbers it.
    pub(super) family: u8,
    /// The name, one among the tables of the family.
    pub(super) name: &'static str,
}

/// Where a base chain sees packets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hook {
    /// The kind of chain, for example `nat`.
    pub(super) kind: &'static str,
    /// The place in the packet's way (`enum nf_inet_hooks`).
    pub(super) number: u32,
    /// The order among the chains of the hook; smaller is earlier.
    pub(super) priority: i32,
}

/// What the elements of a map have beside their keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Values {
    /// Nothing: what `nft` calls a set.
    Nothing,
    /// Verdicts. With each element that jumps the kernel goes through all elements of all maps of verdicts of the table
    /// (`nft_table_validate`): where all would jump to one chain, a set and a rule do, whatever there is.
    Verdicts,
    /// These fields.
    Fields(&'static [Part]),
}

/// A map: what its keys and its values are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Map {
    /// Where it is.
    pub(super) table: Table,
    /// The name, one in its table.
    pub(super) name: &'static str,
    /// The fields of a key.
    pub(super) key: &'static [Part],
    /// What they lead to.
    pub(super) values: Values,
}

/// A rule: what it does, and the comment by which people and programs know it.
#[derive(Debug)]
pub(super) struct Rule {
    /// The comment; in chains of podnet's, one in its chain. Empty: none.
    pub(super) comment: Cow<'static, str>,
    /// What the rule does.
    pub(super) expressions: Expressions,
}

impl Hook {
    fn write(self, chain: &mut Writer) {
        const HOOK: u16 = 4;
        const POLICY: u16 = 5;
        const TYPE: u16 = 7;
        const HOOK_NUMBER: u16 = 1;
        const HOOK_PRIORITY: u16 = 2;
        const NF_ACCEPT: u32 = 1;
        chain.text(TYPE, self.kind);
        chain.number(POLICY, NF_ACCEPT);
        chain.nested(HOOK, |place| {
            place.number(HOOK_NUMBER, self.number);
            place.number(HOOK_PRIORITY, self.priority.cast_unsigned());
        });
    }
}

impl fmt::Display for Table {
    /// As `nft` names it: `inet podnet`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = if self.family == BRIDGE { "bridge" } else { "inet" };
        write!(f, "{family} {}", self.name)
    }
}

impl fmt::Display for Map {
    /// As `nft` names it within the table: `set guarded`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.values == Values::Nothing { "set" } else { "map" };
        write!(f, "{kind} {}", self.name)
    }
}

impl Table {
    /// Makes the table, with this comment unless it is empty. The comment of a table that is there already stays as it is.
    pub(super) fn ensure(self, comment: &str) -> Request {
        const FLAGS: u16 = 2;
        let what = format!("add table {}", self.name);
        self.request(what, Operation::NewTable, NLM_F_ACK | NLM_F_CREATE, |table| {
            table.number(FLAGS, 0);
            write_comment(table, TABLE_USERDATA, comment);
        })
    }

    /// Asks for the table.
    pub(super) fn get(self) -> Request {
        let what = format!("get table {}", self.name);
        self.request(what, Operation::GetTable, NLM_F_ACK, |_| {})
    }

    /// Makes a chain: one that the kernel calls for every packet at the hook and whose end accepts the
    /// packet, or, without a hook, one that other chains jump to.
    pub(super) fn ensure_chain(self, name: &str, hook: Option<Hook>) -> Request {
        let what = format!("add chain {name}");
        self.request(what, Operation::NewChain, NLM_F_ACK | NLM_F_CREATE, |chain| {
            chain.text(CHAIN_NAME, name);
            if let Some(hook) = hook {
                hook.write(chain);
            }
        })
    }

    /// Deletes a chain and the rules in it; `EBUSY` where a rule of another chain leads to it.
    pub(super) fn delete_chain(self, name: &str) -> Request {
        let what = format!("delete chain {name}");
        self.request(what, Operation::DeleteChain, NLM_F_ACK, |chain| chain.text(CHAIN_NAME, name))
    }

    /// Asks for a chain.
    pub(super) fn get_chain(self, name: &str) -> Request {
        message::question(format!("get chain {name}"), Operation::GetChain, self.family, |chain| {
            chain.text(TABLE_NAME, self.name);
            chain.text(CHAIN_NAME, name);
        })
    }

    /// Makes a map. `id` is a number that no other map of the transaction has.
    pub(super) fn ensure_map(self, map: Map, id: u32) -> Request {
        const NAME: u16 = 2;
        const FLAGS: u16 = 3;
        const KEY_TYPE: u16 = 4;
        const KEY_LENGTH: u16 = 5;
        const DATA_TYPE: u16 = 6;
        const DATA_LENGTH: u16 = 7;
        const ID: u16 = 10;
        const USERDATA: u16 = 13;
        // `NFTNL_UDATA_SET_KEYBYTEORDER`, four bytes, `BYTEORDER_HOST_ENDIAN`: else `nft` shows names backwards.
        const NAMES_FROM_THE_LEFT: [u8; 6] = {
            let [a, b, c, d] = 1_u32.to_ne_bytes();
            [0, 4, a, b, c, d]
        };
        const NFT_SET_MAP: u32 = 8;
        const NFT_DATA_VERDICT: u32 = 0xffff_ff00;
        let what = format!("add {map}");
        self.request(what, Operation::NewSet, NLM_F_ACK | NLM_F_CREATE, |set| {
            set.text(NAME, map.name);
            set.number(FLAGS, if map.values == Values::Nothing { 0 } else { NFT_SET_MAP });
            // The kernel only keeps the type, by which `nft` knows how to show the key.
            set.number(KEY_TYPE, key::kind(map.key));
            set.number(KEY_LENGTH, bytes(key::width(map.key)));
            match map.values {
                Values::Nothing => {}
                Values::Verdicts => set.number(DATA_TYPE, NFT_DATA_VERDICT),
                Values::Fields(fields) => {
                    set.number(DATA_TYPE, key::kind(fields));
                    set.number(DATA_LENGTH, bytes(key::value_width(fields)));
                }
            }
            set.number(ID, id);
            if matches!(map.key, [Part::Link | Part::LeavingLink]) {
                set.bytes(USERDATA, &NAMES_FROM_THE_LEFT);
            }
        })
    }

    /// Appends a rule to a chain.
    pub(super) fn append(self, chain: &str, rule: &Rule) -> Request {
        const EXPRESSIONS: u16 = 4;
        let what = format!("add rule \"{}\" to chain {chain}", rule.comment);
        let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_APPEND;
        self.request(what, Operation::NewRule, flags, |message| {
            message.text(RULE_CHAIN, chain);
            rule.expressions.write(EXPRESSIONS, message);
            write_comment(message, RULE_USERDATA, &rule.comment);
        })
    }

    /// Deletes one rule of a chain, by its [`rule_handle`].
    pub(super) fn delete_rule(self, chain: &str, handle: &[u8]) -> Request {
        let what = format!("delete a rule of chain {chain}");
        self.request(what, Operation::DeleteRule, NLM_F_ACK, |rule| {
            rule.text(RULE_CHAIN, chain);
            rule.bytes(RULE_HANDLE, handle);
        })
    }

    /// Deletes the rules of a chain.
    pub(super) fn flush(self, chain: &str) -> Request {
        let what = format!("empty chain {chain}");
        self.request(what, Operation::DeleteRule, NLM_F_ACK, |rules| rules.text(RULE_CHAIN, chain))
    }

    /// Asks for the rules of a chain; a chain or table that is not there has none.
    pub(super) fn rules(self, chain: &str) -> Request {
        let what = format!("list chain {chain}");
        self.request(what, Operation::GetRule, NLM_F_DUMP, |rules| rules.text(RULE_CHAIN, chain))
    }

    /// Adds elements, which must be new.
    pub(super) fn add(self, map: Map, elements: &[&Element]) -> Request {
        let what = format!("add {} elements to {map}", elements.len());
        let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
        self.elements(what, Operation::NewElement, flags, map, |message| {
            element::write_all(message, elements);
        })
    }

    /// Deletes the elements of these keys.
    pub(super) fn delete(self, map: Map, keys: &[&[u8]]) -> Request {
        let what = format!("delete {} elements from {map}", keys.len());
        self.elements(what, Operation::DeleteElement, NLM_F_ACK, map, |message| {
            element::write_keys(message, keys);
        })
    }

    /// Asks for the element of a key.
    pub(super) fn element(self, map: Map, key: &[u8]) -> Request {
        let what = format!("get an element of {map}");
        self.elements(what, Operation::GetElement, NLM_F_ACK, map, |message| {
            element::write_keys(message, &[key]);
        })
    }

    /// Asks for all elements of a map.
    pub(super) fn all_elements(self, map: Map) -> Request {
        let what = format!("list {map}");
        self.elements(what, Operation::GetElement, NLM_F_DUMP, map, |_| {})
    }

    fn elements(
        self,
        what: String,
        operation: Operation,
        flags: u16,
        map: Map,
        fill: impl FnOnce(&mut Writer),
    ) -> Request {
        const SET: u16 = 2;
        self.request(what, operation, flags, |message| {
            message.text(SET, map.name);
            fill(message);
        })
    }

    fn request(
        self,
        what: String,
        operation: Operation,
        flags: u16,
        fill: impl FnOnce(&mut Writer),
    ) -> Request {
        message::request(what, operation, flags, self.family, |message| {
            message.text(TABLE_NAME, self.name);
            fill(message);
        })
    }
}

// Attributes that more than one function needs.
const TABLE_USERDATA: u16 = 6;
/// `NFTA_TABLE_NAME` and the `…_TABLE` of everything in a table.
const TABLE_NAME: u16 = 1;
const CHAIN_NAME: u16 = 3;
const RULE_CHAIN: u16 = 2;
const RULE_HANDLE: u16 = 3;
const RULE_USERDATA: u16 = 7;

fn bytes(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// The comment of the table in an answer to [`Table::get`].
pub(super) fn table_comment(reply: &Reply) -> Option<&str> {
    find(message::attributes(reply), TABLE_USERDATA).and_then(comment::decode)
}

/// Writes a comment, unless it is empty.
fn write_comment(object: &mut Writer, userdata: u16, text: &str) {
    if !text.is_empty() {
        object.bytes(userdata, &comment::encode(text));
    }
}

/// The number by which the kernel knows a rule in an answer to [`Table::rules`].
pub(super) fn rule_handle(reply: &Reply) -> Option<&[u8]> {
    find(message::attributes(reply), RULE_HANDLE)
}

/// The comment of a rule in an answer to [`Table::rules`].
pub(super) fn rule_comment(reply: &Reply) -> Option<&str> {
    find(message::attributes(reply), RULE_USERDATA).and_then(comment::decode)
}
