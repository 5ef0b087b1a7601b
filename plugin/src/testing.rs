//! What several tests need.

use podnet_cni::{Network, NetworkName, Version};
use serde_json::Value;

/// The network of a configuration, as a request has it.
pub(crate) fn network(config: &Value) -> Network {
    Network {
        name: NetworkName::new("net").unwrap(),
        version: Version::LATEST,
        config: config.clone(),
        text: Vec::new(),
        plugin_dirs: Vec::new(),
    }
}
