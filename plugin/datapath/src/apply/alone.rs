//! One process at a time in a network namespace, for what is made once in its life.

use std::fs::File;

use super::ApplyError;
use crate::netns;

/// Nobody else has one in this namespace. The namespace's own lock (flock(2)) is everybody's who is in there, needs no file
/// on any disk, and goes with the process.
#[derive(Debug)]
pub(super) struct Alone {
    _locked: File,
}

impl Alone {
    /// Waits until nobody else has one.
    pub(super) fn wait() -> Result<Self, ApplyError> {
        let namespace = netns::current().map_err(ApplyError::Alone)?;
        namespace.lock().map_err(ApplyError::Alone)?;
        Ok(Self { _locked: namespace })
    }
}
