//! The address daemon: owns the node's pool of addresses.

mod config;
mod inventory;

fn main() {}
