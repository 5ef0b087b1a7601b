//! Where the programs under test and the tools are: from the environment, else where the Makefile puts them.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Missing};

/// The podnet binary (`PODNET_BIN`).
pub fn podnet() -> Result<PathBuf, Failure> {
    located("PODNET_BIN", "release/podnet")
}

/// The ip-masq agent (`PODNET_MASQ_AGENT_BIN`).
pub fn masq_agent() -> Result<PathBuf, Failure> {
    located("PODNET_MASQ_AGENT_BIN", "release/podnet-masq-agent")
}

/// The podnet-ipamd binary (`PODNET_IPAMD_BIN`).
pub fn ipamd() -> Result<PathBuf, Failure> {
    located("PODNET_IPAMD_BIN", "release/podnet-ipamd")
}

/// The floor program (`FLOOR_BIN`).
pub fn floor() -> Result<PathBuf, Failure> {
    located("FLOOR_BIN", &format!("{}-unknown-linux-musl/release/floor", env::consts::ARCH))
}

/// The folder with `bridge` and `host-local` of the reference plugins 1.9.1 (`REFERENCE_BIN`).
pub fn reference() -> Result<PathBuf, Failure> {
    located("REFERENCE_BIN", "tools/plugins-1.9.1")
}

/// The reference runtime's command line tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CnitoolVersion {
    /// v1.3.0 (`CNITOOL_130`): no flags.
    V1_3_0,
    /// v1.3.1 (`CNITOOL_131`).
    V1_3_1,
}

impl CnitoolVersion {
    /// The binary.
    pub fn binary(self) -> Result<PathBuf, Failure> {
        match self {
            Self::V1_3_0 => located("CNITOOL_130", "tools/cnitool-1.3.0/cnitool"),
            Self::V1_3_1 => located("CNITOOL_131", "tools/cnitool-1.3.1/cnitool"),
        }
    }
}

/// A tool of the distribution, found in `PATH`.
pub fn in_path(name: &str) -> Result<PathBuf, Failure> {
    let path = env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/sbin:/usr/bin:/sbin:/bin"));
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| Failure::Skipped(Missing::Tool(format!("`{name}` is not in PATH"))))
}

/// The workspace's root.
pub fn workspace() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

fn located(variable: &str, in_target: &str) -> Result<PathBuf, Failure> {
    let path =
        env::var_os(variable).map_or_else(|| workspace().join("target").join(in_target), PathBuf::from);
    if path.exists() {
        Ok(path)
    } else {
        Err(Failure::Skipped(Missing::Tool(format!(
            "{} is missing (set {variable}, or run make)",
            path.display()
        ))))
    }
}
