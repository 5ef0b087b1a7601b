//! The directory of records: made, locked, replaced and removed, each in one step.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};
use podnet_datapath::OwnerId;
use podnet_host_local::unnamed;

use super::{ATTACHMENTS, Record};

/// What can go wrong with the records.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    /// The attachment has a record already: a second ADD.
    #[error("attachment {0} exists already")]
    Exists(OwnerId),
    /// Another process works on the attachment.
    #[error("attachment {0} is being worked on")]
    Busy(OwnerId),
    /// The directory is open to others than root.
    #[error("{} belongs to uid {uid} with mode {mode:o}: it must be root's alone", path.display())]
    NotPrivate {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        uid: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// A file operation failed.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was being done, as a verb.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl RecordError {
    fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }

    fn errno(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(Errno) -> Self {
        let into = Self::io(doing, path);
        move |errno| into(errno.into())
    }
}

/// The directory of records, opened once.
#[derive(Debug)]
pub(crate) struct Registry {
    dir: OwnedFd,
    path: PathBuf,
}

impl Registry {
    /// Opens the directory; `None` when it is not there, as on a node where no pod was ever added since boot.
    pub(crate) fn open() -> Result<Option<Self>, RecordError> {
        Self::open_at(Path::new(ATTACHMENTS))
    }

    /// Opens the directory and makes it where it is missing.
    pub(crate) fn create() -> Result<Self, RecordError> {
        Self::create_at(Path::new(ATTACHMENTS))
    }

    /// Opens a directory of records; `None` where it is not there.
    pub(crate) fn open_at(path: &Path) -> Result<Option<Self>, RecordError> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let dir = match nix::fcntl::open(path, flags, Mode::empty()) {
            Ok(dir) => File::from(dir),
            Err(Errno::ENOENT) => return Ok(None),
            Err(errno) => return Err(RecordError::errno("open", path)(errno)),
        };
        let found = dir.metadata().map_err(RecordError::io("inspect", path))?;
        let (uid, mode) = (found.uid(), found.mode() & 0o7777);
        if uid != nix::unistd::geteuid().as_raw() || mode & 0o077 != 0 {
            return Err(RecordError::NotPrivate { path: path.to_owned(), uid, mode });
        }
        Ok(Some(Self { dir: dir.into(), path: path.to_owned() }))
    }

    /// Opens a directory of records and makes it where it is missing.
    pub(crate) fn create_at(path: &Path) -> Result<Self, RecordError> {
        if let Some(registry) = Self::open_at(path)? {
            return Ok(registry);
        }
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(path).map_err(RecordError::io("create", path))?;
        Self::open_at(path)?.ok_or_else(|| RecordError::errno("open", path)(Errno::ENOENT))
    }

    /// Writes the record of a new attachment and holds its lock; fails with [`RecordError::Exists`] where there
    /// is one already, finished or not.
    pub(crate) fn claim(&self, id: OwnerId, record: &Record) -> Result<Entry<'_>, RecordError> {
        let name = id.to_string();
        let path = self.path.join(&name);
        let flags = OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC;
        let file = openat(&self.dir, ".", flags, Mode::from_bits_truncate(0o600))
            .map_err(RecordError::errno("create", &path))?;
        let file = locked_and_written(file.into(), record, &path)?;
        match unnamed::name(&file, &self.dir, &name) {
            Ok(()) => Ok(Entry { registry: self, id, file, record: Some(record.clone()) }),
            Err(Errno::EEXIST) => Err(RecordError::Exists(id)),
            Err(errno) => Err(RecordError::errno("create", path)(errno)),
        }
    }

    /// The record of an attachment, once nobody else works on it; `None` when there is none.
    pub(crate) fn lock(&self, id: OwnerId) -> Result<Option<Entry<'_>>, RecordError> {
        self.entry(id, File::lock)
    }

    /// As [`Registry::lock`], but without waiting: [`RecordError::Busy`] where somebody works on the attachment.
    pub(crate) fn try_lock(&self, id: OwnerId) -> Result<Option<Entry<'_>>, RecordError> {
        self.entry(id, |file| Ok(file.try_lock()?))
    }

    fn entry(
        &self,
        id: OwnerId,
        lock: impl Fn(&File) -> std::io::Result<()>,
    ) -> Result<Option<Entry<'_>>, RecordError> {
        let path = self.path.join(id.to_string());
        loop {
            let Some(mut file) = self.open_record(id)? else { return Ok(None) };
            lock(&file).map_err(|error| match error.kind() {
                ErrorKind::WouldBlock => RecordError::Busy(id),
                _ => RecordError::io("lock", &path)(error),
            })?;
            // ADD replaces the file and DEL removes it while others wait for the lock: then this one is history.
            if file.metadata().map_err(RecordError::io("inspect", &path))?.nlink() == 0 {
                continue;
            }
            let record = read(&mut file, &path)?;
            return Ok(Some(Entry { registry: self, id, file, record }));
        }
    }

    fn open_record(&self, id: OwnerId) -> Result<Option<File>, RecordError> {
        let name = id.to_string();
        let flags = OFlag::O_RDWR | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        match openat(&self.dir, name.as_str(), flags, Mode::empty()) {
            Ok(file) => Ok(Some(file.into())),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(RecordError::errno("open", self.path.join(name))(errno)),
        }
    }

    /// The record of an attachment without waiting for anybody: for a look, not for a change.
    pub(crate) fn read(&self, id: OwnerId) -> Result<Option<Record>, RecordError> {
        match self.open_record(id)? {
            Some(mut file) => read(&mut file, &self.path.join(id.to_string())),
            None => Ok(None),
        }
    }

    /// Every attachment that has a record; other files in the directory are passed over.
    pub(crate) fn ids(&self) -> Result<Vec<OwnerId>, RecordError> {
        let entries = std::fs::read_dir(&self.path).map_err(RecordError::io("list", &self.path))?;
        entries
            .filter_map(|entry| match entry {
                Ok(entry) => OwnerId::parse(entry.file_name().to_str()?).map(Ok),
                Err(error) => Some(Err(RecordError::io("list", &self.path)(error))),
            })
            .collect()
    }

    /// The turn of one process at work on others' attachments, which ends with the file; `None` while it is another's.
    pub(crate) fn turn(&self) -> Result<Option<File>, RecordError> {
        let turn = File::open(&self.path).map_err(RecordError::io("open", &self.path))?;
        match turn.try_lock() {
            Ok(()) => Ok(Some(turn)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(RecordError::io("lock", &self.path)(error)),
        }
    }

    fn unlink(&self, name: &str) -> Result<(), RecordError> {
        match unlinkat(&self.dir, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(RecordError::errno("remove", self.path.join(name))(errno)),
        }
    }
}

/// A record that this process has locked. Dropping it gives the lock back and leaves the record.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    registry: &'a Registry,
    id: OwnerId,
    file: File,
    record: Option<Record>,
}

impl Entry<'_> {
    /// What the record says; `None` when it is damaged or of a newer schema: then its owner must be searched for.
    pub(crate) fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    /// When the record was written.
    pub(crate) fn written(&self) -> Option<SystemTime> {
        self.file.metadata().ok()?.modified().ok()
    }

    /// Puts a new content in place of the old, in one step.
    pub(crate) fn replace(&mut self, record: Record) -> Result<(), RecordError> {
        let (name, new) = (self.id.to_string(), successor(self.id));
        let path = self.registry.path.join(&new);
        let flags = OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_RDWR | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = openat(&self.registry.dir, new.as_str(), flags, Mode::from_bits_truncate(0o600))
            .map_err(RecordError::errno("create", &path))?;
        let file = locked_and_written(file.into(), &record, &path)?;
        renameat(&self.registry.dir, new.as_str(), self.registry.dir.as_fd(), name.as_str())
            .map_err(RecordError::errno("rename", &path))?;
        self.file = file;
        self.record = Some(record);
        Ok(())
    }

    /// Removes the record, and what a replacement that was cut short left.
    pub(crate) fn remove(self) -> Result<(), RecordError> {
        self.registry.unlink(&successor(self.id))?;
        self.registry.unlink(&self.id.to_string())
    }
}

/// The name a replacement has until it is renamed; one an attachment, so that nothing piles up.
fn successor(id: OwnerId) -> String {
    format!(".{id}.new")
}

fn locked_and_written(mut file: File, record: &Record, path: &Path) -> Result<File, RecordError> {
    file.try_lock().map_err(|error| RecordError::io("lock", path)(error.into()))?;
    let text = serde_json::to_vec(record).map_err(|error| RecordError::io("write", path)(error.into()))?;
    file.write_all(&text).map_err(RecordError::io("write", path))?;
    Ok(file)
}

fn read(file: &mut File, path: &Path) -> Result<Option<Record>, RecordError> {
    let mut text = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut text)).map_err(RecordError::io("read", path))?;
    Ok(serde_json::from_slice::<Record>(&text).ok().filter(Record::is_known))
}

#[cfg(test)]
mod tests;
