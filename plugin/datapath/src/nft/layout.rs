//! The tables that hold everything of podnet's, and the chains in them.

use super::table::{BRIDGE, Hook, INET, Rule, Table};
use crate::netlink::Request;

/// The table that sees IPv4 and IPv6.
pub(super) const TABLE: Table = Table { family: INET, name: "podnet" };

/// The table that sees Ethernet frames on bridges.
pub(super) const FRAMES: Table = Table { family: BRIDGE, name: "podnet" };

/// The comment of a table with this layout.
pub(super) const SCHEMA: &str = "podnet schema 1";

/// A chain and its rules.
#[derive(Debug)]
pub(super) struct Chain {
    /// Where it is.
    pub(super) table: Table,
    /// The name, one in the table.
    pub(super) name: String,
    /// Where it sees packets; `None` for one that is jumped to.
    pub(super) hook: Option<Hook>,
    /// The rules, in the order in which packets meet them.
    pub(super) rules: Vec<Rule>,
}

impl Chain {
    /// Makes the chain if it is not there, and its rules the only ones in it.
    pub(super) fn fill(&self) -> Vec<Request> {
        let Self { table, name, hook, rules } = self;
        let mut changes = vec![table.ensure_chain(name, *hook), table.flush(name)];
        changes.extend(rules.iter().map(|rule| table.append(name, rule)));
        changes
    }
}
