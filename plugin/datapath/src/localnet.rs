//! Letting the node reach a pod from its loopback addresses.

use std::net::IpAddr;

use crate::{
    LinkNameError, SysctlError,
    netlink::{NetlinkError, Protocol, Socket},
    parameters,
    rtnl::{
        link,
        route::{self, Way},
    },
    sysctl,
};

/// Why packets from loopback addresses would be dropped.
#[derive(Debug, thiserror::Error)]
pub enum LocalnetError {
    /// The way to the pod could not be found out.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// The kernel has a link with a name that is none.
    #[error(transparent)]
    LinkName(#[from] LinkNameError),
    /// The parameter could not be set.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
}

/// Lets packets from and to 127.0.0.0/8 pass the link that leads to this address of a pod, if any does. IPv6 has no such
/// choice. Never undone: other pods need it too.
pub fn allow_localnet(pod: IpAddr) -> Result<(), LocalnetError> {
    let mut socket = Socket::open(Protocol::Route)?;
    let way = if pod.is_ipv4() { route::way_to(&mut socket, pod)? } else { None };
    let Some(Way::By(index)) = way else { return Ok(()) };
    if let Some(link) = link::by_index(&mut socket, index)? {
        let (parameter, value) = parameters::route_localnet(&link.name);
        sysctl::ensure(&parameter, value)?;
    }
    Ok(())
}
