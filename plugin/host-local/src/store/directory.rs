//! The opened directory: what can be read without the lock.

use std::collections::HashSet;
use std::ffi::CStr;
use std::fs::{DirBuilder, File};
use std::io::{self, Read};
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, fstatat};

use super::{Store, StoreError};
use crate::owner::{Holder, LONGEST_CONTENT};

/// Neither a link is followed nor a FIFO waited for, whatever a foreign hand put there.
const READ: OFlag = OFlag::O_RDONLY.union(OFlag::O_NOFOLLOW).union(OFlag::O_NONBLOCK).union(OFlag::O_CLOEXEC);

/// A network's directory.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(super) fd: OwnedFd,
    pub(super) store: Store,
}

/// A file that bears the name of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reservation {
    pub(crate) address: IpAddr,
    pub(crate) holder: Holder,
    /// When it was written; none for what is no regular file.
    modified: Option<SystemTime>,
}

impl Reservation {
    /// When the file was written; none for what is no regular file.
    pub(crate) fn modified(&self) -> Option<SystemTime> {
        self.modified
    }

    /// Whether the file was written before `time`; not known, and so false, for what is no regular file.
    pub(crate) fn is_older_than(&self, time: SystemTime) -> bool {
        self.modified.is_some_and(|modified| modified < time)
    }
}

impl Store {
    /// Opens the directory; none where it does not exist.
    pub(crate) fn open(&self) -> Result<Option<Directory>, StoreError> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        match openat(AT_FDCWD, &self.path, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(Directory { fd, store: self.clone() })),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(StoreError::file("open", &self.path)(errno)),
        }
    }

    /// Opens the directory, made first where it does not exist.
    pub(crate) fn create(&self) -> Result<Directory, StoreError> {
        if let Some(directory) = self.open()? {
            return Ok(directory);
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(&self.path)
            .map_err(StoreError::file("create", &self.path))?;
        self.open()?.ok_or(Errno::ENOENT).map_err(StoreError::file("open", &self.path))
    }
}

impl Directory {
    /// Path of a file in it, for messages.
    pub(super) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.store.path.join(name)
    }

    /// The addresses that files are named after, without a look at the files.
    pub(crate) fn addresses(&self) -> Result<HashSet<IpAddr>, StoreError> {
        let list = || -> nix::Result<_> {
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            let mut dir = Dir::openat(&self.fd, ".", flags, Mode::empty())?;
            dir.iter().filter_map(|entry| entry.map(|entry| address(entry.file_name())).transpose()).collect()
        };
        list().map_err(StoreError::file("list", &self.store.path))
    }

    /// When whatever bears the address's name was last written; none where nothing does.
    pub(crate) fn modified(&self, address: IpAddr) -> Result<Option<SystemTime>, StoreError> {
        let name = address.to_string();
        match fstatat(&self.fd, name.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => {
                let seconds = u64::try_from(stat.st_mtime).unwrap_or_default();
                let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or_default();
                Ok(Some(UNIX_EPOCH + Duration::new(seconds, nanoseconds)))
            }
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(StoreError::file("read", self.path(name))(errno)),
        }
    }

    /// What bears the address's name; none where nothing does.
    pub(crate) fn reservation(&self, address: IpAddr) -> Result<Option<Reservation>, StoreError> {
        let name = address.to_string();
        let foreign = Reservation { address, holder: Holder::Foreign, modified: None };
        let file = match openat(&self.fd, name.as_str(), READ, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::ENOENT) => return Ok(None),
            // A symbolic link; a socket or a device without a driver.
            Err(Errno::ELOOP | Errno::ENXIO | Errno::ENODEV) => return Ok(Some(foreign)),
            Err(errno) => return Err(StoreError::file("open", self.path(name))(errno)),
        };
        let read = || -> io::Result<_> {
            let metadata = file.metadata()?;
            if !metadata.is_file() {
                return Ok(foreign);
            }
            let mut buffer = [0; LONGEST_CONTENT];
            let length = (&file).read(&mut buffer)?;
            let holder = Holder::of(buffer.get(..length).unwrap_or_default());
            Ok(Reservation { address, holder, modified: Some(metadata.modified()?) })
        };
        read().map(Some).map_err(StoreError::file("read", self.path(name)))
    }

    /// The address reserved last in a range set. What cannot be understood is none: it only decides where to
    /// begin.
    pub(crate) fn cursor(&self, range_set: usize) -> Result<Option<IpAddr>, StoreError> {
        let name = cursor_name(range_set);
        let read = || -> io::Result<_> {
            let mut text = Vec::new();
            let file = File::from(openat(&self.fd, name.as_str(), READ, Mode::empty())?);
            // Longer than the text of any address.
            file.take(64).read_to_end(&mut text)?;
            Ok(str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok()))
        };
        match read() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            result => result.map_err(StoreError::file("read", self.path(&name))),
        }
    }
}

pub(super) fn cursor_name(range_set: usize) -> String {
    format!("last_reserved_ip.{range_set}")
}

/// The address that a file name is the canonical text of. Other spellings reserve nothing: neither plugin
/// would find them under the address.
fn address(name: &CStr) -> Option<IpAddr> {
    let name = name.to_str().ok()?;
    let address: IpAddr = name.parse().ok()?;
    // IPv4 has one spelling only.
    let canonical = address.is_ipv4() || (address.to_canonical() == address && address.to_string() == name);
    canonical.then_some(address)
}
