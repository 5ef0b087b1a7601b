//! One process at a time makes what the rules of all containers share.
//!
//! iptables has no "make it unless it is there": of two processes that look at once, each makes it, and iptables-nft's
//! `-N` does not fail where the chain came between. The lock is taken only while something shared is missing, that is,
//! by the first host ports of a node.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;

use super::PortmapError;

const LOCK: &str = "/run/podnet/iptables.lock";

/// Waits until no other process makes what is shared; the lock goes with the file.
pub(super) fn lock() -> Result<File, PortmapError> {
    locked(Path::new(LOCK)).map_err(|source| PortmapError::Lock { path: LOCK.into(), source })
}

fn locked(path: &Path) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits());
    let file = options.open(path)?;
    file.lock()?;
    Ok(file)
}
