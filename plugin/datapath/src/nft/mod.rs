//! nftables over netlink: the rules that belong to pods.
//!
//! ```text
//! masquerade ──which changes──▶ table, element, expression ──bytes──▶ transaction ──▶ kernel
//! ```
//!
//! - `table` has the messages about a table and its chains, rules, maps and elements; `expression` the
//!   instructions of rules, `element` the elements of maps, `comment` the user data that carries comments.
//!   They are pure, and know nothing of what podnet uses them for.
//! - `transaction` sends them: all take effect together or none does.
//! - [`masquerade`] is one use: pods that leave with the node's address.
//!
//! Rules are made once for the node; a pod is an element of a map, whose cost does not grow with the number
//! of pods. An element's comment is its owner's alias, so that the owner's id is enough to find it, and so
//! that `nft list table inet podnet` reads as a list of pods. Only our own tables are ever named in a
//! request.

mod attribute;
mod comment;
mod element;
mod error;
mod expression;
pub mod masquerade;
mod message;
mod table;
mod transaction;

pub use error::NftError;
