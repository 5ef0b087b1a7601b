//! What a network configuration asks for, read and checked whole before anything is changed.

use ipnet::IpNet;
use podnet_cni::json::decode;
use podnet_cni::{Args, Dns, Network};

use crate::error::Error;
use crate::ipam::Ipam;
use crate::netconf::{ConfigError, Kubenet, NetConf};
use crate::subnets;

/// A checked configuration.
#[derive(Debug)]
pub(crate) struct Settings {
    conf: NetConf,
    pub(crate) kubenet: Kubenet,
    pub(crate) ipam: Ipam,
}

impl Settings {
    /// Reads the configuration of `network`; `args` are those of CNI_ARGS.
    pub(crate) fn read(network: &Network, args: &Args) -> Result<Self, Error> {
        let conf: NetConf = decode(&network.config)?;
        let kubenet = conf.check(args)?;
        let ipam = Ipam::read(&conf, network, args)?;
        kubenet.check_families(ipam.has_ipv6())?;
        refuse_nested(&ipam.subnets())?;
        Ok(Self { conf, kubenet, ipam })
    }

    /// What the pod is told of DNS, where IPAM says `ipam`.
    pub(crate) fn dns(&self, ipam: Dns) -> Dns {
        self.conf.dns(ipam)
    }
}

fn refuse_nested(subnets: &[IpNet]) -> Result<(), ConfigError> {
    match subnets::nested(subnets) {
        Some((a, b)) => {
            let rule = format!("it overlaps {a}: the same subnet, or one beside it");
            Err(ConfigError::invalid("ipam", format!("subnet {b}"), rule))
        }
        None => Ok(()),
    }
}
