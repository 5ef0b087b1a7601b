//! rtnetlink in the few shapes that a pod's network needs.
//!
//! Requests are built with the typed messages of `netlink-packet-route`. Answers are read with a few lines
//! of our own that take what we use and step over the rest, so that an attribute which a newer kernel adds or
//! shapes differently cannot fail a request that does not need it.

pub(crate) mod address;
pub(crate) mod change;
pub(crate) mod link;
pub(crate) mod neighbour;
pub(crate) mod route;
pub(crate) mod tc;
pub(crate) mod told;
mod value;
pub(crate) mod vlan;

#[cfg(test)]
mod tests;
