//! A Kubernetes API server for tests: real HTTP, objects in memory, faults on demand.
//!
//! ```text
//!  test ──put, edit, remove──▶ ┌───────┐ ◀──get, list, create, update, patch, delete── client
//!       ──trouble────────────▶ │ store │ ──events──▶ watches ─────────────────────────▶ client
//!       ◀──requests─────────── └───────┘
//! ```
//!
//! It is generic: an object is JSON, a resource is a path, and nothing is validated. What it keeps is what clients rely on
//! (Kubernetes, "API concepts"): one resource version for all objects, 409 for a write against an old one, a history that
//! watches resume from and that ends (410), bookmarks, the status subresource, finalizers, merge patches and, simplified to
//! the values that each field manager applied last, server-side apply.
//!
//! It runs on a thread of its own and is gone when it is dropped.

#![forbid(unsafe_code)]

mod address;
mod log;
mod reply;
mod rights;
mod serve;
mod server;
mod store;
mod trouble;

pub use address::Address;
pub use log::Request;
pub use rights::Right;
pub use server::ApiServer;
pub use trouble::{Trouble, Where};
