//! podnet in place of the reference plugins: a folder of links, one by the name of each plugin.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::failure::{Context as _, Failure};
use crate::tools;

/// The plugins that podnet takes the place of.
pub const NAMES: [&str; 7] = ["bridge", "ptp", "loopback", "host-local", "static", "portmap", "bandwidth"];

/// Where the links are, in a sandbox.
const FOLDER: &str = "/run/podnet-links";

/// Who a reference plugin's name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// podnet.
    Podnet,
    /// The reference plugin itself.
    Reference,
}

impl Maker {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Podnet, Self::Reference];

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Podnet => Self::Reference,
            Self::Reference => Self::Podnet,
        }
    }

    /// A word for names of tests.
    pub fn word(self) -> &'static str {
        match self {
            Self::Podnet => "podnet",
            Self::Reference => "reference",
        }
    }

    /// The folder for `CNI_PATH`.
    pub fn folder(self) -> Result<PathBuf, Failure> {
        match self {
            Self::Podnet => links(),
            Self::Reference => tools::reference(),
        }
    }
}

fn links() -> Result<PathBuf, Failure> {
    let podnet = fs::canonicalize(tools::podnet()?)?;
    if fs::create_dir(FOLDER).is_ok() {
        for name in NAMES {
            symlink(&podnet, PathBuf::from(FOLDER).join(name)).doing(name)?;
        }
    }
    Ok(FOLDER.into())
}
