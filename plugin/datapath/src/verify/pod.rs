//! The pod's side: link, parameters, addresses, routes.

use ipnet::IpNet;
use netlink_packet_route::{AddressFamily, route::RouteProtocol};

use super::{VerifyError, host::HostLink};
use crate::{
    Netns, PodNetwork, Route, SysctlError,
    difference::Differences,
    netlink::{Protocol, Socket},
    parameters,
    rtnl::{
        address,
        link::{self, Link},
        neighbour::{self, Neighbour},
        route::{self, Installed},
    },
    sysctl,
};

/// Looks at the pod's side of the pair whose host's end is `host`.
pub(super) fn verify(
    wanted: &PodNetwork,
    netns: &Netns,
    host: Option<&HostLink>,
    differences: &mut Differences,
) -> Result<(), VerifyError> {
    let name = &wanted.veth.pod_name;
    let object = format!("pod link {name}");
    let mut socket = netns.run(|| Socket::open(Protocol::Route))??;
    let Some(link) = link::by_name(&mut socket, name)? else {
        differences.missing(object);
        return Ok(());
    };
    compare_link(wanted, &link, host.map(|host| &host.link), &object, differences);
    if !wanted.veth.is_up {
        return Ok(());
    }
    // The reference plugins leave some of them as they were.
    let parameters = match host {
        Some(HostLink { is_owned: false, .. }) => Vec::new(),
        _ => netns.run(|| read_parameters(wanted))??,
    };
    for (parameter, value, found) in parameters {
        differences.compare(format!("net/{parameter} in the pod"), &value, &found);
    }
    let addresses = address::list(&mut socket, link.index)?;
    for address in wanted.addresses.iter().filter(|address| !addresses.contains(address)) {
        differences.missing(format!("address {address} of {object}"));
    }
    let mut installed = route::list(&mut socket, AddressFamily::Inet)?;
    if wanted.routes.iter().any(|route| route.dst.addr().is_ipv6()) {
        installed.extend(route::list(&mut socket, AddressFamily::Inet6)?);
    }
    for route in &wanted.routes {
        compare_route(route, &installed, link.index, differences);
    }
    if wanted.is_transparent() {
        compare_neighbours(wanted, &neighbour::list(&mut socket)?, link.index, differences);
        refuse_subnets(wanted, &installed, link.index, differences);
    }
    Ok(())
}

fn compare_link(
    wanted: &PodNetwork,
    link: &Link,
    host: Option<&Link>,
    object: &str,
    differences: &mut Differences,
) {
    let word = |is_up| if is_up { "up" } else { "down" };
    differences.compare(object, &word(wanted.veth.is_up), &word(link.is_up));
    if link.mac != Some(wanted.veth.pod_mac) {
        let found = link.mac.map(|mac| mac.to_string()).unwrap_or_default();
        differences.note(format!("Ethernet address of {object}"), wanted.veth.pod_mac, found);
    }
    let mtu = wanted.veth.mtu.or(host.map(|host| host.mtu));
    differences.compare(format!("MTU of {object}"), &mtu.unwrap_or(link.mtu), &link.mtu);
    // Indices are of two namespaces, so that each must point to the other.
    if let Some(host) = host.filter(|host| host.peer != Some(link.index) || link.peer != Some(host.index)) {
        differences.note(format!("peer of {object}"), &host.name, "another link");
    }
}

/// Each parameter with its wanted and its present value, read in the calling thread's namespace.
fn read_parameters(wanted: &PodNetwork) -> Result<Vec<(String, String, String)>, SysctlError> {
    let name = &wanted.veth.pod_name;
    let ipv6 =
        wanted.has_ipv6().then(|| parameters::ipv6(name, wanted.detects_duplicates)).into_iter().flatten();
    let read = |(parameter, value): (String, &str)| {
        let found = sysctl::read(&parameter)?;
        Ok((parameter, value.to_owned(), found))
    };
    let mut read = parameters::ipv4(name).chain(ipv6).map(read).collect::<Result<Vec<_>, _>>()?;
    if wanted.is_transparent() {
        let (parameter, value) = parameters::no_routers(name.as_str());
        let found = sysctl::parameter(&parameter)?;
        read.extend(found.map(|found| (parameter, value.to_owned(), found)));
    }
    Ok(read)
}

fn compare_neighbours(
    wanted: &PodNetwork,
    neighbours: &[Neighbour],
    link: u32,
    differences: &mut Differences,
) {
    for &address in wanted.stand_ins() {
        let mac = Some(wanted.owner.mac());
        let expected = Neighbour { link, address, mac, is_permanent: true };
        if !neighbours.contains(&expected) {
            differences
                .missing(format!("permanent neighbour {address} of pod link {}", wanted.veth.pod_name));
        }
    }
}

/// A route to the subnet would lead past the host's routes, to neighbours that are not on the link.
fn refuse_subnets(wanted: &PodNetwork, installed: &[Installed], link: u32, differences: &mut Differences) {
    let of_kernel = Some(u8::from(RouteProtocol::Kernel));
    for subnet in
        wanted.addresses.iter().filter(|net| net.prefix_len() < net.max_prefix_len()).map(IpNet::trunc)
    {
        let is_there = installed.iter().any(|found| {
            found.link == link && found.route.dst == subnet && found.route.protocol == of_kernel
        });
        if is_there {
            differences.note(format!("route to {subnet} on the pod's link"), "none", "one from the kernel");
        }
    }
}

fn compare_route(wanted: &Route, installed: &[Installed], link: u32, differences: &mut Differences) {
    let to_the_same: Vec<_> = installed
        .iter()
        .filter(|installed| installed.link == link && installed.route.dst == wanted.dst.trunc())
        .collect();
    if !to_the_same.iter().any(|installed| installed.satisfies(wanted)) {
        let found: Vec<_> = to_the_same.iter().map(|installed| installed.route.to_string()).collect();
        let found = if found.is_empty() { "missing".to_owned() } else { found.join("; ") };
        differences.note(format!("route to {} in the pod", wanted.dst), wanted, found);
    }
}
