//! Network namespaces.
//!
//! A namespace is entered for one piece of work, and the thread comes back or the process ends: none is ever left in
//! the wrong namespace. (A thread made for it would do too, but waking another processor and being woken by it takes
//! longer than all that the plugin does in the pod.) Most work needs no entering: a netlink socket stays in the
//! namespace it was opened in.

use std::{
    fs::{File, Metadata},
    io::{self, ErrorKind},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd},
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use nix::{
    libc::{CLONE_NEWNET, O_NONBLOCK},
    sched::{CloneFlags, setns},
    sys::{
        socket::{AddressFamily, SockFlag, SockType, socket},
        statfs::{NSFS_MAGIC, fstatfs},
    },
};

/// The calling thread's own namespace; `/proc/self` would be the main thread's.
const CURRENT: &str = "/proc/thread-self/ns/net";

/// How often a thread tries to go back.
const RETURNS: usize = 1000;

mod ioctl {
    // ioctl_ns(2): which kind of namespace a descriptor is of, as a CLONE_NEW* value.
    nix::ioctl_none!(ns_get_nstype, 0xb7, 0x3);
    // `SIOCGSKNS` of linux/sockios.h: a descriptor of the socket's network namespace.
    nix::ioctl_none_bad!(get_namespace, 0x894c);
}

/// An open network namespace. It lives as long as this handle.
#[derive(Debug)]
pub struct Netns {
    file: File,
    path: PathBuf,
}

/// The identity of a namespace: device and inode of its file, as `stat` shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetnsId {
    device: u64,
    inode: u64,
}

fn identity(metadata: &Metadata) -> NetnsId {
    NetnsId { device: metadata.dev(), inode: metadata.ino() }
}

/// Why a namespace could not be opened or entered.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// Nothing is at the path.
    #[error("network namespace {} does not exist", .path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// Something else is at the path.
    #[error("{} is not a network namespace", .path.display())]
    NotANamespace {
        /// The path.
        path: PathBuf,
    },
    /// The path could not be opened or looked at.
    #[error("cannot open network namespace {}", .path.display())]
    Open {
        /// The path.
        path: PathBuf,
        /// The failing system call's error.
        #[source]
        source: io::Error,
    },
    /// The thread could not enter it.
    #[error("cannot enter network namespace {}", .path.display())]
    Enter {
        /// The path.
        path: PathBuf,
        /// The failing system call's error.
        #[source]
        source: io::Error,
    },
}

impl Netns {
    /// Opens the namespace that `path` is bound to, for example `/run/netns/NAME` or `/proc/PID/ns/net`.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, NetnsError> {
        let path = path.into();
        // Opening a pipe would wait for its writer. std opens with O_CLOEXEC.
        let file = match File::options().read(true).custom_flags(O_NONBLOCK).open(&path) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Err(NetnsError::Missing { path });
            }
            Err(source) => return Err(NetnsError::Open { path, source }),
        };
        match is_network_namespace(&file) {
            Ok(true) => Ok(Self { file, path }),
            Ok(false) => Err(NetnsError::NotANamespace { path }),
            Err(source) => Err(NetnsError::Open { path, source }),
        }
    }

    /// The path that the namespace was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the calling thread is in this very namespace.
    pub fn is_current(&self) -> Result<bool, NetnsError> {
        let compare = || Ok(identity(&self.file.metadata()?) == identity(&current()?.metadata()?));
        compare().map_err(|source| NetnsError::Open { path: self.path.clone(), source })
    }

    /// What tells it from every other namespace of this boot, by whatever path it was opened.
    pub fn id(&self) -> Result<NetnsId, NetnsError> {
        let metadata = self.file.metadata();
        metadata
            .map(|metadata| identity(&metadata))
            .map_err(|source| NetnsError::Open { path: self.path.clone(), source })
    }

    /// Runs `work` in the namespace and comes back, also from a panic.
    pub fn run<T>(&self, work: impl FnOnce() -> T) -> Result<T, NetnsError> {
        let enter = || {
            let home = Home(current()?);
            enter(&self.file)?;
            Ok(home)
        };
        let home = enter().map_err(|source| NetnsError::Enter { path: self.path.clone(), source })?;
        let done = work();
        drop(home);
        Ok(done)
    }
}

/// The namespace that a thread goes back to.
#[derive(Debug)]
struct Home(File);

impl Drop for Home {
    /// A thread that cannot go back must not go on: it would change the pod when it means the node. The kernel may
    /// be short of memory for a moment.
    fn drop(&mut self) {
        for _ in 0..RETURNS {
            if enter(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        std::process::abort();
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The calling thread's own namespace, as a file: that of a new socket (`SIOCGSKNS`, Linux 4.10), for whoever has
/// `CAP_NET_ADMIN`. By its path the kernel makes the folders of process and thread when they are first asked for, which takes
/// several times as long.
pub(crate) fn current() -> io::Result<File> {
    let any = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    // SAFETY: the descriptor is open for the whole call and the ioctl takes no argument.
    match unsafe { ioctl::get_namespace(any.as_raw_fd()) } {
        // SAFETY: the kernel has just made this descriptor, and nobody else knows it.
        Ok(namespace) => Ok(unsafe { File::from_raw_fd(namespace) }),
        Err(_) => File::open(CURRENT),
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that enters namespaces, and comes back")]
fn enter(namespace: &File) -> io::Result<()> {
    setns(namespace, CloneFlags::CLONE_NEWNET).map_err(io::Error::from)
}

fn is_network_namespace(file: &File) -> io::Result<bool> {
    if fstatfs(file)?.filesystem_type() != NSFS_MAGIC {
        return Ok(false);
    }
    // SAFETY: the descriptor is open for the whole call and the ioctl takes no argument.
    // nix offers no safe call for it.
    let kind = unsafe { ioctl::ns_get_nstype(file.as_raw_fd()) }?;
    Ok(kind == CLONE_NEWNET)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_namespace_is_current() {
        assert!(Netns::open(CURRENT).unwrap().is_current().unwrap());
    }

    #[test]
    fn what_is_no_network_namespace_is_refused_by_kind() {
        for missing in ["/nonexistent", "/proc/self/status/net"] {
            assert!(matches!(Netns::open(missing), Err(NetnsError::Missing { .. })), "{missing}");
        }
        for other in ["/", "/proc/self/status", "/proc/self/ns/mnt"] {
            let error = Netns::open(other).unwrap_err();
            assert_eq!(error.to_string(), format!("{other} is not a network namespace"));
        }
    }
}
