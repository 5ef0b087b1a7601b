//! How what is kept on the node for all pods is doing.

use std::fmt;

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// The table `inet podnet-node`.
    Rules,
    /// The routes to the pods' subnets.
    Routes,
    /// The network configuration list.
    Conflist,
}

impl fmt::Display for Kept {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Rules => "node rules",
            Self::Routes => "subnet routes",
            Self::Conflist => "conflist",
        })
    }
}
