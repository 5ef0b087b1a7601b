//! The ip-masq agent at work: its backends, its configuration as a `ConfigMap` mounts it, its process, and a pod and
//! another node whose traffic shows which rules are in force.

use std::fs::{self, File};
use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use crate::failure::{Context as _, Failure};
use crate::netns::{Netns, Place};
use crate::node::OtherNode;
use crate::process::{Finished, command, run, tool};
use crate::subject::Family;
use crate::{probe, tools, wait};

/// The time in which the agent has to have done anything it is asked for.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Where the agent keeps its rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// `iptables-nft`
    Nft,
    /// `iptables-legacy`
    Legacy,
    /// `nftables`
    Native,
}

impl Backend {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Nft, Self::Legacy, Self::Native];

    /// As `--backend` names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nft => "iptables-nft",
            Self::Legacy => "iptables-legacy",
            Self::Native => "nftables",
        }
    }

    /// The program of the family that changes rules there: `iptables-nft`, `ip6tables-legacy`.
    pub fn program(self, v6: bool) -> String {
        if v6 { self.name().replacen("ip", "ip6", 1) } else { self.name().to_owned() }
    }

    /// Everything of the agent's that is there, without counters: what iptables-save and nft print.
    pub fn rules(self, v6: bool) -> Result<String, Failure> {
        if self == Self::Native {
            let family = if v6 { "ip6" } else { "ip" };
            let listed = run(&mut command("nft", ["-s", "list", "table", family, "podnet-masq"]), b"")?;
            return Ok(listed.stdout);
        }
        let saved = tool(&[&format!("{}-save", self.program(v6)), "-t", "nat"])?;
        let is_ours = |line: &&str| line.starts_with("-A") && line.contains("IP-MASQ-AGENT");
        Ok(saved.lines().filter(is_ours).flat_map(|line| [line, "\n"]).collect())
    }
}

/// A directory as kubelet mounts a `ConfigMap`: links through `..data`, which is replaced by rename.
#[derive(Debug)]
pub struct ConfigMap {
    path: PathBuf,
    version: usize,
}

impl ConfigMap {
    /// An empty one.
    pub fn new() -> Result<Self, Failure> {
        let path = PathBuf::from("/run/masq-config");
        fs::create_dir_all(&path)?;
        Ok(Self { path, version: 0 })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts files in place of all there were, at once.
    pub fn swap(&mut self, files: &[(&str, &str)]) -> Result<(), Failure> {
        self.version += 1;
        let folder = format!("..{}", self.version);
        fs::create_dir(self.path.join(&folder))?;
        for (name, text) in files {
            fs::write(self.path.join(&folder).join(name), text)?;
        }
        let new_link = self.path.join("..data_tmp");
        symlink(&folder, &new_link)?;
        fs::rename(&new_link, self.path.join("..data"))?;
        for (name, _) in files {
            let link = self.path.join(name);
            if link.symlink_metadata().is_err() {
                symlink(Path::new("..data").join(name), link)?;
            }
        }
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let is_old_link = entry.file_type()?.is_symlink() && name != "..data" && !entry.path().exists();
            let is_old_folder = entry.file_type()?.is_dir() && name.to_str() != Some(folder.as_str());
            if is_old_link {
                fs::remove_file(entry.path())?;
            } else if is_old_folder {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }
}

/// The agent's program with a backend, a configuration directory and further flags.
#[derive(Debug, Clone)]
pub struct Flags {
    words: Vec<String>,
}

impl Flags {
    /// For both families, unless the words say otherwise.
    pub fn new(backend: Backend, config: &ConfigMap) -> Self {
        let words = vec![
            format!("--backend={}", backend.name()),
            format!("--config-dir={}", config.path().display()),
            "--enable-ipv6".to_owned(),
        ];
        Self { words }
    }

    /// And these.
    #[must_use]
    pub fn and(mut self, words: &[&str]) -> Self {
        self.words.extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    /// The command line of a verb.
    pub fn command(&self, verb: &str) -> Result<Command, Failure> {
        let mut command = command(tools::masq_agent()?, [verb]);
        command.args(&self.words);
        Ok(command)
    }

    /// Runs a verb to its end.
    pub fn run(&self, verb: &str) -> Result<Finished, Failure> {
        run(&mut self.command(verb)?, b"")
    }

    /// Runs one round, which has to succeed.
    pub fn once(&self) -> Result<(), Failure> {
        run(self.command("run")?.arg("--once"), b"")?.success().map(drop)
    }

    /// Whether the rules are those wanted.
    pub fn is_in_force(&self) -> Result<bool, Failure> {
        Ok(self.run("show")?.status.success())
    }

    /// Waits until they are.
    pub fn until_in_force(&self, after: &str) -> Result<(), Failure> {
        wait::until(PATIENCE, format_args!("rules in force after {after}"), || {
            Ok(self.is_in_force()?.then_some(()))
        })
    }
}

/// A running agent; it is killed when the value goes.
#[derive(Debug)]
pub struct Agent {
    child: Child,
    log: PathBuf,
}

impl Agent {
    /// Starts it, and waits until its rules are in force.
    pub fn start(flags: &Flags) -> Result<Self, Failure> {
        let agent = Self::spawn(flags)?;
        agent.until("rules in force after the start", || flags.is_in_force())?;
        Ok(agent)
    }

    /// Starts it.
    pub fn spawn(flags: &Flags) -> Result<Self, Failure> {
        let log = PathBuf::from("/run/masq-agent.log");
        let mut command = flags.command("run")?;
        let child = command.stderr(File::create(&log)?).spawn().doing("start the agent")?;
        Ok(Self { child, log })
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits for something that it has to do; a failure shows what it logged.
    pub fn until(
        &self,
        what: impl std::fmt::Display,
        mut ask: impl FnMut() -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        let waited = wait::until(PATIENCE, &what, || Ok(ask()?.then_some(())));
        waited.map_err(|failure| failure.while_doing(format_args!("log of the agent:\n{}", self.log())))
    }

    /// Asks it to end, and gives its exit code.
    pub fn terminate(mut self) -> Result<Option<i32>, Failure> {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id())?);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM)?;
        Ok(self.child.wait()?.code())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // Ended already, or else to be ended with the test.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A pod of this node and another node, reached by routing alone.
#[derive(Debug)]
pub struct Cluster {
    pod: Netns,
    other: OtherNode,
}

/// Addresses of the pod, and of the node on the pod's link.
const POD: [&str; 2] = ["10.244.1.2/24", "fd00:10:244:1::2/64"];
const GATEWAY: [&str; 2] = ["10.244.1.1/24", "fd00:10:244:1::1/64"];
/// Addresses of the other node outside of every range that is used.
pub const OUTSIDE: [&str; 2] = ["203.0.113.9", "2001:db8::9"];
/// The metadata service's.
pub const LINK_LOCAL: &str = "169.254.169.254";

impl Cluster {
    /// Makes it.
    pub fn create() -> Result<Self, Failure> {
        let other = OtherNode::create(Family::Dual)?;
        let pod = Netns::create("masq-pod")?;
        let node = Place::Node;
        node.ip(&["link", "add", "pod0", "type", "veth", "peer", "name", "eth0", "netns", pod.name()])?;
        node.ip(&["link", "set", "pod0", "up"])?;
        let place = Place::from(&pod);
        place.ip(&["link", "set", "eth0", "up"])?;
        for ((address, gateway), family) in POD.iter().zip(GATEWAY).zip(["-4", "-6"]) {
            node.ip(&["addr", "add", gateway, "dev", "pod0", "nodad"])?;
            place.ip(&["addr", "add", address, "dev", "eth0", "nodad"])?;
            place.ip(&[family, "route", "add", "default", "via", bare(gateway)])?;
        }
        let cluster = Self { pod, other };
        for (address, via) in
            [(OUTSIDE[0], "172.31.255.2"), (LINK_LOCAL, "172.31.255.2"), (OUTSIDE[1], "fd00:31::2")]
        {
            cluster.other.place().ip(&["addr", "add", address, "dev", "lo", "nodad"])?;
            node.ip(&["route", "add", address, "via", via])?;
        }
        for parameter in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            fs::write(Path::new("/proc/sys/net").join(parameter), "1")?;
        }
        // Duplicate address detection of the kernel's own link-local addresses holds IPv6 up for a while.
        for target in cluster.inside()? {
            probe::reach(cluster.pod(), cluster.other(), target.parse()?, PATIENCE)?;
        }
        Ok(cluster)
    }

    /// The pod's namespace.
    pub fn pod(&self) -> Place<'_> {
        Place::from(&self.pod)
    }

    /// The other node's.
    pub fn other(&self) -> Place<'_> {
        self.other.place()
    }

    /// The address that another node sees when the pod sends to `target`: a connection of its own each time.
    pub fn seen_from(&self, target: &str) -> Result<Seen, Failure> {
        let address: IpAddr = target.parse()?;
        let seen = probe::first_packet(self.pod(), self.other(), address)?;
        if pod_addresses()?.contains(&seen) {
            Ok(Seen::Pod)
        } else if self.other.masquerade_addresses()?.contains(&seen) {
            Ok(Seen::Node)
        } else {
            Err(Failure::failed(format!("{target} saw {seen}, neither the pod's nor the node's address")))
        }
    }

    /// Addresses of the other node's pod: `[IPv4, IPv6]`.
    pub fn inside(&self) -> Result<Vec<String>, Failure> {
        Ok(self.other.pod_addresses()?.iter().map(ToString::to_string).collect())
    }
}

fn pod_addresses() -> Result<Vec<IpAddr>, Failure> {
    POD.iter().map(|address| Ok(bare(address).parse()?)).collect()
}

/// Whose address a packet carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// The pod's own.
    Pod,
    /// The node's.
    Node,
}

fn bare(cidr: &str) -> &str {
    cidr.split_once('/').map_or(cidr, |(address, _)| address)
}
