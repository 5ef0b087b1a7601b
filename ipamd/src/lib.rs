//! podnet-ipamd: the address daemon.
pub mod config;
pub mod inventory;
pub mod source;
