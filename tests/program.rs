//! The programs under test: from the environment, else where the Makefile puts them.

use std::env;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// An executable file, held open.
///
/// It is started through its descriptor: the unprivileged user that it runs as may not be allowed to walk to it.
#[derive(Debug)]
pub struct Program {
    file: File,
    path: PathBuf,
}

impl Program {
    /// The podnet binary (`PODNET_BIN`).
    pub fn podnet() -> Result<Self, Failure> {
        Self::open("PODNET_BIN", "target/release/podnet", "", "build")
    }

    /// The podnet-ipamd binary (`PODNET_IPAMD_BIN`).
    pub fn ipamd() -> Result<Self, Failure> {
        Self::open("PODNET_IPAMD_BIN", "target/release/podnet-ipamd", "", "build")
    }

    /// The podnet-masq-agent binary (`PODNET_MASQ_AGENT_BIN`).
    pub fn masq_agent() -> Result<Self, Failure> {
        Self::open("PODNET_MASQ_AGENT_BIN", "target/release/podnet-masq-agent", "", "build")
    }

    /// The reference plugin `bridge` 1.9.1, in the folder `REFERENCE_BIN`.
    pub fn reference_bridge() -> Result<Self, Failure> {
        Self::open("REFERENCE_BIN", "target/tools/plugins-1.9.1", "bridge", "tools")
    }

    /// A relative path starts at the workspace's root: cargo runs tests elsewhere.
    fn open(
        variable: &'static str,
        default: &str,
        file: &str,
        target: &'static str,
    ) -> Result<Self, Failure> {
        let place = env::var_os(variable).filter(|place| !place.is_empty()).unwrap_or_else(|| default.into());
        let mut path = workspace().join(place);
        if !file.is_empty() {
            path.push(file);
        }
        match File::open(&path) {
            Ok(file) => Ok(Self { file, path }),
            Err(source) => Err(Failure::Missing { path, target, variable, source }),
        }
    }

    /// The path that it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path to it for this process's children, until they are somebody else.
    pub(crate) fn descriptor(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.file.as_raw_fd()).into()
    }
}

/// The workspace's root.
pub fn workspace() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Whether these tests run in CI, where every tool has to be there.
pub fn in_ci() -> bool {
    env::var_os("CI").is_some_and(|value| value == "true")
}
