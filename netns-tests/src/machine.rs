//! A whole node beside others: a network namespace of its own, and folders of its own where programs keep state.
//!
//! ```text
//!  the sandbox's network namespace: the cloud's network ── LINK ═══ eth0 ── a machine ══ pods
//! ```
//!
//! A mount namespace covers the folders. What is mounted in `/run` later, such as the namespaces of pods, is seen there too.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::mount::{MsFlags, mount};
use serde_json::Value;

use crate::failure::{Context as _, Failure};
use crate::netns::{Netns, Place};
use crate::network::{Network, Pod};
use crate::process::{Finished, argv_of, command, run};
use crate::reply::{self, Added};

/// The folders that each machine has for itself.
const OWN_FOLDERS: [&str; 3] = ["/run/podnet", "/run/ipamd", "/var/lib/cni"];

/// A node; gone when dropped.
#[derive(Debug)]
pub struct Machine {
    netns: Netns,
    /// A process that does nothing but have the mount namespace.
    keeper: Child,
}

impl Machine {
    /// Makes it, without any link to others.
    pub fn create(name: &str) -> Result<Self, Failure> {
        let netns = Netns::create(name)?;
        mount(None::<&str>, "/run", None::<&str>, MsFlags::MS_SHARED, None::<&str>).doing("share /run")?;
        for folder in OWN_FOLDERS {
            fs::create_dir_all(folder).doing(folder)?;
        }
        let covered: String =
            OWN_FOLDERS.iter().flat_map(|folder| ["mount -t tmpfs tmpfs ", folder, "; "]).collect();
        let script = format!("set -e; mount -t sysfs sysfs /sys; {covered} echo there; exec sleep infinity");
        let net = format!("--net={}", netns.path().display());
        let words = [&net, "unshare", "--mount", "--propagation", "slave", "sh", "-c", &script];
        let mut keeper = command("nsenter", words).stdout(Stdio::piped()).spawn().doing("start nsenter")?;
        let mut word = String::new();
        BufReader::new(keeper.stdout.take().doing("its output")?).read_line(&mut word)?;
        let machine = Self { netns, keeper };
        crate::ensure_eq!(word, "there\n", "what the machine {name} says");
        machine.place().ip(&["link", "set", "lo", "up"])?;
        Ok(machine)
    }

    /// Where things of this node happen.
    pub fn place(&self) -> Place<'_> {
        Place::from(&self.netns)
    }

    /// The way from outside to one of its files.
    pub fn path(&self, own: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.keeper.id()));
        root.join(own.strip_prefix("/").unwrap_or(own))
    }

    /// Joins it to the sandbox's namespace by a link called `link` there. The network has `gateway`, the node `address`; whoever
    /// else is there is reached by way of the gateway.
    pub fn connect(&self, link: &str, ways: &[(IpAddr, IpAddr)]) -> Result<(), Failure> {
        let peer = ["type", "veth", "peer", "name", "eth0", "netns", self.netns.name()];
        Place::Node.ip(&[&["link", "add", link][..], &peer].concat())?;
        Place::Node.ip(&["link", "set", link, "up"])?;
        self.place().ip(&["link", "set", "eth0", "up"])?;
        for (gateway, address) in ways {
            let (gateway, address) = (gateway.to_string(), address.to_string());
            Place::Node.ip(&["addr", "add", &gateway, "dev", link, "nodad"])?;
            Place::Node.ip(&["route", "add", &address, "dev", link])?;
            self.place().ip(&["addr", "add", &address, "dev", "eth0", "nodad"])?;
            self.place().ip(&["route", "add", &gateway, "dev", "eth0"])?;
            self.place().ip(&["route", "add", "default", "via", &gateway, "dev", "eth0"])?;
        }
        Ok(())
    }

    /// The same command, on this node.
    pub fn on(&self, there: &Command) -> Command {
        let net = format!("--net={}", self.netns.path().display());
        let mount = format!("--mount=/proc/{}/ns/mnt", self.keeper.id());
        let mut entered = command("nsenter", [&net, &mount, "--"]);
        entered.arg(there.get_program()).args(there.get_args());
        for (name, value) in there.get_envs() {
            entered.env(name, value.unwrap_or_default());
        }
        entered
    }

    /// A verb of the network's first plugin for one of this node's pods.
    pub fn call(
        &self,
        network: &Network,
        verb: &str,
        pod: &Pod,
        extra: &[(&str, Value)],
    ) -> Result<Finished, Failure> {
        let mut there = self.on(&network.command(0, verb, Some(pod))?);
        run(&mut there, network.config(0, extra)?.to_string().as_bytes())
            .doing(format_args!("run {}", argv_of(&there)))
    }

    /// ADD, which must succeed.
    pub fn add(&self, network: &Network, pod: &Pod) -> Result<Added, Failure> {
        reply::result(self.call(network, "ADD", pod, &[])?)
    }

    /// CHECK, which must succeed.
    pub fn check(&self, network: &Network, pod: &Pod, added: &Added) -> Result<(), Failure> {
        reply::silence(self.call(network, "CHECK", pod, &[("prevResult", added.0.clone())])?)
    }

    /// DEL, which must succeed.
    pub fn del(&self, network: &Network, pod: &Pod) -> Result<(), Failure> {
        reply::silence(self.call(network, "DEL", pod, &[])?)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.keeper.kill().ok();
        self.keeper.wait().ok();
    }
}
