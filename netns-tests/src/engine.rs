//! The container engines that call plugins on real nodes: podman ([`podman`]) and containerd ([`containerd`]), each as
//! its distribution ships it, started in a sandbox and ended with it.
//!
//! An engine needs more of a sandbox than a plugin does: a folder that programs may run from, an image, and control
//! groups. The latter are the machine's; what an engine makes there lies below one group, which goes with the
//! [`Room`].

mod cri;
mod grpc;
mod image;
mod protobuf;

pub mod containerd;
pub mod podman;

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::mount::{MsFlags, mount};

pub use self::cri::{PodSandbox, PortMapping};
use crate::failure::{Context as _, Failure};
use crate::netns::FOLDER as NAMESPACES;
use crate::wait;

/// Everything that an engine keeps.
const FOLDER: &str = "/run/engine";

/// What an engine needs beside a sandbox.
#[derive(Debug)]
pub struct Room {
    /// The control group of its pods, from the root of each hierarchy.
    cgroup: String,
}

impl Room {
    /// Once a sandbox.
    pub fn prepare() -> Result<Self, Failure> {
        fs::create_dir(FOLDER)?;
        // Unlike `/run` itself, programs run from here.
        mount(Some("tmpfs"), FOLDER, Some("tmpfs"), MsFlags::empty(), None::<&str>).doing(FOLDER)?;
        let own = fs::read_link("/proc/self/ns/net")?;
        let number: String = own.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
        Ok(Self { cgroup: format!("/podnet-tests-{number}") })
    }

    /// A folder with these plugins alone, for engines that look in one place: name and program of each.
    pub fn plugins(&self, plugins: &[(&str, PathBuf)]) -> Result<PathBuf, Failure> {
        let folder = Path::new(FOLDER).join("plugins");
        fs::create_dir(&folder)?;
        for (name, program) in plugins {
            let program = program.canonicalize().doing(program.display())?;
            symlink(&program, folder.join(name)).doing(name)?;
        }
        Ok(folder)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let Ok(hierarchies) = fs::read_dir("/sys/fs/cgroup") else { return };
        let roots = hierarchies.filter_map(Result::ok).map(|hierarchy| hierarchy.path());
        let groups = roots.chain([PathBuf::from("/sys/fs/cgroup")]).map(|root| root.join(&self.cgroup[1..]));
        for group in groups {
            // An engine's helper may be on its way out.
            let _stays = wait::until(Duration::from_secs(2), "a control group without processes", || {
                remove_groups(&group);
                Ok((!group.exists()).then_some(()))
            });
        }
    }
}

/// A group goes with rmdir(2), from the leaves on; its files are the kernel's.
fn remove_groups(group: &Path) {
    let Ok(entries) = fs::read_dir(group) else { return };
    for entry in entries.filter_map(Result::ok).filter(|entry| entry.path().is_dir()) {
        remove_groups(&entry.path());
    }
    // A group with a process in it stays.
    let _busy = fs::remove_dir(group);
}

/// The namespaces of pods that are there now, by name.
pub fn namespaces() -> Result<Vec<String>, Failure> {
    match fs::read_dir(NAMESPACES) {
        Ok(entries) => entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect(),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}
