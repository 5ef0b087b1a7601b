//! What there is on the node in a pod's name.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::SystemTime;

use podnet_datapath::{Label, Owner, PodLink, links};
use podnet_host_local::{Reserved, Store, reservations};

use crate::cmd::gc::labelled;
use crate::error::Error;
use crate::record::{Record, RecordError, Registry};

/// An attachment of the network.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) container_id: String,
    /// `None`: a reservation of the reference host-local plugin's old versions, which name no interface.
    pub(crate) ifname: Option<String>,
}

impl Key {
    /// Whose a reservation is.
    pub(crate) fn of(reserved: &Reserved) -> Self {
        let owner = &reserved.owner;
        Self { container_id: owner.container_id().to_owned(), ifname: owner.ifname().map(ToOwned::to_owned) }
    }

    /// The owner of what there is of it; `None` where no interface is named.
    pub(super) fn owner(&self, network: &str) -> Option<Owner> {
        Some(Owner::new(network, &*self.container_id, self.ifname.as_deref()?))
    }
}

/// All that there is of an attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(crate) key: Key,
    /// The pod as Kubernetes names it.
    pub(crate) pod: Option<String>,
    /// Where its namespace was, by its record.
    pub(crate) sandbox: Option<PathBuf>,
    pub(crate) has_record: bool,
    /// Another process adds or removes it just now.
    pub(crate) is_worked_on: bool,
    /// Its link on the node.
    pub(crate) link: Option<PodLink>,
    /// Whether a link or an nftables element is labelled with its name.
    pub(crate) is_labelled: bool,
    /// Its addresses, by its record and its reservations.
    pub(crate) addresses: Vec<IpAddr>,
    /// When the newest of its files was made.
    pub(crate) since: Option<SystemTime>,
}

impl Trace {
    /// A trace of nothing yet.
    pub(super) fn new(container_id: &str, ifname: Option<&str>) -> Self {
        Self {
            key: Key { container_id: container_id.to_owned(), ifname: ifname.map(ToOwned::to_owned) },
            pod: None,
            sandbox: None,
            has_record: false,
            is_worked_on: false,
            link: None,
            is_labelled: false,
            addresses: Vec::new(),
            since: None,
        }
    }

    fn add_address(&mut self, address: IpAddr) {
        if !self.addresses.contains(&address) {
            self.addresses.push(address);
        }
    }
}

/// Everything of a network, by attachment.
///
/// # Arguments
/// `data_dirs`: where host-local's reservations may be, besides the places that the records name.
pub(super) fn gather(network: &str, data_dirs: &[PathBuf]) -> Result<Vec<Trace>, Error> {
    let mut traces = Traces::default();
    let mut dirs = data_dirs.to_vec();
    // Labels before records: what has a label had its record before it.
    for owner in labelled()?.iter().filter(|owner| owner.network() == network) {
        traces.of(owner.container(), Some(owner.ifname())).is_labelled = true;
    }
    for link in links()? {
        if let Some(owner) = Label::owner(&link.label).filter(|owner| owner.network() == network) {
            traces.of(owner.container(), Some(owner.ifname())).link = Some(link);
        }
    }
    if let Some(registry) = Registry::open()? {
        for id in registry.ids()? {
            let Some(record) = registry.read(id)?.filter(|record| record.network == network) else {
                continue;
            };
            let (is_worked_on, written) = match registry.try_lock(id) {
                Err(RecordError::Busy(_)) => (true, None),
                entry => (false, entry?.and_then(|entry| entry.written())),
            };
            dirs.extend(record.reserved.iter().filter_map(|reserved| reserved.data_dir.clone()));
            let trace = traces.of(&record.container_id, Some(&record.ifname));
            trace.is_worked_on = is_worked_on;
            trace.since = written;
            trace.add_record(record);
        }
    }
    dirs.sort();
    dirs.dedup();
    for dir in dirs {
        for reserved in reservations(&Store::new(&dir, network)?)? {
            let trace = traces.of(reserved.owner.container_id(), reserved.owner.ifname());
            trace.add_address(reserved.address);
            trace.since = trace.since.max(Some(reserved.since));
        }
    }
    Ok(traces.0.into_values().collect())
}

impl Trace {
    fn add_record(&mut self, record: Record) {
        self.has_record = true;
        self.sandbox = Some(record.sandbox.into());
        self.pod = record.pod;
        let addresses = record.reserved.map(|reserved| reserved.addresses()).unwrap_or_default();
        for address in addresses {
            self.add_address(address);
        }
    }
}

#[derive(Default)]
struct Traces(BTreeMap<Key, Trace>);

impl Traces {
    fn of(&mut self, container_id: &str, ifname: Option<&str>) -> &mut Trace {
        let trace = Trace::new(container_id, ifname);
        self.0.entry(trace.key.clone()).or_insert(trace)
    }
}
