//! Routes to the pods of other nodes.

pub mod cluster;
pub mod plan;
