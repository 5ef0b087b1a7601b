//! The table that holds everything of podnet's that sees IPv4 and IPv6, and the chains in it.

use super::table::{Hook, INET, Rule, Table};
use crate::netlink::Request;

/// The table.
pub(super) const TABLE: Table = Table { family: INET, name: "podnet" };

/// The comment of a table with this layout.
pub(super) const SCHEMA: &str = "podnet schema 1";

/// A chain and its rules.
#[derive(Debug)]
pub(super) struct Chain {
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
        let mut changes = vec![TABLE.ensure_chain(&self.name, self.hook), TABLE.flush(&self.name)];
        changes.extend(self.rules.iter().map(|rule| TABLE.append(&self.name, rule)));
        changes
    }
}
