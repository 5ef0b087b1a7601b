//! The plugins of others that this program takes the place of (containernetworking/plugins 1.9.1): called by the name of
//! one of them, by way of a link in CNI_PATH, it is that plugin.
//!
//! Each takes that plugin's configuration and gives its results. What it leaves in the kernel and on disk, that plugin's
//! DEL removes, and the other way round, so that a node is switched by links alone, with its pods alive.

use std::ffi::OsStr;
use std::path::Path;

use crate::plugin::Plugin;

/// The plugins by their names.
const PLUGINS: [&dyn Plugin; 0] = [];

/// The plugin that the program is called by the name of; none for `podnet` and every name unknown.
///
/// # Arguments
/// `program`: `argv[0]`, a path or a name.
pub(crate) fn called(program: Option<&OsStr>) -> Option<&'static dyn Plugin> {
    let name = Path::new(program?).file_name()?;
    PLUGINS.into_iter().find(|plugin| name == plugin.name())
}
