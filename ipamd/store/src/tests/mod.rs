//! Journals written, damaged and read again.

mod any;
mod damage;
mod files;
mod versions;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use podnet_ipam_core::{Addresses, Attachment, Event, Identity, Key};
use tempfile::TempDir;

use crate::{BootId, Recovery, Store};

/// A state directory that does not exist yet, in one that goes with the test.
struct Scratch(TempDir);

impl Scratch {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn state(&self) -> PathBuf {
        self.0.path().join("state")
    }

    fn journal(&self) -> PathBuf {
        self.state().join("pool.journal")
    }

    fn open(&self) -> (Store, Recovery) {
        Store::open(&self.state(), boot()).unwrap()
    }

    /// A journal with these events, half of them in its snapshot.
    fn write(&self, events: &[Event]) {
        let (mut store, _) = self.open();
        let (first, second) = events.split_at(events.len() / 2);
        store.snapshot(first).unwrap();
        store.append(second).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.state()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn boot() -> BootId {
    BootId::parse("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0").unwrap()
}

fn attachment(container: &str) -> Arc<Attachment> {
    Arc::new(
        Attachment::new(&Identity {
            infra_container_id: container,
            pod_interface_id: container,
            interface: "eth0",
            pod: "web-0",
            namespace: "default",
        })
        .unwrap(),
    )
}

fn assigned(container: &str, addresses: &[&str]) -> Event {
    let addresses = addresses.iter().map(|address| address.parse::<IpAddr>().unwrap());
    Event::Assigned {
        attachment: attachment(container),
        addresses: Addresses::from_list(addresses).unwrap(),
        at: Duration::new(17, 42),
    }
}

/// One of every kind.
fn every_event() -> Vec<Event> {
    let at = Duration::from_millis(1_234_567);
    vec![
        Event::Offered {
            container: "nc".into(),
            block: "10.0.0.0/28".parse().unwrap(),
            programmed: true,
            at,
        },
        Event::Offered { container: "".into(), block: "fd00::/124".parse().unwrap(), programmed: false, at },
        Event::Used { address: "10.0.0.3".parse().unwrap(), at },
        Event::Requested(16),
        assigned("a", &["10.0.0.1", "fd00::1"]),
        Event::Released { key: Key::canonical("a", "eth0"), at },
        Event::Returned { address: "fd00::9".parse().unwrap(), at },
        Event::Withdrawn { block: "10.0.0.8/29".parse().unwrap(), at },
    ]
}

fn damage_at(path: &Path, offset: usize, bit: u8) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[offset] ^= 1 << bit;
    std::fs::write(path, bytes).unwrap();
}
