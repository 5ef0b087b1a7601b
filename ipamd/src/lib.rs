//! podnet-ipamd, the address daemon: it owns the node's pool of addresses and answers the plugin.
//!
//! ```text
//!  source ──Inventory──▶ ┌───────┐ ──events──▶ journal (podnet-ipam-store)
//!  plugin ──request────▶ │ actor │
//!         ◀──answer───── │ Pool  │ ──readiness──▶ conflist, /readyz
//!  operator ◀──status─── └───────┘ ──figures────▶ /metrics
//! ```
//!
//! The pool itself is pure and lives in podnet-ipam-core; the contract's types in podnet-ipam-api; what every daemon needs in
//! podnet-daemon-kit. Here is what brings them together, on one thread: [`daemon::serve`] is the place to begin reading.

#![deny(unsafe_code)]

pub mod actor;
pub mod admin;
pub mod cleanup;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod conflist;
pub mod crd;
pub mod daemon;
pub mod grant;
pub mod history;
pub mod install;
pub mod intents;
pub mod inventory;
pub mod metrics;
pub mod networks;
pub mod node_rules;
pub mod ranges;
pub mod reconcile;
pub mod routes;
pub mod server;
pub mod sightings;
pub mod source;
pub mod subnet_route;
pub mod upkeep;
