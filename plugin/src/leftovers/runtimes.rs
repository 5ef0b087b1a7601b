//! Which containers the runtimes of this node keep state of.
//!
//! A running container has a folder of its id, whatever becomes of the runtime meanwhile, which need not be asked itself:
//!
//! - containerd: `io.containerd.runtime.v2.task/NAMESPACE/ID` as long as it runs, and
//!   `io.containerd.grpc.v1.cri/sandboxes/ID` as long as the CRI plugin knows it, below its state folder;
//! - CRI-O and podman: `/run/containers/storage/DRIVER-containers/ID`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::entries;

/// containerd's state folder: its default, and k3s's.
const CONTAINERD: [&str; 2] = ["/run/containerd", "/run/k3s/containerd"];

/// Where the storage library of CRI-O and podman has its state.
const STORAGE: &str = "/run/containers/storage";

/// The containers.
#[derive(Debug, Default)]
pub(super) struct Runtimes {
    has_containerd: bool,
    known: BTreeSet<String>,
}

impl Runtimes {
    /// Reads the folders.
    pub(super) fn look() -> Self {
        let mut runtimes = Self::default();
        for state in CONTAINERD.map(Path::new) {
            let tasks = state.join("io.containerd.runtime.v2.task");
            runtimes.has_containerd |= tasks.is_dir();
            for namespace in entries(&tasks) {
                runtimes.add(&namespace);
            }
            runtimes.add(&state.join("io.containerd.grpc.v1.cri/sandboxes"));
        }
        let of_driver = |path: &PathBuf| name(path).is_some_and(|name| name.ends_with("-containers"));
        for dir in entries(Path::new(STORAGE)).iter().filter(|path| of_driver(path)) {
            runtimes.add(dir);
        }
        runtimes
    }

    fn add(&mut self, dir: &Path) {
        self.known.extend(entries(dir).iter().filter_map(|path| name(path)).map(ToOwned::to_owned));
    }

    /// Whether containerd is there to say what it does not know.
    pub(super) fn is_asked(&self) -> bool {
        self.has_containerd
    }

    /// Whether one of them knows the container.
    pub(super) fn know(&self, container_id: &str) -> bool {
        self.known.contains(container_id)
    }
}

fn name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}
