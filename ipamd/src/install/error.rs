//! Why an installation stopped.

use std::io;
use std::path::{Path, PathBuf};

use crate::config::ConfigError;

/// Why a node was not changed, or not wholly. Calling again finishes what was begun.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A file operation failed.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// What was being done, as a verb.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// containerd's configuration cannot be understood.
    #[error("cannot find the plugins' folder in {}: name it with --bin-dir", path.display())]
    Containerd {
        /// containerd's configuration.
        path: PathBuf,
        /// Why.
        source: Box<toml::de::Error>,
    },
    /// A file is not what its sum says.
    #[error("{}: SHA-256 {found}, but {} says {wanted}", path.display(), sums.display())]
    Sum {
        /// The file that was to be installed.
        path: PathBuf,
        /// The list of sums beside it.
        sums: PathBuf,
        /// The file's sum, in hex.
        found: String,
        /// The list's.
        wanted: String,
    },
    /// What was read back is not what was written.
    #[error("{}: what was written is not what is read back", path.display())]
    Corrupt {
        /// The file, which was removed again.
        path: PathBuf,
    },
    /// A folder, device or the like has the name of a file.
    #[error("{}: it is no file: move it away", path.display())]
    Occupied {
        /// What it is called.
        path: PathBuf,
    },
    /// The name of a copy is taken.
    #[error("{}: it would become the copy of {}, but is another file: move it away", copy.display(), path.display())]
    Copy {
        /// The file that another takes the place of.
        path: PathBuf,
        /// The name for its copy.
        copy: PathBuf,
    },
    /// A link of a name that podnet does not know.
    #[error("--links: podnet is no {name}; it takes the place of {}", super::item::DROP_IN.join(", "))]
    Link {
        /// The name.
        name: String,
    },
    /// The state of an earlier installation.
    #[error("{}: it is no state of an installation: move it away, and compare the folder by hand", path.display())]
    State {
        /// The state file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The state of a version to come.
    #[error("{}: schema {schema} is of a later version of podnet: use that one", path.display())]
    Schema {
        /// The state file.
        path: PathBuf,
        /// What it says.
        schema: u32,
    },
    /// The daemon's configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A member of the daemon's configuration.
    #[error("--set: {member}{}{says}", if member.is_empty() { "" } else { " " })]
    Setting {
        /// The member; empty where `says` names it.
        member: String,
        /// What is wrong with it.
        says: String,
    },
    /// podnet did not do what it was run for.
    #[error("{} {arguments}: {says}", program.display())]
    Plugin {
        /// The program.
        program: PathBuf,
        /// How it was called.
        arguments: String,
        /// What it said, or how it ended.
        says: String,
    },
    /// Pods still need the plugin.
    #[error(
        "podnet has pods on this node ({pods}): drain the node first, or say --force and lose what they hold"
    )]
    Pods {
        /// Some of them.
        pods: String,
    },
}

/// For `map_err`: a failed file operation.
pub(super) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> InstallError {
    let path = path.to_owned();
    move |source| InstallError::File { doing, path, source }
}
