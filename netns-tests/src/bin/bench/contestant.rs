//! The three that are compared, each with a bridge and subnets of its own.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use podnet_netns_tests::failure::Failure;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::process::{Finished, command, run};
use podnet_netns_tests::subject::{Family, Subject};
use podnet_netns_tests::tools;
use serde_json::{Value, json};

/// Who runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    /// The reference `bridge` with `host-local`.
    Reference,
    /// podnet.
    Podnet,
    /// Bare netlink messages.
    Floor,
}

impl Who {
    /// All, in the order of the report.
    pub(crate) const ALL: [Self; 3] = [Self::Reference, Self::Podnet, Self::Floor];

    /// Its column's title.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Podnet => "podnet",
            Self::Floor => "floor",
        }
    }

    /// Octet of its subnets, so that all can be on one node.
    fn octet(self) -> u8 {
        match self {
            Self::Reference => 1,
            Self::Podnet => 2,
            Self::Floor => 3,
        }
    }
}

/// One of them, ready to add and delete pods.
#[derive(Debug)]
pub(crate) struct Contestant {
    pub(crate) who: Who,
    family: Family,
    how: How,
}

#[derive(Debug)]
enum How {
    Plugin(Network),
    Floor { binary: PathBuf, bridge: String, next: AtomicU32 },
}

impl Contestant {
    /// On a network called `name`, with its bridge there.
    pub(crate) fn new(who: Who, family: Family, name: &str) -> Result<Self, Failure> {
        let bridge = format!("{}{name}", &who.title()[..3]);
        let how = match who {
            Who::Reference => How::Plugin(network(Subject::Reference, family, who, &bridge)?),
            Who::Podnet => How::Plugin(network(Subject::Podnet, family, who, &bridge)?),
            Who::Floor => {
                Place::Node.ip(&["link", "add", &bridge, "type", "bridge"])?;
                Place::Node.ip(&["link", "set", &bridge, "up"])?;
                return Self::floor_on(bridge, family);
            }
        };
        let contestant = Self { who, family, how };
        let first = Pod::create(&format!("{}-{name}-first", who.title()))?;
        contestant.add(&first)?;
        contestant.del(&first)?;
        Ok(contestant)
    }

    /// The floor on a bridge that is there.
    pub(crate) fn floor_on(bridge: String, family: Family) -> Result<Self, Failure> {
        let how = How::Floor { binary: tools::floor()?, bridge, next: AtomicU32::new(2) };
        Ok(Self { who: Who::Floor, family, how })
    }

    /// The bridge that its pods are on.
    pub(crate) fn bridge(&self) -> &str {
        match &self.how {
            How::Plugin(network) => &network.name,
            How::Floor { bridge, .. } => bridge,
        }
    }

    /// The folder with its reservations.
    pub(crate) fn reservations(&self) -> Option<PathBuf> {
        match &self.how {
            How::Plugin(network) => Some(PathBuf::from("/var/lib/cni/networks").join(&network.name)),
            How::Floor { .. } => None,
        }
    }

    /// ADD, which must succeed.
    pub(crate) fn add(&self, pod: &Pod) -> Result<Finished, Failure> {
        self.finish(&mut self.command("ADD", pod)?)
    }

    /// DEL, which must succeed.
    pub(crate) fn del(&self, pod: &Pod) -> Result<Finished, Failure> {
        self.finish(&mut self.command("DEL", pod)?)
    }

    /// Runs a command of [`command`](Self::command) with what it reads.
    pub(crate) fn finish(&self, command: &mut Command) -> Result<Finished, Failure> {
        let finished = run(command, &self.stdin()?)?;
        finished.clone().success()?;
        Ok(finished)
    }

    /// What the plugin reads.
    pub(crate) fn stdin(&self) -> Result<Vec<u8>, Failure> {
        match &self.how {
            How::Plugin(network) => Ok(network.config(0, &[])?.to_string().into_bytes()),
            How::Floor { .. } => Ok(Vec::new()),
        }
    }

    /// The command of one verb for one pod.
    pub(crate) fn command(&self, verb: &str, pod: &Pod) -> Result<Command, Failure> {
        let How::Floor { binary, bridge, next } = &self.how else {
            let How::Plugin(network) = &self.how else { return Err(Failure::failed("no such contestant")) };
            return network.command(0, verb, Some(pod));
        };
        let host = floor_link(pod);
        if verb == "DEL" {
            return Ok(command(binary, ["del", &host]));
        }
        let number = next.fetch_add(1, Ordering::Relaxed);
        let subnets = subnets(self.who);
        let v4 = format!("{}/16", Ipv4Addr::from_bits(subnets.0.to_bits() + number));
        let v6 = format!("{}/64", Ipv6Addr::from_bits(subnets.1.to_bits() + u128::from(number)));
        let mut add = command(binary, ["add", &pod.netns_path(), &host, bridge]);
        add.args(self.family.pick(v4, v6));
        Ok(add)
    }
}

/// The host link's name: what is special in the pod's.
fn floor_link(pod: &Pod) -> String {
    let digits: String = pod.netns.name().chars().rev().take(11).collect();
    format!("flr{}", digits.chars().rev().collect::<String>())
}

fn subnets(who: Who) -> (Ipv4Addr, Ipv6Addr) {
    let octet = who.octet();
    (Ipv4Addr::new(10, octet, 0, 0), Ipv6Addr::new(0xfd00, 10, u16::from(octet), 0, 0, 0, 0, 0))
}

fn network(subject: Subject, family: Family, who: Who, bridge: &str) -> Result<Network, Failure> {
    let (v4, v6) = subnets(who);
    let ranges = family.pick(format!("{v4}/16"), format!("{v6}/64"));
    let ranges: Value = ranges.into_iter().map(|subnet| json!([{ "subnet": subnet }])).collect();
    let network = Network::of(subject, family)?.with("/bridge", bridge).with("/ipam/ranges", ranges);
    Ok(Network { name: bridge.to_owned(), ..network })
}
