//! The address daemon: owns the node's pool of addresses.

fn main() {}
