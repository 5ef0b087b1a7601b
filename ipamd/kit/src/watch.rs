//! Changes in a directory, by inotify(7).
//!
//! A file of a `ConfigMap` is a link through `..data`, which is a link itself and is replaced by rename: the file's own
//! inode never changes. So the directory is watched, and whoever hears of a change reads the files again and compares.
//! A directory that is not there is waited for at its nearest ancestor that is.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::path::{Path, PathBuf};

use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What may change the files under a name: written, renamed, linked or removed; and the directory's own end.
const CHANGES: WatchMask = WatchMask::CLOSE_WRITE
    .union(WatchMask::CREATE)
    .union(WatchMask::MOVE)
    .union(WatchMask::DELETE)
    .union(WatchMask::DELETE_SELF)
    .union(WatchMask::MOVE_SELF)
    .union(WatchMask::ONLYDIR);

/// Events that are read at a time; more are read the next time.
const BUFFER: usize = 4096;

/// A watched directory. The kernel's queue is read as a whole, so that a burst of changes is heard of once.
#[derive(Debug)]
pub struct DirectoryWatch {
    directory: PathBuf,
    inotify: AsyncFd<Descriptor>,
    /// What is watched: the directory, or the ancestor at which it is waited for.
    watched: Option<WatchDescriptor>,
    /// Whether that is the directory itself.
    is_there: bool,
}

/// `AsyncFd` wants a file descriptor by reference.
#[derive(Debug)]
struct Descriptor(Inotify);

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl DirectoryWatch {
    /// Starts to watch. Changes from now on are heard of, so that files read after this call are not stale.
    pub fn new(directory: impl Into<PathBuf>) -> io::Result<Self> {
        let descriptor = Descriptor(Inotify::init()?);
        // SAFETY: the value owns its descriptor, never replaces it, and lives as long as the `AsyncFd`.
        #[expect(unsafe_code, reason = "the type promises it; tokio has no safe way to be told")]
        let inotify = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }?;
        let mut watch = Self { directory: directory.into(), inotify, watched: None, is_there: false };
        watch.attach()?;
        Ok(watch)
    }

    /// Waits for a change in the directory. Some are no change of the wanted files: compare.
    pub async fn changed(&mut self) -> io::Result<()> {
        loop {
            let was_there = self.is_there;
            let mut ready = self.inotify.readable_mut().await?;
            let mut buffer = [0; BUFFER];
            let mut ended = HashSet::new();
            match ready.get_inner_mut().0.read_events(&mut buffer) {
                Ok(events) => ended.extend(
                    events
                        .filter(|event| event.mask.intersects(EventMask::IGNORED | EventMask::MOVE_SELF))
                        .map(|event| event.wd),
                ),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready.clear_ready();
                    continue;
                }
                Err(error) => return Err(error),
            }
            self.watched = self.watched.take().filter(|watched| !ended.contains(watched));
            self.attach()?;
            // What happens beside a directory that is not there, and still is not, is no change in it.
            if was_there || self.is_there {
                return Ok(());
            }
        }
    }

    /// Watches the directory, or the nearest ancestor that is there, and nothing else.
    fn attach(&mut self) -> io::Result<()> {
        loop {
            let (at, descriptor) = self.nearest()?;
            self.is_there = at == self.directory;
            if self.watched.as_ref() != Some(&descriptor)
                && let Some(former) = self.watched.replace(descriptor)
            {
                // Gone by itself where the directory is gone.
                self.inotify.get_ref().0.watches().remove(former).ok();
            }
            // The next one down may have appeared before its parent was watched.
            let next = self.directory.ancestors().take_while(|path| *path != at).last();
            if !next.is_some_and(Path::is_dir) {
                return Ok(());
            }
        }
    }

    fn nearest(&self) -> io::Result<(PathBuf, WatchDescriptor)> {
        let mut missing = io::Error::from(io::ErrorKind::NotFound);
        for path in self.directory.ancestors() {
            let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
            match self.inotify.get_ref().0.watches().add(path, CHANGES) {
                Ok(descriptor) => return Ok((path.to_owned(), descriptor)),
                Err(error) if is_absence(&error) => missing = error,
                Err(error) => return Err(error),
            }
        }
        Err(missing)
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests;
