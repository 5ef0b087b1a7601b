//! Addresses for pods from the node's own ranges, kept in the reference host-local plugin's files.
//!
//! The model has three parts, each of which can be read alone:
//!
//! ```text
//! IpamConfig ──validate──▶ Ipam { range sets, routes, … }                       pure   (config)
//! RangeSet + last reserved address ──▶ candidates, each free address once       pure   (candidates)
//! directory of reservations: <data dir>/<network>/<address> holds its owner     files  (store)
//! ```
//!
//! A pod gets one address from every *range set*; a set is a pool of one or more ranges of one family. A
//! reservation is a file whose name is the address and whose content is the owner, so that link(2) answering
//! `EEXIST` is the whole test of "taken": allocation neither lists nor reads what others hold, and costs the
//! same in an empty and in a full directory. The operations ([`allocate`], [`release`], [`check`], [`gc`],
//! [`exhausted`], …) join the three parts.
//!
//! The reference plugin (containernetworking plugins, host-local) and this crate can work in one directory at
//! the same time: names, bytes, modes and the `lock` file are the same.
//!
//! Nothing here knows the CNI protocol: JSON is decoded by the caller into [`IpamConfig`].

#![forbid(unsafe_code)]

mod candidates;
mod config;
mod config_error;
mod ipam;
mod ops;
mod owner;
mod range;
mod range_set;
mod resolv_conf;
mod store;
#[cfg(test)]
mod testing;
pub mod unnamed;

pub use config::{DEFAULT_DATA_DIR, IpamConfig, RangeConfig, RouteConfig};
pub use config_error::{ConfigError, Problem};
pub use ipam::{Ipam, Route};
pub use ops::allocate::{Allocation, Request, allocate};
pub use ops::allocate_error::AllocateError;
pub use ops::check::{Difference, check};
pub use ops::find::find;
pub use ops::gc::{Collected, gc};
pub use ops::liveness::Liveness;
pub use ops::probe::probe;
pub use ops::release::{release, release_known};
pub use ops::reservations::{Reserved, reservations};
pub use ops::status::{Exhausted, exhausted};
pub use ops::usage::{Usage, usage};
pub use owner::{Holder, OwnerError, ReservationOwner};
pub use range::Range;
pub use range_set::RangeSet;
pub use resolv_conf::{ResolvConf, ResolvConfError};
pub use store::{Store, StoreError};
