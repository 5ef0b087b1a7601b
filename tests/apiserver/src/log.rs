//! What clients asked.

use std::time::Instant;

use crate::address::Address;

/// A request that came.
#[derive(Debug, Clone)]
pub struct Request {
    /// When its head was complete.
    pub at: Instant,
    /// As access rules call it: get, list, watch, create, update, patch, delete.
    pub verb: &'static str,
    /// What it was about.
    pub address: Address,
    /// The query, as it came.
    pub query: String,
    /// The body, as it came.
    pub body: String,
}
