//! A reservation that is written but bears no address yet.

use std::fs::File;
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

use super::Directory;
use crate::owner::ReservationOwner;

/// The file, complete but for its name.
#[derive(Debug)]
pub(super) enum Draft {
    /// Without a name (`O_TMPFILE`): a kill leaves nothing.
    Unnamed(File),
    /// Where the file system has no such files: under one name a network, which only the holder of the lock
    /// uses and which goes when the draft does. What a kill leaves, the next one removes.
    Named(PathBuf),
}

impl Draft {
    /// Writes the owner's reservation. To be called under the lock.
    pub(super) fn write(directory: &Directory, owner: &ReservationOwner) -> io::Result<Self> {
        let flags = OFlag::O_TMPFILE | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        match openat(&directory.fd, ".", flags, Mode::S_IRUSR | Mode::S_IWUSR) {
            Ok(fd) => {
                let mut file = File::from(fd);
                file.write_all(owner.content().as_bytes())?;
                Ok(Self::Unnamed(file))
            }
            // EISDIR: the file system's code does not know the flag at all (open(2)).
            Err(Errno::EOPNOTSUPP | Errno::EISDIR) => Self::write_named(&directory.store.draft, owner),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The file left by a kill may already be a live reservation under another name: it is removed, never
    /// written to.
    pub(super) fn write_named(path: &Path, owner: &ReservationOwner) -> io::Result<Self> {
        match unlinkat(AT_FDCWD, path, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let fd: OwnedFd = openat(AT_FDCWD, path, flags, Mode::S_IRUSR | Mode::S_IWUSR)?;
        let draft = Self::Named(path.to_owned());
        File::from(fd).write_all(owner.content().as_bytes())?;
        Ok(draft)
    }

    /// Gives the file an address's name; false where the name is taken.
    pub(super) fn link(&self, directory: &Directory, address: IpAddr) -> io::Result<bool> {
        let name = address.to_string();
        let linked = match self {
            Self::Unnamed(file) => crate::unnamed::name(file, &directory.fd, &name),
            Self::Named(path) => linkat(AT_FDCWD, path, &directory.fd, name.as_str(), AtFlags::empty()),
        };
        match linked {
            Ok(()) => Ok(true),
            Err(Errno::EEXIST) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Self::Named(path) = self {
            // What stays behind is removed by the next draft.
            unlinkat(AT_FDCWD, path.as_path(), UnlinkatFlags::NoRemoveDir).ok();
        }
    }
}
