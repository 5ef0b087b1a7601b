//! The network's kernel parameters, as files under `/proc/sys/net` of the calling thread's namespace.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    os::fd::OwnedFd,
    path::Path,
};

use nix::{
    fcntl::{self, OFlag},
    sys::stat::Mode,
};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

const ROOT: &str = "/proc/sys/net";

/// Why a parameter could not be read or set.
#[derive(Debug, thiserror::Error)]
pub enum SysctlError {
    /// It could not be read.
    #[error("cannot read net/{name}")]
    Read {
        /// The parameter, below `/proc/sys/net`.
        name: String,
        /// The error of the system call.
        #[source]
        source: io::Error,
    },
    /// It could not be set.
    #[error("cannot set net/{name} to {value}")]
    Write {
        /// The parameter, below `/proc/sys/net`.
        name: String,
        /// The value that was to be set.
        value: String,
        /// The error of the system call.
        #[source]
        source: io::Error,
    },
}

/// The parameter's value, for whoever looks at the node; `None` where the kernel has no such parameter. `name` is relative
/// to `/proc/sys/net`, for example `ipv4/ip_forward`.
pub fn parameter(name: &str) -> Result<Option<String>, SysctlError> {
    match read(name) {
        Err(SysctlError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        value => value.map(Some),
    }
}

/// The parameter's value, without the line's end. `name` is relative, for example `ipv4/ip_forward`.
pub(crate) fn read(name: &str) -> Result<String, SysctlError> {
    match fs::read_to_string(format!("{ROOT}/{name}")) {
        Ok(text) => Ok(text.trim_end().to_owned()),
        Err(source) => Err(SysctlError::Read { name: name.to_owned(), source }),
    }
}

/// Sets the parameter where it differs: writing some of them has effects of its own.
pub(crate) fn ensure(name: &str, value: &str) -> Result<(), SysctlError> {
    Tree::node().ensure(name, value)
}

/// A view of the parameters, of whichever namespace the calling thread is in.
///
/// The kernel remembers what was looked up in a mounted `/proc`, for each namespace under the same name, and walks over all
/// of it: with a thousand pods visited through the node's `/proc`, every later look takes a millisecond. A mount that lives
/// for one visit remembers nothing.
#[derive(Debug)]
pub(crate) struct Tree(Option<OwnedFd>);

impl Tree {
    /// The node's, for its own namespace.
    pub(crate) fn node() -> Self {
        Self(None)
    }

    /// As [`ensure`].
    pub(crate) fn ensure(&self, name: &str, value: &str) -> Result<(), SysctlError> {
        let failed = |source| SysctlError::Read { name: name.to_owned(), source };
        let mut found = String::new();
        self.open(name, OFlag::O_RDONLY)
            .and_then(|mut file| file.read_to_string(&mut found))
            .map_err(failed)?;
        if found.trim_end() == value { Ok(()) } else { self.write(name, value) }
    }

    /// Sets the parameter, of a new link's that is known to differ, where the kernel has such a one.
    pub(crate) fn set_where_known(&self, name: &str, value: &str) -> Result<(), SysctlError> {
        match self.write(name, value) {
            Err(SysctlError::Write { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn write(&self, name: &str, value: &str) -> Result<(), SysctlError> {
        tracing::debug!(name, value, "setting a kernel parameter");
        let file = self.open(name, OFlag::O_WRONLY);
        file.and_then(|mut file| file.write_all(value.as_bytes())).map_err(|source| SysctlError::Write {
            name: name.to_owned(),
            value: value.to_owned(),
            source,
        })
    }

    fn open(&self, name: &str, access: OFlag) -> io::Result<File> {
        let flags = access | OFlag::O_CLOEXEC;
        let opened = match &self.0 {
            None => fcntl::open(format!("{ROOT}/{name}").as_str(), flags, Mode::empty()),
            Some(proc) => fcntl::openat(proc, format!("sys/net/{name}").as_str(), flags, Mode::empty()),
        };
        Ok(opened?.into())
    }
}

/// The parameters of a pod's namespace: a [`Tree`] for a visit there, which is made when it is first needed.
#[derive(Debug, Default)]
pub(crate) struct Visit(Option<Tree>);

impl Visit {
    /// Makes it.
    pub(crate) fn prepare(&mut self) {
        self.tree();
    }

    /// It; the node's, where there can be no other.
    pub(crate) fn tree(&mut self) -> &Tree {
        self.0.get_or_insert_with(|| {
            Tree(mount().inspect_err(|error| tracing::debug!(%error, "no mount of /proc for a visit")).ok())
        })
    }
}

/// A `/proc` that is mounted nowhere and goes with the descriptor (Linux 5.8).
fn mount() -> rustix::io::Result<OwnedFd> {
    let context = fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
}

/// Whether the kernel has IPv6 at all: it may be built without it or booted with `ipv6.disable=1`. Where that cannot be
/// found out it has: whoever then asks it for IPv6 in vain is told.
pub(crate) fn has_ipv6() -> bool {
    Path::new("/proc/sys/net/ipv6").try_exists().unwrap_or(true)
}
