//! The directory under its lock: everything that writes.

use std::fs::File;
use std::io::{self, Write};
use std::net::IpAddr;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::directory::cursor_name;
use super::draft::Draft;
use super::{Directory, Reservation, StoreError};
use crate::owner::ReservationOwner;

/// Excludes other writers, the reference plugin among them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Locked<'a> {
    directory: &'a Directory,
    /// flock(2) goes with the open file.
    _lock: File,
}

/// Reservations of one owner that become lasting together: dropped before [`Reserving::keep`], each one is
/// undone.
#[derive(Debug)]
pub(crate) struct Reserving<'a> {
    owner: &'a ReservationOwner,
    /// The next reservation, once an address was tried: each address gets a file of its own, which whoever
    /// edits one by hand may rely on. Stands before the lock, because it must be gone when the lock goes.
    draft: Option<Draft>,
    locked: Locked<'a>,
    /// Reserved here, and so to be undone.
    reserved: Vec<IpAddr>,
}

impl Directory {
    /// Waits for the lock. No holder keeps it over anything slow.
    pub(crate) fn lock(&self) -> Result<Locked<'_>, StoreError> {
        let lock = || -> io::Result<_> {
            let flags =
                OFlag::O_RDONLY | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
            let mode = Mode::S_IRWXU | Mode::S_IRGRP | Mode::S_IXGRP;
            let file = File::from(openat(&self.fd, "lock", flags, mode)?);
            file.lock()?;
            Ok(file)
        };
        let lock = lock().map_err(StoreError::file("lock", self.path("lock")))?;
        Ok(Locked { directory: self, _lock: lock })
    }
}

impl<'a> Locked<'a> {
    /// Begins to reserve for `owner`.
    pub(crate) fn reserving(self, owner: &'a ReservationOwner) -> Reserving<'a> {
        Reserving { owner, draft: None, locked: self, reserved: Vec::new() }
    }

    /// Removes the file of an address; false where it is already gone.
    pub(crate) fn remove(&self, address: IpAddr) -> Result<bool, StoreError> {
        let name = address.to_string();
        match unlinkat(&self.directory.fd, name.as_str(), UnlinkatFlags::NoRemoveDir) {
            Ok(()) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(errno) => Err(StoreError::file("remove", self.directory.path(name))(errno)),
        }
    }

    /// Removes a reservation that was looked at before the lock was taken, unless it has changed hands since.
    pub(crate) fn remove_unchanged(&self, seen: &Reservation) -> Result<bool, StoreError> {
        let unchanged = self.directory.reservation(seen.address)?.as_ref() == Some(seen);
        Ok(unchanged && self.remove(seen.address)?)
    }

    /// Notes the address reserved last. Emptied and written in two steps: a kill between them leaves no
    /// cursor.
    fn set_cursor(&self, range_set: usize, address: IpAddr) -> Result<(), StoreError> {
        let name = cursor_name(range_set);
        let write = || -> io::Result<()> {
            let flags =
                OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
            let mode = Mode::S_IRUSR | Mode::S_IWUSR;
            let fd = openat(&self.directory.fd, name.as_str(), flags | OFlag::O_CLOEXEC, mode)?;
            File::from(fd).write_all(address.to_string().as_bytes())
        };
        write().map_err(StoreError::file("write", self.directory.path(&name)))
    }
}

impl Reserving<'_> {
    /// Reserves an address; false where it is taken.
    pub(crate) fn reserve(&mut self, address: IpAddr) -> Result<bool, StoreError> {
        let directory = self.locked.directory;
        let draft = match self.draft.take() {
            Some(draft) => draft,
            None => Draft::write(directory, self.owner)
                .map_err(StoreError::file("write a reservation in", &directory.store.path))?,
        };
        let linked = draft
            .link(directory, address)
            .map_err(StoreError::file("create", directory.path(address.to_string())))?;
        if linked {
            self.reserved.push(address);
        } else {
            self.draft = Some(draft);
        }
        Ok(linked)
    }

    /// Makes what was reserved last: one address for each range set, in the sets' order, becomes the set's
    /// cursor.
    pub(crate) fn keep(mut self) -> Result<(), StoreError> {
        for (range_set, &address) in self.reserved.iter().enumerate() {
            self.locked.set_cursor(range_set, address)?;
        }
        self.reserved.clear();
        Ok(())
    }
}

impl Drop for Reserving<'_> {
    fn drop(&mut self) {
        for &address in &self.reserved {
            // The failure being reported is the one that led here; what stays behind names its owner.
            self.locked.remove(address).ok();
        }
    }
}
