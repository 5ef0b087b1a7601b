//! What both daemons share: everything around their work that is not their work.
//!
//! ```text
//!            ┌──────────── daemon ────────────┐
//!  signals ──▶ Signal::{Stop, Reload}         ──▶ stderr, a line an event   (logging)
//!  files ────▶ DirectoryWatch                 ──▶ GET /metrics              (operations)
//!  HTTP ─────▶ http::serve, with its limits   ──▶ GET /healthz, /readyz     (operations)
//!  nf_tables ▶ Monitor, of every change       ──▶ nft, iptables             (exec, damping)
//!            └────────────────────────────────┘
//! ```
//!
//! Nothing here knows what addresses or rules there ought to be. All of it runs on a single-threaded runtime and wakes up for nothing
//! but its cause: there is no timer besides the limits of requests that are under way.

#![deny(unsafe_code)]

pub mod chain;
pub mod damping;
pub mod exec;
pub mod http;
pub mod logging;
pub mod nf_tables;
pub mod operations;
pub mod signals;
pub mod stop;
pub mod watch;

pub use chain::Chain;
pub use operations::Readiness;
/// The version that [`operations::Operations`] wants its registry of.
pub use prometheus_client as prometheus;
