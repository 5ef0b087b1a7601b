//! The directory of intents, opened once and trusted only if it is root's.

use std::fs::{DirBuilder, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

use super::{ContentError, Form, Intent, MAX_INTENT, MAX_INTENTS, POOL_FILE};
use crate::encode;

/// What can go wrong with intents.
#[derive(Debug, thiserror::Error)]
pub enum IntentError {
    /// The directory or file is somebody else's, or open to others.
    #[error("{} belongs to uid {uid} with mode {mode:o}: it must be root's alone", path.display())]
    NotPrivate {
        /// The directory or file.
        path: PathBuf,
        /// Its owner.
        uid: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// Too many intents wait.
    #[error("{} has {MAX_INTENTS} release intents already", path.display())]
    Full {
        /// The directory.
        path: PathBuf,
    },
    /// Not a regular file, or a larger one than any intent.
    #[error("{} is no file of at most {MAX_INTENT} bytes", path.display())]
    NoIntent {
        /// The file.
        path: PathBuf,
    },
    /// A file that cannot be read as an intent.
    #[error("{} is no release intent", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ContentError,
    },
    /// A file operation failed.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was being done, as a verb.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl IntentError {
    fn io<E: Into<std::io::Error>>(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(E) -> Self {
        let path = path.into();
        move |error| Self::Io { doing, path, source: error.into() }
    }
}

/// An open directory of intents.
#[derive(Debug)]
pub struct Intents {
    dir: OwnedFd,
    path: PathBuf,
    form: Form,
}

impl Intents {
    /// Opens the directory; `None` where it is not there.
    pub fn open(path: &Path, form: Form) -> Result<Option<Self>, IntentError> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let dir = match nix::fcntl::open(path, flags, Mode::empty()) {
            Ok(dir) => File::from(dir),
            Err(Errno::ENOENT) => return Ok(None),
            Err(errno) => return Err(IntentError::io("open", path)(errno)),
        };
        let found = dir.metadata().map_err(IntentError::io("inspect", path))?;
        // Azure's plugins make theirs readable to all.
        let forbidden = if form == Form::Podnet { 0o077 } else { 0o022 };
        let (uid, mode) = (found.uid(), found.mode() & 0o7777);
        if uid != nix::unistd::geteuid().as_raw() || mode & forbidden != 0 {
            return Err(IntentError::NotPrivate { path: path.to_owned(), uid, mode });
        }
        Ok(Some(Self { dir: dir.into(), path: path.to_owned(), form }))
    }

    /// Opens the directory and makes it where it is missing.
    pub fn create(path: &Path, form: Form) -> Result<Self, IntentError> {
        if let Some(intents) = Self::open(path, form)? {
            return Ok(intents);
        }
        let made = DirBuilder::new().mode(0o700).recursive(true).create(path);
        made.map_err(IntentError::io("create", path))?;
        Self::open(path, form)?.ok_or_else(|| IntentError::io("open", path)(Errno::ENOENT))
    }

    /// The id of the pool that the daemon serves, so far as one ever said so.
    pub fn pool(&self) -> Result<Option<String>, IntentError> {
        let Some(file) = self.open_file(POOL_FILE)? else { return Ok(None) };
        let id = self.read(file, POOL_FILE)?;
        Ok(String::from_utf8(id).ok().map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()))
    }

    /// Says which pool is served here.
    pub fn announce(&self, pool: &str) -> Result<(), IntentError> {
        let new = format!(".{POOL_FILE}.new");
        self.unlink(&new)?;
        self.write_as(&new, pool.as_bytes())?;
        renameat(&self.dir, new.as_str(), self.dir.as_fd(), POOL_FILE)
            .map_err(IntentError::io("rename", self.path.join(&new)))
    }

    /// Leaves an intent called `name`, of the pool that is served here. One that is there already says the same.
    pub fn leave(&self, name: &str, intent: &Intent) -> Result<(), IntentError> {
        if self.names()?.len() >= MAX_INTENTS {
            return Err(IntentError::Full { path: self.path.clone() });
        }
        let content = match self.form {
            Form::Podnet => encode(&Intent { pool: self.pool()?, ..intent.clone() }),
            Form::Cns => intent.pod_interface_id.clone().into_bytes(),
        };
        if content.len() > MAX_INTENT {
            return Err(IntentError::NoIntent { path: self.path.join(name) });
        }
        self.write_as(name, &content)
    }

    /// Takes an intent back, if it still waits. Says whether it did.
    pub fn withdraw(&self, name: &str) -> Result<bool, IntentError> {
        let Some(file) = self.open_file(name)? else { return Ok(false) };
        let waits = self.lock(&file, name)?;
        if waits {
            self.unlink(name)?;
        }
        Ok(waits)
    }

    /// The names of all that wait, at most [`MAX_INTENTS`] of them.
    pub fn names(&self) -> Result<Vec<String>, IntentError> {
        let entries = std::fs::read_dir(&self.path).map_err(IntentError::io("list", &self.path))?;
        let names = entries.filter_map(|entry| match entry {
            Ok(entry) => entry.file_name().into_string().ok().filter(|name| is_intent(name)).map(Ok),
            Err(error) => Some(Err(IntentError::io("list", &self.path)(error))),
        });
        names.take(MAX_INTENTS).collect()
    }

    /// Reads an intent and holds its lock; `None` where it no longer waits.
    pub fn claim(&self, name: &str) -> Result<Option<Claimed<'_>>, IntentError> {
        let Some(file) = self.open_file(name)? else { return Ok(None) };
        if !self.lock(&file, name)? {
            return Ok(None);
        }
        let lock = file.try_clone().map_err(IntentError::io("open", self.path.join(name)))?;
        let content = self.read(file, name)?;
        let parsed = Intent::parse(name, &content);
        let intent = parsed.map_err(|source| IntentError::Content { path: self.path.join(name), source })?;
        Ok(Some(Claimed { intents: self, name: name.to_owned(), intent, _lock: lock }))
    }

    /// Opens a file of this directory; `None` where there is none. Only what the owner of the directory wrote is read.
    fn open_file(&self, name: &str) -> Result<Option<File>, IntentError> {
        let path = self.path.join(name);
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = match openat(&self.dir, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::ENOENT) => return Ok(None),
            Err(errno) => return Err(IntentError::io("open", path)(errno)),
        };
        let found = file.metadata().map_err(IntentError::io("inspect", &path))?;
        if !found.is_file() || found.len() > MAX_INTENT as u64 {
            return Err(IntentError::NoIntent { path });
        }
        let (uid, mode) = (found.uid(), found.mode() & 0o7777);
        if uid != nix::unistd::geteuid().as_raw() || mode & 0o022 != 0 {
            return Err(IntentError::NotPrivate { path, uid, mode });
        }
        Ok(Some(file))
    }

    /// Waits for the file's lock. Says whether the file still has a name.
    fn lock(&self, file: &File, name: &str) -> Result<bool, IntentError> {
        file.lock().map_err(IntentError::io("lock", self.path.join(name)))?;
        let found = file.metadata().map_err(IntentError::io("inspect", self.path.join(name)))?;
        Ok(found.nlink() > 0)
    }

    fn read(&self, file: File, name: &str) -> Result<Vec<u8>, IntentError> {
        let mut content = Vec::new();
        let read = file.take(MAX_INTENT as u64).read_to_end(&mut content);
        read.map_err(IntentError::io("read", self.path.join(name)))?;
        Ok(content)
    }

    /// Makes a file that has its content from the moment it has a name; one of that name stays as it is.
    fn write_as(&self, name: &str, content: &[u8]) -> Result<(), IntentError> {
        let path = self.path.join(name);
        let flags = OFlag::O_TMPFILE | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let file = openat(&self.dir, ".", flags, Mode::from_bits_truncate(0o600));
        let mut file = File::from(file.map_err(IntentError::io("create", &path))?);
        file.write_all(content).map_err(IntentError::io("write", &path))?;
        let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
        match linkat(AT_FDCWD, unnamed.as_str(), &self.dir, name, AtFlags::AT_SYMLINK_FOLLOW) {
            Ok(()) | Err(Errno::EEXIST) => Ok(()),
            Err(errno) => Err(IntentError::io("create", path)(errno)),
        }
    }

    fn unlink(&self, name: &str) -> Result<(), IntentError> {
        match unlinkat(&self.dir, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(IntentError::io("remove", self.path.join(name))(errno)),
        }
    }
}

fn is_intent(name: &str) -> bool {
    name != POOL_FILE && !name.starts_with('.')
}

/// An intent whose lock is held. Dropped, it waits on.
#[derive(Debug)]
pub struct Claimed<'a> {
    intents: &'a Intents,
    name: String,
    intent: Intent,
    _lock: File,
}

impl Claimed<'_> {
    /// What is to be released.
    pub fn intent(&self) -> &Intent {
        &self.intent
    }

    /// It was applied: the file goes.
    pub fn remove(self) -> Result<(), IntentError> {
        self.intents.unlink(&self.name)
    }
}
