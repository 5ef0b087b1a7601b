//! The host's end as a link of its own, with a route to each of the pod's addresses.
//!
//! All of it goes with the link, so that there is nothing to take back.

use ipnet::IpNet;
use nix::errno::Errno;

use super::{ApplyError, pair::Pair, taken};
use crate::{
    HostEnd, LinkName, PodNetwork, SysctlError,
    netlink::Socket,
    parameters,
    rtnl::{address, neighbour, route},
    sysctl::Tree,
};

/// Keeps a link of a pod without bridge from taking what others say of routers; before the pod's first packet. Done in
/// the namespace where the link is.
pub(super) fn refuse_routers(wanted: &PodNetwork, tree: &Tree, link: &LinkName) -> Result<(), SysctlError> {
    if !wanted.is_transparent() {
        return Ok(());
    }
    let (parameter, value) = parameters::no_routers(link.as_str());
    tree.set_where_known(&parameter, value)
}

/// Gives the host's end its addresses and routes, unless it is a port of a bridge.
pub(super) fn configure(host: &mut Socket, wanted: &PodNetwork, pair: &Pair) -> Result<(), ApplyError> {
    match &wanted.host_end {
        HostEnd::Port(_) | HostEnd::OnNetwork(_) => Ok(()),
        HostEnd::Transparent { .. } => lead_to_pod(host, wanted, pair),
        HostEnd::Routed { gateways } => {
            let (name, index) = (pair.host_name.as_str(), pair.host_index);
            let addresses = gateways.iter().map(|gateway| address::add(name, index, IpNet::from(*gateway)));
            let routes = wanted.host_routes();
            let routes = routes.iter().map(|route| route::add(index, route));
            host.batch(&addresses.chain(routes).collect::<Vec<_>>())?;
            for gateway in gateways {
                route::wait_until_local(host, *gateway)?;
            }
            Ok(())
        }
    }
}

/// Routes to the pod, which nobody else may have, since they decide who gets the packets. The host need not ask for
/// the pod before it sends the first one: of IPv6 it could not, before its own link-local address is found to be
/// unique.
fn lead_to_pod(host: &mut Socket, wanted: &PodNetwork, pair: &Pair) -> Result<(), ApplyError> {
    for route in &wanted.host_routes() {
        let pod = neighbour::suggest(pair.host_index, route.dst.addr(), wanted.veth.pod_mac);
        match host.batch(&[pod, route::add_first(pair.host_index, route)]) {
            // By another process, a moment ago.
            Err(error) if error.errno() == Some(Errno::EEXIST) => {
                return Err(taken::by_route(host, route.dst.addr())?);
            }
            added => added?,
        }
    }
    Ok(())
}
