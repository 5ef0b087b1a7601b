//! What a network configuration asks for, read and checked whole before anything is changed.

use podnet_cni::json::decode;
use podnet_cni::{Args, Dns, Network};

use crate::error::Error;
use crate::ipam::HostLocal;
use crate::netconf::{Kubenet, NetConf};

/// A checked configuration.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) kubenet: Kubenet,
    pub(crate) ipam: HostLocal,
    /// What the pod is told of DNS: the configuration's own word, else that of `ipam.resolvConf`.
    pub(crate) dns: Dns,
}

impl Settings {
    /// Reads the configuration of `network`; `args` are those of CNI_ARGS.
    pub(crate) fn read(network: &Network, args: &Args) -> Result<Self, Error> {
        let conf: NetConf = decode(&network.config)?;
        let kubenet = conf.check(args)?;
        let ipam = HostLocal::read(&conf, network, args)?;
        kubenet.check_families(ipam.has_ipv6())?;
        let dns = match conf.dns.filter(|dns| !dns.is_empty()) {
            Some(dns) => dns,
            None => ipam.dns()?,
        };
        Ok(Self { kubenet, ipam, dns })
    }
}
