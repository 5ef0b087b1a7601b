//! Network namespaces with a name, as runtimes and `ip netns` make them, and code that runs inside one.

use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::thread;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use crate::failure::{Context as _, Failure};

/// Where `ip netns` looks for names.
pub const FOLDER: &str = "/run/netns";

/// A namespace bound to a file; the file goes with the value, and the namespace with its last user.
#[derive(Debug)]
pub struct Netns {
    name: String,
    path: PathBuf,
    is_ours: bool,
}

impl Netns {
    /// A new, empty namespace at `/run/netns/NAME`.
    pub fn create(name: &str) -> Result<Self, Failure> {
        let path = Path::new(FOLDER).join(name);
        File::create_new(&path).doing(path.display())?;
        let netns = Self { name: name.to_owned(), path, is_ours: true };
        // A thread is the unit that has a namespace; this one ends with its only task done.
        thread::scope(|scope| {
            scope
                .spawn(|| {
                    unshare(CloneFlags::CLONE_NEWNET).doing("unshare a network namespace")?;
                    let own = Path::new("/proc/thread-self/ns/net");
                    mount(Some(own), &netns.path, None::<&str>, MsFlags::MS_BIND, None::<&str>)
                        .doing(netns.path.display())
                })
                .join()
                .map_err(|_panic| Failure::failed("the thread that makes a namespace panicked"))?
        })?;
        Ok(netns)
    }

    /// One that somebody else made under [`FOLDER`], and takes away.
    pub fn of_others(path: &str) -> Result<Self, Failure> {
        let path = Path::new(path).canonicalize().doing(path)?;
        let name = path.file_name().and_then(|name| name.to_str()).doing(path.display())?.to_owned();
        Ok(Self { name, path, is_ours: false })
    }

    /// Its name, for `ip -n NAME`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Unbinds the file and removes it, as a runtime does after DEL, or before it when the pod's node crashed.
    pub fn remove(&self) -> Result<(), Failure> {
        umount2(&self.path, MntFlags::MNT_DETACH).doing(self.path.display())?;
        fs::remove_file(&self.path).doing(self.path.display())
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        if self.is_ours {
            // Already removed by the test, or else the sandbox takes it away.
            let _may_be_gone = self.remove();
        }
    }
}

/// Where a piece of a test happens.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// The sandbox's own namespace: the node under test.
    Node,
    /// Another namespace: a pod, or another node.
    In(&'a Netns),
}

impl<'a> From<&'a Netns> for Place<'a> {
    fn from(netns: &'a Netns) -> Self {
        Self::In(netns)
    }
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Node => f.write_str("the node"),
            Self::In(netns) => f.write_str(netns.name()),
        }
    }
}

impl Place<'_> {
    /// Runs `work` there, on a thread that ends with it. A socket made there belongs to that namespace for good.
    pub fn inside<T: Send>(self, work: impl FnOnce() -> Result<T, Failure> + Send) -> Result<T, Failure> {
        let Self::In(netns) = self else { return work() };
        thread::scope(|scope| {
            scope
                .spawn(|| {
                    let file = File::open(netns.path()).doing(netns.path().display())?;
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "a thread of its own that ends in this namespace"
                    )]
                    nix::sched::setns(file.as_fd(), CloneFlags::CLONE_NEWNET)
                        .doing(netns.path().display())?;
                    work()
                })
                .join()
                .map_err(|_panic| Failure::failed(format!("the thread in {} panicked", netns.name())))?
        })
    }

    /// `ip ARGS` there.
    pub fn ip(self, args: &[&str]) -> Result<String, Failure> {
        let mut words = vec!["ip"];
        if let Self::In(netns) = self {
            words.extend(["-n", netns.name()]);
        }
        words.extend(args);
        crate::process::tool(&words)
    }

    /// `ip -j ARGS` there, decoded.
    pub fn ip_json(self, args: &[&str]) -> Result<serde_json::Value, Failure> {
        let text = self.ip(&[&["-j"], args].concat())?;
        // Some listings print nothing at all instead of an empty list.
        if text.trim().is_empty() { Ok(serde_json::json!([])) } else { Ok(serde_json::from_str(&text)?) }
    }

    /// Content of a file under `/proc/sys/net` there, trimmed.
    pub fn sysctl(self, name: &str) -> Result<String, Failure> {
        let path = Path::new("/proc/sys/net").join(name);
        self.inside(|| Ok(fs::read_to_string(&path).doing(path.display())?.trim().to_owned()))
    }
}
