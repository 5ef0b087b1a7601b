//! The ip-masq agent: keeps the rules that decide which traffic leaves with the node's address.

fn main() {}
