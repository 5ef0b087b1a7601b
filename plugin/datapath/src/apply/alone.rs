//! One process at a time in a network namespace, for what is made once in its life.

use std::fs::File;

use super::ApplyError;

/// The namespace as a file: its lock (flock(2)) is everybody's who is in there, needs no file on any disk, and goes with
/// the process.
const NAMESPACE: &str = "/proc/thread-self/ns/net";

/// Nobody else has one in this namespace.
#[derive(Debug)]
pub(super) struct Alone {
    _locked: File,
}

impl Alone {
    /// Waits until nobody else has one.
    pub(super) fn wait() -> Result<Self, ApplyError> {
        let namespace = File::open(NAMESPACE).map_err(ApplyError::Alone)?;
        namespace.lock().map_err(ApplyError::Alone)?;
        Ok(Self { _locked: namespace })
    }
}
