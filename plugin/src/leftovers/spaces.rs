//! The network namespaces of this node besides its own, and who is in them.

use std::collections::btree_map::{BTreeMap, Entry};
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use podnet_datapath::{Contents, Netns, NetnsError, NetnsId, contents};

use super::entries;
use super::judge::Home;
use super::traces::Trace;
use crate::error::Error;

/// Where namespaces have names: those of `ip netns`, containerd, CRI-O and podman, and Docker's.
const NAMED: [&str; 2] = ["/run/netns", "/run/docker/netns"];

/// The calling thread's own namespace.
const OWN: &str = "/proc/thread-self/ns/net";

#[derive(Debug, Default)]
struct Space {
    is_inhabited: bool,
    contents: Contents,
}

impl Space {
    /// Whether the pod's end of its link, or one of its addresses, is here.
    fn is_home_of(&self, trace: &Trace) -> bool {
        let Contents { addresses, ends } = &self.contents;
        let end = trace.link.as_ref().and_then(|link| Some((link.peer?, link.index)));
        end.is_some_and(|end| ends.contains(&end))
            || trace.addresses.iter().any(|address| addresses.contains(address))
    }
}

/// All namespaces that can be found: those of processes, those with a name, those of records.
#[derive(Debug)]
pub(super) struct Spaces {
    spaces: BTreeMap<NetnsId, Space>,
    by_path: BTreeMap<PathBuf, NetnsId>,
}

impl Spaces {
    /// Looks into every namespace.
    pub(super) fn look(traces: &[Trace]) -> Result<Self, Error> {
        let own = Netns::open(OWN)?.id()?;
        let mut found = Self { spaces: BTreeMap::new(), by_path: BTreeMap::new() };
        for path in entries(Path::new("/proc")).into_iter().filter(|path| is_process(path)) {
            // A process that has no namespace any more is ending.
            if let Some(id) = found.add(&path.join("ns/net"), own)? {
                found.spaces.entry(id).or_default().is_inhabited = true;
            }
        }
        for path in NAMED.iter().flat_map(|dir| entries(Path::new(dir))) {
            found.add(&path, own)?;
        }
        for path in traces.iter().filter_map(|trace| trace.sandbox.as_ref()) {
            if let Some(id) = found.add(path, own)? {
                found.by_path.insert(path.clone(), id);
            }
        }
        Ok(found)
    }

    /// Adds the namespace at a path; nothing where there is none, or it is the node's own.
    fn add(&mut self, path: &Path, own: NetnsId) -> Result<Option<NetnsId>, Error> {
        let netns = match Netns::open(path) {
            Err(NetnsError::Missing { .. } | NetnsError::NotANamespace { .. }) => return Ok(None),
            Err(NetnsError::Open { source, .. }) if is_nobodys(&source) => return Ok(None),
            netns => netns?,
        };
        let id = netns.id()?;
        if id == own {
            return Ok(None);
        }
        if let Entry::Vacant(space) = self.spaces.entry(id) {
            space.insert(Space { contents: contents(&netns)?, ..Space::default() });
        }
        Ok(Some(id))
    }

    /// Where the pod is.
    pub(super) fn home_of(&self, trace: &Trace) -> Home {
        let named = trace.sandbox.as_ref().and_then(|path| self.by_path.get(path));
        let home = |(id, space): (&NetnsId, &Space)| match (space.is_home_of(trace), space.is_inhabited) {
            (true, true) => Home::Inhabited,
            (true, false) => Home::Deserted,
            (false, true) if named == Some(id) => Home::Inhabited,
            (false, _) => Home::None,
        };
        // A pair of links has both its ends or none; but the kernel takes some time to end a namespace and what is in it.
        let is_ending = trace.sandbox.is_some() && named.is_none();
        let other_end = if trace.link.is_some() && !is_ending { Home::Deserted } else { Home::None };
        self.spaces.iter().map(home).fold(other_end, Home::max)
    }
}

fn is_process(path: &Path) -> bool {
    let digits = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    path.file_name().and_then(|name| name.to_str()).is_some_and(digits)
}

/// A process that has ended, or one outside of the container that podnet is run in: no pod's either way.
fn is_nobodys(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::ESRCH | Errno::ENOENT | Errno::EACCES))
}
