//! What can go wrong with the state directory.

use std::io;
use std::path::PathBuf;

/// The state directory, or a file in it, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A system call failed: a full disk, a read-only directory, …
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The directory is another user's, or others may write to it: whatever lies in it proves nothing.
    #[error("{} belongs to user {uid} and has mode {mode:o}: it must be ours, and for others not writable", path.display())]
    NotPrivate {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        uid: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// Another process has the directory.
    #[error("another daemon holds {}", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// A snapshot has to be written before anything is appended: after opening, and after a failed append.
    #[error("{} needs a snapshot first", path.display())]
    NeedsSnapshot {
        /// The journal.
        path: PathBuf,
    },
    /// The kernel's boot ID is no UUID.
    #[error("{text:?} is no boot ID")]
    BootId {
        /// What it is.
        text: String,
    },
}

impl StoreError {
    /// For `map_err`: what was tried, on what.
    pub(crate) fn io<E: Into<io::Error>>(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(E) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source: source.into() }
    }
}
