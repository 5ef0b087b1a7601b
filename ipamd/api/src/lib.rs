//! The daemon's HTTP contract, and a small blocking client.
