//! A small blocking netlink transport.
//!
//! ```text
//! Request ──encode──▶ send ─────────▶ kernel
//!                                       │
//! Vec<Reply> / () ◀──Exchange◀──frame◀──┘  datagrams
//! ```
//!
//! - [`Request`] is one message: what it is about (for the error text), type, flags, body.
//! - [`Socket`] sends requests and reads until each of them is answered: [`Socket::execute`] for one change,
//!   [`Socket::batch`] for several in one system call, [`Socket::query`] for gets and dumps.
//! - `frame` cuts datagrams into messages and `exchange` decides when an exchange is complete;
//!   both are pure, so that every oddity of the protocol is tested without a kernel.
//! - [`NetlinkError`] carries the kernel's errno and its own words (`NLMSGERR_ATTR_MSG`).
//!
//! The transport knows the netlink header (RFC 3549 §2.3) and nothing of what it carries: rtnetlink and
//! `nf_tables` messages travel the same way.

mod attribute;
mod error;
mod exchange;
mod frame;
mod request;
mod socket;
#[cfg(test)]
mod tests;

pub use attribute::attributes;
pub use error::NetlinkError;
pub use exchange::Reply;
pub use frame::{Message, messages};
pub use request::Request;
pub use socket::{Protocol, Socket};
