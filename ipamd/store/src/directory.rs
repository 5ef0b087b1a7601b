//! The state directory: opened once, and every name in it resolved from there, without following links.

use std::ffi::CStr;
use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, geteuid, linkat, unlinkat};

use crate::error::StoreError;
use crate::recovery::Damage;

/// The journal.
pub(crate) const JOURNAL: &str = "pool.journal";

/// The journal of the next snapshot, until it is complete.
const DRAFT: &str = "pool.journal.new";

/// Held by the one daemon that may write.
const LOCK: &str = "pool.lock";

/// Journals that were set aside: this and a number.
const ASIDE: &str = "pool.journal.aside.";

/// How many of those are kept; the oldest go first.
const MOST_ASIDE: usize = 8;

/// A snapshot of the largest pool with long names has about 50 MiB, and the journal at most five times that.
const LARGEST: u64 = 256 << 20;

/// Opens only what lies under the name itself, and does not wait for a FIFO.
const PLAIN: OFlag = OFlag::O_NOFOLLOW.union(OFlag::O_NONBLOCK).union(OFlag::O_CLOEXEC);

const FILE_MODE: Mode = Mode::S_IRUSR.union(Mode::S_IWUSR);

#[derive(Debug)]
pub(crate) struct Directory {
    fd: OwnedFd,
    path: PathBuf,
    /// Released by the kernel with the process.
    _lock: File,
}

/// The journal as it was found.
pub(crate) enum Found {
    Missing,
    Bytes(Vec<u8>),
    Useless(Damage),
}

impl Directory {
    /// Opens the directory, made (mode 0700) where it is missing, and locks it.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(StoreError::io("create", path))?;
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = open(path, flags, Mode::empty()).map_err(StoreError::io("open", path))?;
        let fd = File::from(fd);
        let found = fd.metadata().map_err(StoreError::io("inspect", path))?;
        let (uid, mode) = (found.uid(), found.mode() & 0o7777);
        if uid != geteuid().as_raw() || mode & 0o022 != 0 {
            return Err(StoreError::NotPrivate { path: path.to_owned(), uid, mode });
        }
        let lock = path.join(LOCK);
        let file = openat(&fd, LOCK, OFlag::O_CREAT | OFlag::O_RDWR | PLAIN, FILE_MODE)
            .map(File::from)
            .map_err(StoreError::io("open", &lock))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { fd: fd.into(), path: path.to_owned(), _lock: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: lock }),
            Err(TryLockError::Error(source)) => Err(StoreError::Io { action: "lock", path: lock, source }),
        }
    }

    /// Path of a file in it, for messages.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Reads the journal.
    pub(crate) fn read_journal(&self) -> Result<Found, StoreError> {
        let file = match openat(&self.fd, JOURNAL, OFlag::O_RDONLY | PLAIN, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::ENOENT) => return Ok(Found::Missing),
            // A symbolic link; a socket or a device without a driver.
            Err(Errno::ELOOP | Errno::ENXIO | Errno::ENODEV) => return Ok(Found::Useless(Damage::Foreign)),
            Err(errno) => return Err(StoreError::io("open", self.path(JOURNAL))(errno)),
        };
        let read = || -> io::Result<_> {
            let metadata = file.metadata()?;
            if !metadata.is_file() || metadata.uid() != geteuid().as_raw() {
                return Ok(Found::Useless(Damage::Foreign));
            }
            if metadata.len() > LARGEST {
                return Ok(Found::Useless(Damage::TooLarge));
            }
            let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
            (&file).take(LARGEST).read_to_end(&mut bytes)?;
            Ok(Found::Bytes(bytes))
        };
        read().map_err(StoreError::io("read", self.path(JOURNAL)))
    }

    /// An empty file for the next journal. What an earlier, unfinished one left goes.
    pub(crate) fn create_draft(&self) -> Result<File, StoreError> {
        self.remove(DRAFT)?;
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_RDWR | PLAIN;
        openat(&self.fd, DRAFT, flags, FILE_MODE)
            .map(File::from)
            .map_err(StoreError::io("create", self.path(DRAFT)))
    }

    /// Makes the complete draft the journal.
    pub(crate) fn publish_draft(&self) -> Result<(), StoreError> {
        renameat(&self.fd, DRAFT, &self.fd, JOURNAL).map_err(StoreError::io("rename", self.path(DRAFT)))
    }

    /// Removes an unfinished draft, for the space it takes.
    pub(crate) fn drop_draft(&self) {
        // It is removed before the next one is made, too.
        self.remove(DRAFT).ok();
    }

    /// Gives the journal a second name, under which it stays when the next snapshot takes the first. Returns
    /// that name.
    pub(crate) fn set_journal_aside(&self) -> Result<PathBuf, StoreError> {
        let mut numbers = self.aside()?;
        numbers.sort_unstable();
        let next = numbers.last().map_or(1, |last| last.saturating_add(1));
        let surplus = (numbers.len() + 1).saturating_sub(MOST_ASIDE);
        for number in numbers.iter().take(surplus) {
            // One that cannot be removed is one more.
            self.remove(&format!("{ASIDE}{number}")).ok();
        }
        let name = format!("{ASIDE}{next}");
        match linkat(&self.fd, JOURNAL, &self.fd, name.as_str(), AtFlags::empty()) {
            Ok(()) => {}
            // A directory, or a file system without links.
            Err(_) => renameat(&self.fd, JOURNAL, &self.fd, name.as_str())
                .map_err(StoreError::io("set aside", self.path(JOURNAL)))?,
        }
        Ok(self.path(&name))
    }

    /// The numbers of the journals that were set aside.
    fn aside(&self) -> Result<Vec<u64>, StoreError> {
        let number = |name: &CStr| name.to_str().ok()?.strip_prefix(ASIDE)?.parse().ok();
        let list = || -> nix::Result<_> {
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            let mut dir = Dir::openat(&self.fd, ".", flags, Mode::empty())?;
            dir.iter().filter_map(|entry| entry.map(|entry| number(entry.file_name())).transpose()).collect()
        };
        list().map_err(StoreError::io("list", &self.path))
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        match unlinkat(&self.fd, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(StoreError::io("remove", self.path(name))(errno)),
        }
    }
}
