//! The folders of a node in a sandbox, for what looks at them: networks and plugins.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::failure::{Context as _, Failure};
use crate::tools;

/// Where the networks' configurations are.
pub const CONFIGURATIONS: &str = "/run/net.d";
/// Where the plugins are.
pub const PLUGINS: &str = "/run/bin";

/// Puts podnet among the plugins, and what runtimes call besides.
pub fn install() -> Result<(), Failure> {
    fs::create_dir_all(PLUGINS)?;
    let podnet = Path::new(PLUGINS).join("podnet");
    fs::copy(tools::podnet()?, &podnet).doing(podnet.display())?;
    fs::set_permissions(&podnet, fs::Permissions::from_mode(0o755))?;
    Ok(symlink("podnet", podnet.with_file_name("loopback"))?)
}
