//! What the tests of several modules need.

use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    AllocateError, Allocation, ConfigError, Ipam, IpamConfig, Liveness, RangeSet, Request, ReservationOwner,
    Store, allocate,
};

/// A data directory of its own, removed with it.
pub(crate) struct Scratch {
    pub(crate) dir: TempDir,
    pub(crate) store: Store,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let store = Store::new(dir.path(), "net").unwrap();
        Self { dir, store }
    }

    /// Puts a file into the network's directory, last changed a day before [`boot`] or now.
    pub(crate) fn put(&self, name: &str, content: &str, old: bool) {
        std::fs::create_dir_all(self.store.path()).unwrap();
        std::fs::write(self.store.path().join(name), content).unwrap();
        if old {
            age(&self.store.path().join(name));
        }
    }

    pub(crate) fn read(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.store.path().join(name)).ok()
    }

    /// Names in the network's directory, sorted; `lock` and cursors left out.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.store.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> =
            names.filter(|name| name != "lock" && !name.starts_with("last_reserved_ip.")).collect();
        names.sort();
        names
    }

    pub(crate) fn add(
        &self,
        sets: &[RangeSet],
        owner: &ReservationOwner,
    ) -> Result<Vec<Allocation>, AllocateError> {
        self.add_requested(sets, owner, &[])
    }

    pub(crate) fn add_requested(
        &self,
        range_sets: &[RangeSet],
        owner: &ReservationOwner,
        requested: &[IpAddr],
    ) -> Result<Vec<Allocation>, AllocateError> {
        let liveness = Liveness { boot: boot(), is_alive: &|_| false };
        allocate(&self.store, &Request { owner, range_sets, requested, liveness })
    }

    /// The address of a first and only range set, or the error's text.
    pub(crate) fn add_one(&self, sets: &[RangeSet], container: &str) -> Result<String, String> {
        match self.add(sets, &owner(container)) {
            Ok(allocations) => Ok(allocations[0].address.addr().to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The boot that the tests pretend: an hour ago.
pub(crate) fn boot() -> SystemTime {
    SystemTime::now() - Duration::from_hours(1)
}

pub(crate) fn age(path: &Path) {
    let file = std::fs::File::open(path).unwrap();
    file.set_modified(boot() - Duration::from_hours(24)).unwrap();
}

pub(crate) fn ipam(config: Value) -> Result<Ipam, ConfigError> {
    Ipam::new(&serde_json::from_value::<IpamConfig>(config).unwrap(), &[], false)
}

/// Range sets from the JSON of `ipam.ranges`.
pub(crate) fn sets(ranges: &Value) -> Vec<RangeSet> {
    ipam(serde_json::json!({ "ranges": ranges })).unwrap().range_sets
}

pub(crate) fn owner(container: &str) -> ReservationOwner {
    ReservationOwner::new(container, "eth0").unwrap()
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}
