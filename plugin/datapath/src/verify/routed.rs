//! The host's end as a link of its own.

use netlink_packet_route::AddressFamily;

use super::VerifyError;
use crate::{
    HostEnd, PodNetwork,
    difference::Differences,
    netlink::{NetlinkError, Socket},
    parameters,
    rtnl::{address, link::Link, route},
    sysctl,
};

/// Looks at the addresses, parameters and routes of the host's end, unless it is a port of a bridge.
pub(super) fn verify(
    socket: &mut Socket,
    wanted: &PodNetwork,
    link: &Link,
    differences: &mut Differences,
) -> Result<(), VerifyError> {
    match &wanted.host_end {
        HostEnd::Port(_) | HostEnd::OnNetwork(_) => return Ok(()),
        HostEnd::Routed { gateways } => {
            let addresses = address::list(socket, link.index)?;
            let is_missing = |gateway: &&_| addresses.iter().all(|found| found.addr() != **gateway);
            for gateway in gateways.iter().filter(is_missing) {
                differences.missing(format!("address {gateway} of host link {}", link.name));
            }
        }
        HostEnd::Transparent { .. } => {
            parameters(&link.name, differences)?;
        }
    }
    Ok(routes(socket, wanted, link, differences)?)
}

fn parameters(name: &str, differences: &mut Differences) -> Result<(), VerifyError> {
    for (parameter, value) in [parameters::proxy_arp(name), parameters::no_routers(name)] {
        if let Some(found) = sysctl::parameter(&parameter)? {
            differences.compare(format!("net/{parameter}"), &value.to_owned(), &found);
        }
    }
    Ok(())
}

fn routes(
    socket: &mut Socket,
    wanted: &PodNetwork,
    link: &Link,
    differences: &mut Differences,
) -> Result<(), NetlinkError> {
    let mut installed = route::list(socket, AddressFamily::Inet)?;
    if wanted.has_ipv6() {
        installed.extend(route::list(socket, AddressFamily::Inet6)?);
    }
    for route in wanted.host_routes() {
        if !installed.iter().any(|found| found.link == link.index && found.satisfies(&route)) {
            differences.missing(format!("route to {} over host link {}", route.dst, link.name));
        }
    }
    Ok(())
}
