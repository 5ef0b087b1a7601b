//! The node's pool of addresses: who holds which, who gets the next one, and how many there should be.
//!
//! ```text
//!  what the source offers ──supply──▶ ┌──────┐ ──▶ outcome            (the answer)
//!  an attachment asks ──────assign──▶ │ Pool │ ──▶ events             (durable before the answer is given)
//!  an attachment is gone ──release──▶ └──────┘ ──▶ figures            (metrics, what to ask the source for)
//!                                         ▲
//!                   events of an earlier life, replayed
//! ```
//!
//! The pool is a value: no clock (time is an argument), no I/O, no async. Each of its durable changes is an
//! [`Event`]; replaying the events gives the same pool, so that whoever writes them before it answers can be
//! killed at any point and loses and doubles nothing.
//!
//! - An **attachment** is one interface of one container ([`Key`]), however a client spells it. What it holds,
//!   only a release of the same attachment frees.
//! - It holds **one address of every family** that the source offers, or none.
//! - The address that has been **unused longest** is next. A released one **cools down** first, unless there is no
//!   other.
//! - An address that the source **offers no more** stays with its holder, and goes when that is gone.
//!
//! Every operation on an address costs O(log n).

#![forbid(unsafe_code)]

mod attachment;
mod block;
mod event;
mod family;
mod holders;
mod pool;
mod scaling;
mod slot;
mod table;
mod tombstones;

pub use attachment::{Attachment, Identity, IdentityError, Key, LONGEST_PART};
pub use event::Event;
pub use family::{Addresses, Family, PerFamily};
pub use holders::Holder;
pub use pool::{
    Assigned, Conflict, Counts, Grant, LARGEST_POOL, Offer, Pool, Refused, Released, Request, Resized,
    Settings, SupplyChange, SupplyError,
};
pub use scaling::{Batches, Census, Scaling, Step, Warm};
pub use slot::{Slot, State};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
