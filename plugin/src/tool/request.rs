//! Requests as a runtime would make them, out of what podnet has on record.

use std::path::PathBuf;

use podnet_cni::{Attachment, ContainerId, IfName, NameError, Network, NetworkName, Version};
use serde_json::Value;

use crate::record::Record;

/// A network by its name and one plugin's entry.
///
/// # Arguments
/// `plugin_dirs`: where IPAM plugins that have to be executed are looked for.
pub(super) fn network(name: &str, config: Value, plugin_dirs: Vec<PathBuf>) -> Result<Network, NameError> {
    let version = config.get("cniVersion").and_then(Value::as_str).and_then(Version::from_name);
    Ok(Network {
        name: NetworkName::new(name)?,
        version: version.unwrap_or(Version::V0_1_0),
        text: config.to_string().into_bytes(),
        config,
        plugin_dirs,
    })
}

/// The attachment that a record is of, as ADD was called for it, with the list's final result where that is known.
pub(super) fn attachment(
    record: &Record,
    result: Option<Value>,
    plugin_dirs: Vec<PathBuf>,
) -> Result<Attachment, NameError> {
    let mut config = record.config.clone();
    if let (Some(members), Some(result)) = (config.as_object_mut(), result) {
        members.insert("prevResult".to_owned(), result);
    }
    Ok(Attachment {
        network: network(&record.network, config, plugin_dirs)?,
        container_id: ContainerId::new(&*record.container_id)?,
        ifname: IfName::new(&*record.ifname)?,
        raw_args: record.args.clone(),
        netns_override: false,
    })
}
