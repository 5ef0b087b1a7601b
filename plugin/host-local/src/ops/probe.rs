//! Whether reservations could be written, found out without writing.

use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{AccessFlags, faccessat};

use crate::store::{Store, StoreError};

/// Whether an allocation could create its files: the directory, or the nearest one above it that exists, is a
/// directory that this process may write. A full disk is not found this way.
pub fn probe(store: &Store) -> Result<(), StoreError> {
    // A relative data directory lies in the working directory.
    let above =
        store.path().ancestors().map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path });
    for path in above {
        match writable(path) {
            Err(Errno::ENOENT) => {}
            result => return result.map_err(StoreError::file("write to", path)),
        }
    }
    Ok(())
}

fn writable(path: &Path) -> nix::Result<()> {
    openat(AT_FDCWD, path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    faccessat(AT_FDCWD, path, AccessFlags::W_OK | AccessFlags::X_OK, AtFlags::AT_EACCESS)
}
