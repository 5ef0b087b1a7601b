//! The host's end as a link of its own: the pod's gateways live on it, and a route to each of the pod's addresses.
//!
//! All of it goes with the link, so that there is nothing to take back.

use ipnet::IpNet;
use netlink_packet_route::route::RouteScope;

use super::{ApplyError, pair::Pair};
use crate::{
    HostEnd, PodNetwork, Route,
    netlink::{Request, Socket},
    rtnl::{address, route},
};

/// Gives the host's end its addresses and routes, unless it is a port of a bridge.
pub(super) fn configure(host: &mut Socket, wanted: &PodNetwork, pair: &Pair) -> Result<(), ApplyError> {
    let HostEnd::Routed { gateways } = &wanted.host_end else { return Ok(()) };
    let (name, index) = (pair.host_name.as_str(), pair.host_index);
    let addresses = gateways.iter().map(|gateway| address::add(name, index, IpNet::from(*gateway)));
    let routes = wanted.addresses.iter().map(|address| route::add(index, &to_pod(*address)));
    let requests: Vec<Request> = addresses.chain(routes).collect();
    host.batch(&requests)?;
    for gateway in gateways {
        route::wait_until_local(host, *gateway)?;
    }
    Ok(())
}

/// The host's route to an address of the pod's.
pub(crate) fn to_pod(address: IpNet) -> Route {
    let dst = IpNet::from(address.addr());
    let scope = Some(RouteScope::Host.into());
    Route { dst, via: None, source: None, mtu: None, advmss: None, priority: None, table: None, scope }
}
