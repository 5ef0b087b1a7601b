//! The last good inventory, kept beside the journal: which subnet and gateway an address has is not in the pool. After a
//! restart, pods are served with it until the source says something again.

use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::Inventory;

/// Its name in the state directory.
const FILE: &str = "inventory.json";

/// The file. What cannot be written or read is as if nothing were known.
#[derive(Debug)]
pub struct Memory(PathBuf);

impl Memory {
    /// The memory of a state directory.
    pub fn new(state: &Path) -> Self {
        Self(state.join(FILE))
    }

    /// What was said last; nothing where there is no such file, or a foreign one.
    pub fn recall(&self) -> Inventory {
        let text = match std::fs::read(&self.0) {
            Ok(text) => text,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(path = %self.0.display(), %error, "the last addresses cannot be read");
                }
                return Inventory::default();
            }
        };
        serde_json::from_slice(&text).unwrap_or_else(|error| {
            tracing::warn!(path = %self.0.display(), %error, "the last addresses are unreadable");
            Inventory::default()
        })
    }

    /// Remembers, by rename.
    pub fn keep(&self, inventory: &Inventory) {
        let write = || -> io::Result<()> {
            let new = self.0.with_extension("json.new");
            let mut options = std::fs::OpenOptions::new();
            let file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            serde_json::to_writer(file, inventory)?;
            std::fs::rename(&new, &self.0)
        };
        if let Err(error) = write() {
            tracing::warn!(path = %self.0.display(), %error, "the last addresses cannot be kept");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Block, Host, Network, Scaler};

    #[test]
    fn what_is_kept_is_recalled_and_a_foreign_file_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::new(folder.path());
        assert_eq!(memory.recall(), Inventory::default());
        let block = Block { net: "10.1.0.5/32".parse().unwrap(), name: Some("a".to_owned()) };
        let network = Network {
            id: "nc".into(),
            subnet: "10.1.0.0/16".parse().unwrap(),
            gateway: Some("10.1.0.1".parse().unwrap()),
            blocks: vec![block],
        };
        let inventory = Inventory {
            host: Host { address: Some("10.0.0.4".parse().unwrap()), ..Host::default() },
            networks: vec![network],
            scaler: Some(Scaler { batch: 1, request_percent: 2, release_percent: 3, max: 4, requested: 5 }),
            returned: vec!["b".to_owned()],
            origin: "somebody".to_owned(),
            place: "somewhere".to_owned(),
            unknown: vec!["a.b".to_owned()],
            is_overlay: true,
        };
        memory.keep(&inventory);
        assert_eq!(memory.recall(), inventory);
        // An earlier version knew fewer members.
        let earlier = r#"{"host": {"address": null, "subnet": null, "gateway": null}, "networks": [], "scaler": null,
            "is_overlay": true, "returned": [], "origin": "somebody"}"#;
        std::fs::write(folder.path().join(FILE), earlier).unwrap();
        let recalled = memory.recall();
        assert_eq!((recalled.origin.as_str(), recalled.is_overlay), ("somebody", true));
        std::fs::write(folder.path().join(FILE), "{\"networks\": 7").unwrap();
        assert_eq!(memory.recall(), Inventory::default());
    }
}
