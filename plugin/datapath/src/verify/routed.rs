//! The host's end as a link of its own.

use netlink_packet_route::AddressFamily;

use crate::{
    HostEnd, PodNetwork,
    apply::route_to_pod,
    difference::Differences,
    netlink::{NetlinkError, Socket},
    rtnl::{address, link::Link, route},
};

/// Looks at the addresses and routes of the host's end, unless it is a port of a bridge.
pub(super) fn verify(
    socket: &mut Socket,
    wanted: &PodNetwork,
    link: &Link,
    differences: &mut Differences,
) -> Result<(), NetlinkError> {
    let HostEnd::Routed { gateways } = &wanted.host_end else { return Ok(()) };
    let addresses = address::list(socket, link.index)?;
    for gateway in gateways.iter().filter(|gateway| addresses.iter().all(|found| found.addr() != **gateway)) {
        differences.missing(format!("address {gateway} of host link {}", link.name));
    }
    let mut installed = route::list(socket, AddressFamily::Inet)?;
    if wanted.has_ipv6() {
        installed.extend(route::list(socket, AddressFamily::Inet6)?);
    }
    for route in wanted.addresses.iter().map(|address| route_to_pod(*address)) {
        if !installed.iter().any(|found| found.link == link.index && found.satisfies(&route)) {
            differences.missing(format!("route to {} over host link {}", route.dst, link.name));
        }
    }
    Ok(())
}
