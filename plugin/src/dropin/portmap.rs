//! `portmap`: the node's ports that lead to the container, made as the reference plugin makes them ([`crate::portmap`]).

mod conf;

use std::net::IpAddr;

use ipnet::IpNet;
use podnet_cni::{AddResult, Attachment, Network};
use podnet_datapath::{allow_localnet, forget_udp, has_nf_tables};

use crate::error::Error;
use crate::plugin::Plugin;
use crate::portmap::{self, Backend, Wish};
use conf::Conf;

/// The plugin.
pub(super) struct Portmap;

impl Plugin for Portmap {
    fn name(&self) -> &'static str {
        "portmap"
    }

    fn add(&self, attachment: &Attachment, _netns: &str) -> Result<String, Error> {
        let conf = Conf::read(&attachment.network)?;
        let result = previous(&attachment.network)?;
        let answer = result.to_json(attachment.network.version)?;
        if conf.mappings.is_empty() {
            return Ok(answer);
        }
        let addresses = addresses(&result, attachment.ifname.as_str());
        wish(attachment, &conf, &addresses).add(backend(&conf)?)?;
        let connected = connect(&conf, &addresses);
        connected.inspect_err(|_| super::taken_back(self.del(attachment, None)))?;
        Ok(answer)
    }

    fn check(&self, attachment: &Attachment, _netns: &str) -> Result<(), Error> {
        let conf = Conf::read(&attachment.network)?;
        let result = previous(&attachment.network)?;
        if conf.mappings.is_empty() {
            return Ok(());
        }
        let addresses = addresses(&result, attachment.ifname.as_str());
        let differences = wish(attachment, &conf, &addresses).check(backend(&conf)?)?;
        if differences.is_empty() { Ok(()) } else { Err(Error::Differs(differences)) }
    }

    /// Goes by the names alone, so that neither the ports nor a configuration without fault are needed.
    fn del(&self, attachment: &Attachment, _netns: Option<&str>) -> Result<(), Error> {
        let (network, container) = (attachment.network.name.as_str(), attachment.container_id.as_str());
        portmap::remove(network, container)?;
        if let (Ok(conf), Ok(result)) = (Conf::read(&attachment.network), previous(&attachment.network)) {
            forget_udp(&conf.mappings.plan_to(&addresses(&result, attachment.ifname.as_str())));
        }
        Ok(())
    }

    fn gc(&self, network: &Network) -> Result<(), Error> {
        let Some(valid) = network.valid_attachments()? else { return Ok(()) };
        Ok(portmap::collect(network.name.as_str(), &|container| valid.contains_container(container))?)
    }

    fn status(&self, network: &Network) -> Result<(), Error> {
        let conf = Conf::read(network)?;
        super::ready(|| match backend(&conf)? {
            Backend::Iptables if !portmap::has_iptables() => Err(Error::NoIptables),
            Backend::Nftables if !has_nf_tables()? => {
                Err(Error::KernelLacks("nf_tables (CONFIG_NF_TABLES)".into()))
            }
            _ => Ok(()),
        })
    }
}

/// The configuration's backend; else iptables, unless that does not work and nftables does.
fn backend(conf: &Conf) -> Result<Backend, Error> {
    Ok(match conf.backend {
        Some(backend) => backend,
        None if !portmap::has_iptables() && has_nf_tables()? => Backend::Nftables,
        None => Backend::Iptables,
    })
}

fn wish<'a>(attachment: &'a Attachment, conf: &'a Conf, addresses: &'a [IpNet]) -> Wish<'a> {
    Wish {
        network: attachment.network.name.as_str(),
        container: attachment.container_id.as_str(),
        mappings: &conf.mappings,
        addresses,
        options: &conf.options,
    }
}

/// What the rules need besides.
fn connect(conf: &Conf, addresses: &[IpNet]) -> Result<(), Error> {
    let ports = conf.mappings.plan_to(addresses);
    let pod = ports.ports.iter().map(|port| port.pod.addr()).find(IpAddr::is_ipv4);
    if let Some(pod) = pod.filter(|_| ports.snat) {
        allow_localnet(pod)?;
    }
    forget_udp(&ports);
    Ok(())
}

fn previous(network: &Network) -> Result<AddResult, Error> {
    super::previous(network, "portmap comes behind the plugin that makes the interface")
}

/// The addresses of the container's interface, and those that are said of none.
fn addresses(result: &AddResult, ifname: &str) -> Vec<IpNet> {
    let is_the_containers = |index: usize| {
        let interface = result.interfaces.get(index);
        interface.is_none_or(|interface| interface.name == ifname && interface.sandbox.is_some())
    };
    let ips = result.ips.iter().filter(|ip| ip.interface.is_none_or(is_the_containers));
    ips.map(|ip| ip.address).collect()
}

#[cfg(test)]
mod tests;
