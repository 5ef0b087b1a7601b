//! podnet seen from outside, as far as that needs no privilege: everything that ends before the first change.
//!
//! - **The protocol** ([`golden`], [`environment`], [`stdin`]): tables of vectors that also run against the reference
//!   plugin `bridge`; where it answers otherwise, the row says how and why podnet differs.
//! - **The requests** of real clients ([`clients`]), configurations with one fault each ([`bad_input`]), sandboxes
//!   that are none ([`sandbox`]), hostile sizes ([`size`]), and whatever comes ([`arbitrary`]).
//! - **Other plugins' names** ([`dropin`]), **the installation** ([`install`]) and **the cluster's manifests** ([`manifests`]).
//! - **The node's tool** ([`tool`]) and **the rules of the workspace** ([`rules`]).
//!
//! A request that passes every check ends at a sandbox that does not exist: that is how a test knows that it passed.

#[cfg(test)]
mod arbitrary;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod dropin;
#[cfg(test)]
mod environment;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod install;
#[cfg(test)]
mod manifests;
#[cfg(test)]
mod request;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod sandbox;
#[cfg(test)]
mod size;
#[cfg(test)]
mod stdin;
#[cfg(test)]
mod tool;
#[cfg(test)]
mod vector;
