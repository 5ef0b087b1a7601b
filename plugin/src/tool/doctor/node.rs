//! What the checks look at: the node's configurations, and what was said on the command line.

use std::io;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use podnet_cni::Args;
use podnet_cni::json::{decode, member};
use podnet_host_local::{Ipam, IpamConfig, Range, RangeSet};
use serde_json::Value;

use super::Options;
use crate::mode::{Mode, vnet};
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
    /// The subnets of its ranges.
    pub(super) subnets: Vec<IpNet>,
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
            files,
            cidrs: options.cidrs.clone(),
        })
    }

    /// Whether pods get addresses of IPv6.
    pub(super) fn has_ipv6(&self) -> bool {
        self.networks.iter().flat_map(|network| &network.subnets).any(|subnet| subnet.addr().is_ipv6())
    }

    /// The bridges of all networks.
    pub(super) fn bridges(&self) -> impl Iterator<Item = &str> {
        self.networks.iter().filter_map(|network| network.bridge.as_deref())
    }
}

impl Network {
    /// The network of an entry; `None` for an entry that gives no addresses, a chained one.
    fn new(name: &str, file: &Path, entry: &Value, bin_dir: &Path) -> Option<Self> {
        let is_podnet = kind(entry) == Some("podnet");
        member(entry, "ipam").filter(|_| is_podnet || subnets_of(entry).is_some())?;
        let network = request::network(name, entry.clone(), vec![bin_dir.to_owned()]).ok();
        let settings =
            network.filter(|_| is_podnet).and_then(|network| Settings::read(&network, &Args::default()).ok());
        let bridge = match settings.as_ref().map(|settings| &settings.mode) {
            Some(Mode::Kubenet(kubenet)) => Some(kubenet.bridge.to_string()),
            Some(Mode::Vnet(vnet)) => vnet::network_port(vnet).map(|port| port.bridge.to_string()),
            None => member(entry, "bridge").and_then(Value::as_str).map(ToOwned::to_owned),
        };
        Some(Self {
            name: name.to_owned(),
            file: file.to_owned(),
            bridge,
            subnets: subnets_of(entry).unwrap_or_default(),
            settings,
        })
    }
}

/// The subnets of host-local's ranges, whichever plugin the entry is of.
fn subnets_of(entry: &Value) -> Option<Vec<IpNet>> {
    let ipam = member(entry, "ipam").filter(|ipam| kind(ipam) == Some("host-local"))?;
    let config: IpamConfig = decode(ipam).ok()?;
    let ipam = Ipam::new(&config, &[], false).ok()?;
    Some(ipam.range_sets.iter().flat_map(RangeSet::ranges).map(Range::subnet).collect())
}
