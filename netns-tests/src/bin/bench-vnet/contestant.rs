//! The three that are compared, on one node.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use podnet_netns_tests::failure::Failure;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::process::{Finished, command, run};
use podnet_netns_tests::reply::{self, Added};
use podnet_netns_tests::subject::{Family, Subject};
use podnet_netns_tests::tools;
use serde_json::json;

/// The daemon's folder.
pub(crate) const FOLDER: &str = "/run/ipamd";
/// The network of all pods.
pub(crate) const NETWORK: &str = "10.244.0.0/16";
/// The daemon's addresses: enough for a full node and for those that still cool down.
pub(crate) const POOL: &str =
    "source: {kind: static, subnet: 10.244.0.0/16, gateway: 10.244.0.1, ranges: [10.244.16.0/20]}\n";
/// The floor's addresses.
const FLOOR: Ipv4Addr = Ipv4Addr::new(10, 244, 32, 0);
/// The reference bridge's.
const BRIDGED: &str = "10.244.1.0/24";

/// Who runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    /// podnet in mode vnet, with addresses of podnet-ipamd.
    Podnet,
    /// The reference `bridge` with `host-local`.
    Reference,
    /// Bare netlink messages.
    Floor,
}

impl Who {
    /// For names.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Podnet => "podnet",
            Self::Reference => "reference",
            Self::Floor => "floor",
        }
    }
}

/// One of them, on which a first pod has come and gone.
#[derive(Debug)]
pub(crate) struct Contestant {
    pub(crate) who: Who,
    how: How,
}

#[derive(Debug)]
enum How {
    Plugin(Network),
    Floor { binary: PathBuf, next: AtomicU32 },
}

impl Contestant {
    pub(crate) fn new(who: Who) -> Result<Self, Failure> {
        let how = match who {
            Who::Podnet => How::Plugin(vnet()?),
            Who::Reference => {
                let network = Network::of(Subject::Reference, Family::V4)?;
                How::Plugin(network.with("/ipam/ranges", json!([[{ "subnet": BRIDGED }]])))
            }
            Who::Floor => How::Floor { binary: tools::floor()?, next: AtomicU32::new(1) },
        };
        let contestant = Self { who, how };
        let first = Pod::create(&format!("{}-first", who.title()))?;
        contestant.add(&first)?;
        contestant.del(&first)?;
        Ok(contestant)
    }

    /// ADD, which must succeed.
    pub(crate) fn add(&self, pod: &Pod) -> Result<Finished, Failure> {
        self.run("ADD", pod)
    }

    /// DEL, which must succeed.
    pub(crate) fn del(&self, pod: &Pod) -> Result<Finished, Failure> {
        self.run("DEL", pod)
    }

    /// ADD of one that gives a result.
    pub(crate) fn added(&self, pod: &Pod) -> Result<Added, Failure> {
        reply::result(self.add(pod)?)
    }

    fn run(&self, verb: &str, pod: &Pod) -> Result<Finished, Failure> {
        let (mut command, stdin) = match &self.how {
            How::Plugin(network) => {
                (network.command(0, verb, Some(pod))?, network.config(0, &[])?.to_string().into_bytes())
            }
            How::Floor { binary, next } => (bare(binary, next, verb, pod), Vec::new()),
        };
        let finished = run(&mut command, &stdin)?;
        finished.clone().success()?;
        Ok(finished)
    }
}

fn vnet() -> Result<Network, Failure> {
    let socket = format!("{FOLDER}/state/ipamd.sock");
    Ok(Network {
        name: "azure".to_owned(),
        version: "1.1.0".to_owned(),
        plugins: vec![
            json!({"type": "podnet", "mode": "vnet", "ipam": {"type": "podnet-ipamd", "socket": socket}}),
        ],
        path: vec![Subject::Podnet.folder()?],
    })
}

fn bare(binary: &PathBuf, next: &AtomicU32, verb: &str, pod: &Pod) -> Command {
    // The host link's name: what is special in the pod's.
    let digits: String = pod.netns.name().chars().rev().take(11).collect();
    let host = format!("flr{}", digits.chars().rev().collect::<String>());
    if verb == "DEL" {
        return command(binary, ["del", &host]);
    }
    let own = Ipv4Addr::from_bits(FLOOR.to_bits() + next.fetch_add(1, Ordering::Relaxed));
    command(binary, ["route", &pod.netns_path(), &host, &format!("{own}/16")])
}
