//! Which traffic leaves a node with the node's address, as data.
//!
//! ```text
//!  files ──config::read──▶ File ──config::merge──▶ Policy ──RuleSet::of──▶ RuleSet ─┐
//!                                                                                   ├──▶ Change ──▶ restore text
//!  iptables -S ────────────────Table::parse────────────────────────────▶ Table ─────┘
//!                                                                                   ┌──▶ script
//!  nft list table ─────────────nft::Listing::parse─────────────────────▶ Listing ───┴──▶ equal or not
//! ```
//!
//! A [`Policy`] says which destinations keep a pod's address. A [`RuleSet`] is what it means for one address family: the
//! agent's chain in iptables' `nat` table, and the one jump to it from `POSTROUTING`. What is found in the kernel is read
//! into a [`Table`], and the [`Change`] between the two is the text of one transaction, or nothing.
//!
//! Everything here is a function of its arguments: no files, no processes, no clock.

#![forbid(unsafe_code)]

pub mod chain_name;
pub mod change;
pub mod cidr;
pub mod config;
pub mod nft;
pub mod policy;
pub mod ports;
pub mod rule_set;
pub mod table;
pub mod words;

pub use chain_name::ChainName;
pub use change::Change;
pub use policy::Policy;
pub use ports::Ports;
pub use rule_set::{Family, RuleSet, Style};
pub use table::Table;
