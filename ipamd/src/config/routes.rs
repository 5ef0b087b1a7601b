//! The member `routes`: who makes the routes to other nodes' pods.

use super::document::Node;
use super::fields;

/// Who makes the routes to other nodes' pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routes {
    /// `cloud`: the cloud's route controller; the node is not declared ready before it has.
    Cloud,
    /// `host-gw`: this daemon, by way of the other nodes' addresses.
    HostGw,
}

impl Routes {
    /// As the configuration calls it.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Cloud => "cloud",
            Self::HostGw => "host-gw",
        }
    }

    pub(super) fn read(node: &Node) -> Result<Self, String> {
        let text = fields::text(node)?;
        let known = [Self::Cloud, Self::HostGw].into_iter().find(|routes| routes.kind() == text);
        known.ok_or_else(|| format!("nobody called {text:?} makes routes, only cloud and host-gw"))
    }
}
