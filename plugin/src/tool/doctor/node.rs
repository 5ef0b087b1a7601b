//! What the checks look at: the node's configurations, and what was said on the command line.

use std::borrow::Cow;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use podnet_cni::Args;
use podnet_cni::json::{decode, member};
use podnet_host_local::{Ipam, IpamConfig, Range, RangeSet};
use serde_json::Value;

use super::Options;
use crate::dropin;
use crate::ipam::DEFAULT_SOCKET;
use crate::mode::Mode;
use crate::record::{Record, Registry, Reserved};
use crate::settings::Settings;
use crate::tool::conf_dir::{self, ConfFile, kind};
use crate::tool::request;

/// The node as it is configured.
#[derive(Debug)]
pub(in crate::tool) struct Node {
    pub(super) conf_dir: PathBuf,
    pub(super) bin_dir: PathBuf,
    pub(super) files: Vec<ConfFile>,
    pub(super) networks: Vec<Network>,
    /// Of the pods that are there. Those that cannot be read are the check of pods' affair.
    pub(super) records: Vec<Record>,
    pub(super) cidrs: Cidrs,
}

/// The cluster's ranges, which no file on the node says.
#[derive(Debug, Clone, Default, clap::Args)]
pub(in crate::tool) struct Cidrs {
    /// What the cluster's pods, or this node's, have addresses of; may be given more than once
    #[arg(long = "pod-cidr", value_name = "CIDR")]
    pub(super) pods: Vec<IpNet>,
    /// What Services have addresses of; may be given more than once
    #[arg(long = "service-cidr", value_name = "CIDR")]
    pub(super) services: Vec<IpNet>,
    /// What nodes have addresses of; may be given more than once
    #[arg(long = "node-cidr", value_name = "CIDR")]
    pub(super) nodes: Vec<IpNet>,
}

/// A network of pods, by one entry of a file.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) name: String,
    pub(super) file: PathBuf,
    /// The bridge that its pods are on.
    pub(super) bridge: Option<String>,
    /// Those of host-local.
    pub(super) ranges: Vec<Range>,
    /// What podnet makes of the entry; `None` for other plugins, and for what podnet refuses.
    pub(super) settings: Option<Settings>,
}

impl Node {
    /// Reads the files.
    pub(super) fn read(options: &Options) -> io::Result<Self> {
        let files = conf_dir::read(&options.conf_dir)?;
        let networks = files.iter().flat_map(|file| {
            let network = |entry| Network::new(file.network(), &file.path, entry, &options.bin_dir);
            file.entries().iter().filter_map(network)
        });
        Ok(Self {
            conf_dir: options.conf_dir.clone(),
            bin_dir: options.bin_dir.clone(),
            networks: networks.collect(),
            records: records(),
            files,
            cidrs: options.cidrs.clone(),
        })
    }

    /// Whether pods have addresses of IPv4; where nothing is known of them, they may.
    pub(super) fn has_ipv4(&self) -> bool {
        let mut known = self.pod_addresses().peekable();
        known.peek().is_none() || known.any(|address| address.is_ipv4())
    }

    /// Whether pods have addresses of IPv6.
    pub(super) fn has_ipv6(&self) -> bool {
        self.pod_addresses().any(|address| address.is_ipv6())
    }

    /// What pods have addresses of: their subnets, as far as configurations say them, and by the records what they have, whoever
    /// gave it.
    fn pod_addresses(&self) -> impl Iterator<Item = IpAddr> {
        let settings = self.networks.iter().filter_map(|network| network.settings.as_ref());
        let configured = settings.flat_map(|settings| settings.ipam.subnets());
        let subnets = configured.chain(self.networks.iter().flat_map(Network::subnets));
        let reserved = self.records.iter().filter_map(|record| record.reserved.as_ref());
        subnets.map(|subnet| subnet.addr()).chain(reserved.flat_map(Reserved::addresses))
    }

    /// podnet-ipamd's socket, where it is the daemon that a list is to come from: there is none.
    pub(super) fn awaited_daemon(&self) -> Option<&'static Path> {
        let socket = Path::new(DEFAULT_SOCKET);
        (self.files.is_empty() && socket.exists()).then_some(socket)
    }

    /// The content of a network's file.
    pub(super) fn text_of(&self, network: &Network) -> Cow<'_, str> {
        let file = self.files.iter().find(|file| file.path == network.file);
        let content = file.and_then(|file| file.content.as_ref().ok());
        String::from_utf8_lossy(content.map(Vec::as_slice).unwrap_or_default())
    }

    /// The bridges of all networks.
    pub(super) fn bridges(&self) -> impl Iterator<Item = &str> {
        self.networks.iter().filter_map(|network| network.bridge.as_deref())
    }
}

impl Network {
    /// The network of an entry; `None` for an entry that gives no addresses, a chained one.
    fn new(name: &str, file: &Path, entry: &Value, bin_dir: &Path) -> Option<Self> {
        let (is_podnet, is_bridge) = (kind(entry) == Some("podnet"), kind(entry) == Some("bridge"));
        let ranges = ranges_of(entry);
        member(entry, "ipam").filter(|_| is_podnet || is_bridge || ranges.is_some())?;
        let network = request::network(name, entry.clone(), vec![bin_dir.to_owned()]).ok();
        let settings =
            network.filter(|_| is_podnet).and_then(|network| Settings::read(&network, &Args::default()).ok());
        let of_other = || {
            let named = member(entry, "bridge").and_then(Value::as_str).filter(|name| !name.is_empty());
            named.or(is_bridge.then_some(dropin::DEFAULT_BRIDGE)).map(ToOwned::to_owned)
        };
        let of_podnet = |settings: &Settings| settings.mode.bridge().map(|bridge| bridge.to_string());
        let bridge = settings.as_ref().map_or_else(of_other, of_podnet);
        Some(Self {
            name: name.to_owned(),
            file: file.to_owned(),
            bridge,
            ranges: ranges.unwrap_or_default(),
            settings,
        })
    }

    /// The subnets of its ranges.
    pub(super) fn subnets(&self) -> impl Iterator<Item = IpNet> {
        self.ranges.iter().map(Range::subnet)
    }

    /// Whether its pods have addresses of the node's own network, by mode vnet.
    pub(super) fn is_vnet(&self) -> bool {
        self.settings.as_ref().is_some_and(|settings| matches!(settings.mode, Mode::Vnet(_)))
    }
}

/// The records that can be read.
fn records() -> Vec<Record> {
    let Ok(Some(registry)) = Registry::open() else { return Vec::new() };
    let ids = registry.ids().unwrap_or_default().into_iter();
    ids.filter_map(|id| registry.read(id).ok().flatten()).collect()
}

/// host-local's ranges, whichever plugin the entry is of.
fn ranges_of(entry: &Value) -> Option<Vec<Range>> {
    let ipam = member(entry, "ipam").filter(|ipam| kind(ipam) == Some("host-local"))?;
    let config: IpamConfig = decode(ipam).ok()?;
    let ipam = Ipam::new(&config, &[], false).ok()?;
    Some(ipam.range_sets.iter().flat_map(RangeSet::ranges).cloned().collect())
}
