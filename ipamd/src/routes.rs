//! Routes to the pods of other nodes.

mod monitor;
pub mod nodes;
pub mod plan;
