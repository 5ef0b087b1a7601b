//! Host ports of podnet's that iptables translates: `portmapBackend: iptables`, or a kernel without nftables.

use std::net::IpAddr;

use ipnet::IpNet;
use podnet_datapath::{Owner, allow_localnet, forget_udp};

use crate::error::Error;
use crate::host_ports::PortMappings;
use crate::portmap::{self, Backend, Options, PortmapError, Wish};
use crate::record::{Record, addresses};

/// Makes the rules, if iptables is to make any, and what they need besides.
pub(super) fn add(owner: &Owner, ports: &PortMappings, addresses: &[IpNet]) -> Result<(), Error> {
    if !ports.are_by_iptables() {
        return Ok(());
    }
    wish(owner, ports, addresses, &Options::default()).add(Backend::Iptables)?;
    let pod = addresses.iter().map(IpNet::addr).find(IpAddr::is_ipv4);
    if let Some(pod) = pod.filter(|_| ports.snat) {
        // The rule that makes up for it comes first.
        portmap::close_loopback()?;
        allow_localnet(pod)?;
    }
    forget_udp(&ports.plan_to(addresses));
    Ok(())
}

/// How the rules differ, if iptables is to have any.
pub(super) fn check(
    owner: &Owner,
    ports: &PortMappings,
    addresses: &[IpNet],
) -> Result<Vec<String>, PortmapError> {
    if !ports.are_by_iptables() {
        return Ok(Vec::new());
    }
    wish(owner, ports, addresses, &Options::default()).check(Backend::Iptables)
}

/// Removes the rules of an attachment whose record says that there are some.
pub(super) fn remove(owner: &Owner, record: Option<&Record>) -> Result<(), PortmapError> {
    let reserved = record.and_then(|record| record.reserved.as_ref());
    if let Some(reserved) = reserved.filter(|reserved| reserved.host_ports.are_by_iptables()) {
        portmap::remove(owner.network(), owner.container())?;
        forget_udp(&reserved.host_ports.plan_to(&addresses(&reserved.leases)));
    }
    Ok(())
}

fn wish<'a>(
    owner: &'a Owner,
    mappings: &'a PortMappings,
    addresses: &'a [IpNet],
    options: &'a Options,
) -> Wish<'a> {
    Wish { network: owner.network(), container: owner.container(), mappings, addresses, options }
}
