//! What a network configuration asks for, read and checked whole before anything is changed.

use ipnet::IpNet;
use podnet_cni::json::decode;
use podnet_cni::{Args, Dns, Network};
use podnet_datapath::{Families, addresses, filtered_families, has_nf_tables};

use crate::error::Error;
use crate::host_ports::Translator;
use crate::ipam::{HostLocal, Ipam};
use crate::mode::Mode;
use crate::netconf::{ConfigError, NetConf};
use crate::subnets;

/// A checked configuration.
#[derive(Debug)]
pub(crate) struct Settings {
    conf: NetConf,
    pub(crate) mode: Mode,
    pub(crate) ipam: Ipam,
}

impl Settings {
    /// Reads the configuration of `network`; `args` are those of CNI_ARGS.
    pub(crate) fn read(network: &Network, args: &Args) -> Result<Self, Error> {
        let conf: NetConf = decode(&network.config)?;
        let mut mode = conf.check(args)?;
        let ipam = Ipam::read(&conf, network, args, mode.gateways())?;
        mode.pod().check_families(ipam.has_ipv6())?;
        refuse_nested(&ipam.subnets())?;
        if let Mode::Kubenet(kubenet) = &mut mode {
            kubenet.owns_subnets = ipam.owns_subnets();
        }
        Ok(Self { conf, mode, ipam })
    }

    /// Refuses, in mode vnet, ranges of the configuration's own in which the node has an address. (A daemon looks to its
    /// ranges itself.)
    pub(crate) fn ensure_apart(&self) -> Result<(), Error> {
        self.ranges_of_vnet().map_or(Ok(()), |ranges| Ok(ranges.ensure_apart(&addresses()?)?))
    }

    /// The same, once a network: looking at all of the node's addresses takes the longer the more pods it has.
    pub(crate) fn ensure_apart_at_first(&self) -> Result<(), Error> {
        if self.ranges_of_vnet().is_some_and(HostLocal::is_new) { self.ensure_apart() } else { Ok(()) }
    }

    fn ranges_of_vnet(&self) -> Option<&HostLocal> {
        match (&self.mode, &self.ipam) {
            (Mode::Vnet(_), Ipam::HostLocal(ranges)) => Some(ranges),
            _ => None,
        }
    }

    /// The configuration as the kernel can bring it about for a pod with these addresses, and the families whose frames
    /// between pods pass the node's rules of IP, or have to do without podnet's.
    ///
    /// Without nftables there are no rules for services among neighbours, and host ports are iptables' affair unless the
    /// configuration says otherwise. Mode vnet does not go without.
    pub(crate) fn adapted(&self, addresses: &[IpNet]) -> Result<(Mode, Families), Error> {
        let mut mode = self.mode.clone();
        let families = Families::among(addresses);
        // Between pods that are no ports of a bridge there is nothing but the node's rules of IP.
        if mode.bridge().is_none() {
            return Ok((mode, families));
        }
        let filtered = filtered_families(families)?;
        let needs_no_rules = mode.pod().host_ports.is_empty() && filtered == families;
        if matches!(mode, Mode::Vnet(_)) || needs_no_rules || has_nf_tables()? {
            return Ok((mode, filtered));
        }
        if self.conf.portmap_backend.is_none() {
            mode.pod_mut().host_ports.translator = Translator::Iptables;
        }
        if filtered != families {
            tracing::warn!("without nftables and br_netfilter pods do not reach neighbours through services");
        }
        Ok((mode, families))
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
