//! How what is kept on the node for all pods is doing.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// The table `inet podnet-node`.
    Rules,
    /// The routes to the pods' subnets.
    Routes,
}

/// How it is, where it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Upkeep {
    /// Whether it is as it has to be.
    pub in_force: bool,
    /// Why it is not.
    pub error: Option<String>,
}

impl Upkeep {
    /// As it has to be, or not, and why.
    pub fn of(error: Option<String>) -> Self {
        Self { in_force: error.is_none(), error }
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Rules => "node rules",
            Self::Routes => "subnet routes",
        })
    }
}
