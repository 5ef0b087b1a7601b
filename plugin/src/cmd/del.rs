//! DEL: takes off whatever is left of an attachment, as often as it is asked.
//!
//! Nothing of the configuration is relied on but the network's name and, where the record is gone, which IPAM it names:
//! it may have changed since ADD. What is already gone is no error; what cannot be removed does not keep the rest.

use podnet_cni::{Attachment, Network};
use podnet_datapath::{Netns, Owner, remove};

use super::{owner, translated};
use crate::error::Error;
use crate::ipam;
use crate::record::{Entry, Record, Registry};

/// How an attachment without record is removed that other plugins may have made; see [`crate::adopted`].
pub(crate) type RemoveAdopted = fn(&Attachment, &Owner, Option<&str>) -> Result<(), Error>;

/// Removes the attachment.
pub(crate) fn del(
    attachment: &Attachment,
    netns: Option<&str>,
    remove_adopted: RemoveAdopted,
) -> Result<(), Error> {
    refuse_own_namespace(netns, attachment.netns_override)?;
    let owner = owner(attachment);
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
    let adopted = || remove_adopted(attachment, &owner, netns);
    errors.extend(detach(&owner, entry, &attachment.network, adopted));
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
/// `entry`: the record, locked, where there is one; `network`: the configuration of this call; `remove_adopted`: removes
/// what other plugins may have made, where there is no record.
pub(super) fn detach(
    owner: &Owner,
    entry: Option<Entry<'_>>,
    network: &Network,
    remove_adopted: impl FnOnce() -> Result<(), Error>,
) -> Vec<Error> {
    let record = entry.as_ref().and_then(Entry::record);
    let rules = record.map(Record::rules);
    let has_ifb = record.is_none_or(Record::has_ifb);
    if let Err(error) = remove(owner, rules.as_ref(), has_ifb) {
        return vec![error.into()];
    }
    if let Err(error) = translated::remove(owner, record) {
        return vec![error.into()];
    }
    if record.is_none()
        && let Err(error) = remove_adopted()
    {
        return vec![error];
    }
    let mut errors = ipam::release(owner, record, network);
    if errors.is_empty() {
        errors.extend(entry.and_then(|entry| entry.remove().err()).map(Error::from));
    }
    errors
}
