//! The network's kernel parameters, as files under `/proc/sys/net` of the calling thread's namespace.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::Path,
};

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
    if read(name)? == value {
        return Ok(());
    }
    write(name, value)
}

/// Sets the parameter, of a new link's that is known to differ, where the kernel has such a one. It is looked up once: among a
/// thousand namespaces with a link of one name that takes a third of a millisecond.
pub(crate) fn set_where_known(name: &str, value: &str) -> Result<(), SysctlError> {
    match write(name, value) {
        Err(SysctlError::Write { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn write(name: &str, value: &str) -> Result<(), SysctlError> {
    tracing::debug!(name, value, "setting a kernel parameter");
    let file = OpenOptions::new().write(true).open(format!("{ROOT}/{name}"));
    file.and_then(|mut file| file.write_all(value.as_bytes())).map_err(|source| SysctlError::Write {
        name: name.to_owned(),
        value: value.to_owned(),
        source,
    })
}

/// Whether the kernel has IPv6 at all: it may be built without it or booted with `ipv6.disable=1`. Where that cannot be
/// found out it has: whoever then asks it for IPv6 in vain is told.
pub(crate) fn has_ipv6() -> bool {
    Path::new("/proc/sys/net/ipv6").try_exists().unwrap_or(true)
}
