//! The reservations of one network on disk, in the reference host-local plugin's form:
//!
//! | file in `<data dir>/<network>` (mode 0755) | content | mode |
//! |---|---|---|
//! | `10.244.1.7`, `fd00::7` | `<container ID>\r\n<interface>`, no end of line | 0600 |
//! | `last_reserved_ip.<range set>` | the address reserved last, no end of line | 0600 |
//! | `lock` | empty; flock(2) on it excludes other writers; never removed | 0750 |
//!
//! (containernetworking plugins 1.9.1, `plugins/ipam/host-local/backend/disk`.)
//!
//! [`Store`] is the place, [`Directory`] the opened directory, [`Locked`] the right to change it: whatever
//! writes is a method of the last. A reservation is written under no name and then linked to its own, so that
//! it is never seen half written; names are made of addresses only and links are not followed.

mod directory;
mod draft;
mod locked;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

pub(crate) use directory::{Directory, Reservation};
pub(crate) use locked::Locked;

/// Where one network's reservations are kept. Making one touches no file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    path: PathBuf,
    /// Used where the file system has no unnamed files; outside the directory, because the reference plugin
    /// takes every file in there for a reservation.
    draft: PathBuf,
}

/// A failure on a file or directory of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A network name that is no single component of a path.
    #[error("network name {name:?} cannot be used as a directory name")]
    NetworkName {
        /// The name.
        name: String,
    },
    /// The operating system refused.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried: a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl StoreError {
    /// For `map_err`: the failure to do `action` with `path`.
    pub(crate) fn file<E: Into<io::Error>>(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::File { action, path: path.into(), source: source.into() }
    }
}

impl Store {
    /// The store of `network` under `data_dir`.
    pub fn new(data_dir: &Path, network: &str) -> Result<Self, StoreError> {
        if matches!(network, "" | "." | "..") || network.contains(['/', '\0']) {
            return Err(StoreError::NetworkName { name: network.to_owned() });
        }
        Ok(Self { path: data_dir.join(network), draft: data_dir.join(format!(".podnet-{network}")) })
    }

    /// The directory of the reservations.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
