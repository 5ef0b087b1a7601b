//! GC: removes what belongs to no valid attachment, in this network only.
//!
//! Three places are looked at, since a crash may have left something in any of them: the records, the kernel's links
//! and nftables elements by their labels, and the reservations. What another process works on, or was made after the
//! call began, stays: the runtime's list cannot know it.

use std::collections::BTreeSet;
use std::time::SystemTime;

use podnet_cni::{Network, ValidAttachments};
use podnet_datapath::nft::NftError;
use podnet_datapath::{Owner, OwnerId, link_labels, nft};
use podnet_host_local::ReservationOwner;

use super::del::detach;
use crate::adopted;
use crate::error::Error;
use crate::ipam;
use crate::portmap;
use crate::record::{Entry, RecordError, Registry};

/// Removes leftovers. Without a list of valid attachments nothing is known to be one.
pub(crate) fn gc(network: &Network) -> Result<(), Error> {
    let started = SystemTime::now();
    let Some(valid) = network.valid_attachments()? else { return Ok(()) };
    let is_valid = |container: &str, ifname: Option<&str>| match ifname {
        Some(ifname) => valid.contains(container, ifname),
        None => valid.contains_container(container),
    };
    Collection { valid: Some(&valid), ..Collection::new(network, &is_valid, started) }.run()
}

/// Whether an attachment is to stay, by its container and interface. Without an interface: whether any of the container's is;
/// iptables rules of portmap, and reservations of old versions of the reference host-local plugin, name none.
type IsValid<'a> = &'a dyn Fn(&str, Option<&str>) -> bool;

/// Removes what of the network belongs to no valid attachment.
///
/// # Arguments
/// `started`: when `is_valid` was made up. What came since stays.
pub(crate) fn collect(network: &Network, is_valid: IsValid<'_>, started: SystemTime) -> Result<(), Error> {
    Collection::new(network, is_valid, started).run()
}

/// The attachments whose label some link or nftables element of this node carries.
pub(crate) fn labelled() -> Result<Vec<Owner>, Error> {
    let ruled = nft::open_if_any()?.map(|mut netfilter| nft::owners(&mut netfilter));
    let ruled = match ruled {
        None | Some(Err(NftError::Unsupported { .. })) => Vec::new(),
        Some(owners) => owners?,
    };
    let labels = link_labels()?.into_iter().chain(ruled);
    Ok(labels.filter_map(|label| label.owner()).collect())
}

/// Removes everything of an attachment that is no more; false where another process works on it, or it came since.
///
/// # Arguments
/// `network`: the configuration where there is no record; `started`: when it was judged.
pub(super) fn take_off(
    registry: Option<&Registry>,
    owner: &Owner,
    network: &Network,
    started: SystemTime,
) -> Result<bool, Vec<Error>> {
    let entry = match registry.map(|registry| registry.try_lock(owner.id())) {
        None => None,
        Some(Err(RecordError::Busy(_))) => return Ok(false),
        Some(entry) => entry.map_err(|error| vec![error.into()])?,
    };
    if entry.as_ref().and_then(Entry::written).is_some_and(|written| written >= started) {
        return Ok(false);
    }
    let errors = detach(owner, entry, network, || adopted::remove_linkless(owner));
    if errors.is_empty() { Ok(true) } else { Err(errors) }
}

struct Collection<'a> {
    network: &'a Network,
    is_valid: IsValid<'a>,
    /// All valid ones, where they can be told. Names of the reference plugins' rules are digests, from which no owner
    /// can be read.
    valid: Option<&'a ValidAttachments>,
    started: SystemTime,
    /// Attachments that stay though they are not in the list: in work, or not to be removed.
    kept: BTreeSet<OwnerId>,
    errors: Vec<Error>,
}

impl<'a> Collection<'a> {
    fn new(network: &'a Network, is_valid: IsValid<'a>, started: SystemTime) -> Self {
        Self { network, is_valid, valid: None, started, kept: BTreeSet::new(), errors: Vec::new() }
    }

    fn run(mut self) -> Result<(), Error> {
        let registry = Registry::open()?;
        for owner in self.found(registry.as_ref())? {
            self.collect(registry.as_ref(), &owner);
        }
        if let Err(error) = self.collect_translated(registry.as_ref()) {
            self.errors.push(error);
        }
        self.release();
        self.errors.extend(self.collect_adopted().err());
        if self.errors.is_empty() { Ok(()) } else { Err(Error::NotRemoved(self.errors)) }
    }

    /// Every attachment of this network that has a record, a link or an nftables element.
    fn found(&self, registry: Option<&Registry>) -> Result<Vec<Owner>, Error> {
        let mut found = labelled()?;
        if let Some(registry) = registry {
            for id in registry.ids()? {
                found.extend(registry.read(id)?.map(|record| record.owner()));
            }
        }
        found.retain(|owner| owner.network() == self.network.name.as_str());
        found.sort_by_key(Owner::id);
        found.dedup();
        Ok(found)
    }

    fn collect(&mut self, registry: Option<&Registry>, owner: &Owner) {
        if (self.is_valid)(owner.container(), Some(owner.ifname())) {
            return;
        }
        match take_off(registry, owner, self.network, self.started) {
            Ok(true) => {}
            Ok(false) => {
                self.kept.insert(owner.id());
            }
            Err(errors) => {
                self.kept.insert(owner.id());
                self.errors.extend(errors);
            }
        }
    }

    /// Removes the rules that iptables has for containers that neither the list nor a record knows.
    fn collect_translated(&self, registry: Option<&Registry>) -> Result<(), Error> {
        let network = self.network.name.as_str();
        let mut recorded = BTreeSet::new();
        if let Some(registry) = registry {
            for id in registry.ids()? {
                let record = registry.read(id)?.filter(|record| record.network == network);
                recorded.extend(record.map(|record| record.container_id));
            }
        }
        let is_alive = |container: &str| (self.is_valid)(container, None) || recorded.contains(container);
        Ok(portmap::collect(network, &is_alive)?)
    }

    /// Removes the reference plugins' rules of what is not alive.
    fn collect_adopted(&self) -> Result<(), Error> {
        let (name, Some(valid)) = (self.network.name.as_str(), self.valid) else { return Ok(()) };
        let valid = valid.iter().map(|(container, ifname)| Owner::new(name, container, ifname));
        adopted::collect(name, valid)
    }

    /// Has IPAM release what has neither record nor link.
    fn release(&mut self) {
        let name = self.network.name.as_str();
        let is_kept =
            |container: &str, ifname: &str| self.kept.contains(&Owner::new(name, container, ifname).id());
        let is_valid = |owner: &ReservationOwner| {
            (self.is_valid)(owner.container_id(), owner.ifname())
                || owner.ifname().is_some_and(|ifname| is_kept(owner.container_id(), ifname))
        };
        self.errors.extend(ipam::collect(self.network, &is_valid, self.started));
    }
}
