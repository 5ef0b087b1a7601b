//! DEL: takes off whatever is left of an attachment, as often as it is asked.
//!
//! Nothing of the configuration is relied on but the network's name and, where the record is gone, `ipam.dataDir`: it
//! may have changed since ADD. What is already gone is no error; what cannot be removed does not keep the rest.

use std::path::PathBuf;

use podnet_cni::Attachment;
use podnet_cni::json::{decode, member};
use podnet_datapath::{LinkPrefix, Netns, Owner, remove};
use podnet_host_local::DEFAULT_DATA_DIR;
use serde_json::Value;
use tracing::warn;

use super::owner;
use crate::error::{Error, chain};
use crate::ipam;
use crate::record::{Entry, Record, Registry};

/// Removes the attachment.
pub(crate) fn del(attachment: &Attachment, netns: Option<&str>) -> Result<(), Error> {
    refuse_own_namespace(netns, attachment.netns_override)?;
    remove_attachment(&owner(attachment), Some(&attachment.network.config))
}

/// Removes the attachment by its key; `config` is that of this call, where there is one.
pub(super) fn remove_attachment(owner: &Owner, config: Option<&Value>) -> Result<(), Error> {
    let mut errors = Vec::new();
    let registry = Registry::open().unwrap_or_else(|error| {
        errors.push(error.into());
        None
    });
    let entry = registry.as_ref().and_then(|registry| {
        registry.lock(owner.id()).unwrap_or_else(|error| {
            errors.push(error.into());
            None
        })
    });
    errors.extend(detach(owner, entry, config));
    if errors.is_empty() { Ok(()) } else { Err(Error::NotRemoved(errors)) }
}

/// A namespace that is gone or no namespace at all is what DEL finds after a reboot.
fn refuse_own_namespace(netns: Option<&str>, netns_override: bool) -> Result<(), Error> {
    let sandbox = netns.filter(|_| !netns_override).map(Netns::open);
    match sandbox {
        Some(Ok(sandbox)) if sandbox.is_current()? => Err(Error::OwnNetns),
        _ => Ok(()),
    }
}

/// Removes everything of an attachment: links and rules, then addresses, then the record. A later part waits for the
/// parts before it, so that no address is given to another pod while this one's link has it.
///
/// # Arguments
/// `entry`: the record, locked, where there is one; `config`: the configuration of this call.
pub(super) fn detach(owner: &Owner, entry: Option<Entry<'_>>, config: Option<&Value>) -> Vec<Error> {
    let record = entry.as_ref().and_then(Entry::record);
    let rules = record.map(Record::rules);
    if let Err(error) = remove(owner, LinkPrefix::VETH, rules.as_ref()) {
        return vec![error.into()];
    }
    let mut errors: Vec<Error> = if let Some(reserved) = record.and_then(|record| record.reserved.as_ref()) {
        ipam::release(owner, reserved).err().into_iter().collect()
    } else {
        let configs = record.map(|record| &record.config).into_iter().chain(config);
        data_dirs(configs).iter().filter_map(|dir| ipam::release_found(owner, dir).err()).collect()
    };
    if errors.is_empty() {
        errors.extend(entry.and_then(|entry| entry.remove().err()).map(Error::from));
    }
    errors
}

/// Where the reservations may lie, by these configurations; one that says nothing readable means the default.
pub(super) fn data_dirs<'a>(configs: impl Iterator<Item = &'a Value>) -> Vec<PathBuf> {
    let data_dir = |config: &Value| {
        let ipam = member(config, "ipam").map(decode::<DataDir>);
        let ipam = ipam.transpose().inspect_err(|error| warn!(error = chain(error), "ipam"));
        let dir = ipam.ok().flatten().map(|ipam| ipam.data_dir).filter(|dir| !dir.is_empty());
        PathBuf::from(dir.as_deref().unwrap_or(DEFAULT_DATA_DIR))
    };
    let mut dirs: Vec<PathBuf> = configs.map(data_dir).collect();
    dirs.dedup();
    dirs
}

/// The one member of `ipam` that DEL needs; the others may be as wrong as they like.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct DataDir {
    data_dir: String,
}
