//! The pod's end: parameters, addresses, routes.
//!
//! A thread enters the namespace once, to open a socket there and to set the parameters that only files have.
//! All else goes through that socket, in one datagram.

use super::ApplyError;
use crate::{
    LinkName, Netns, PodNetwork, SysctlError,
    netlink::{Protocol, Request, Socket},
    parameters,
    rtnl::{address, change, route},
    sysctl,
};

/// The pod's end, configured.
#[derive(Debug)]
pub(super) struct Pod {
    socket: Socket,
    index: u32,
}

/// Configures the pod's end, which has this index in the pod's namespace.
pub(super) fn configure(wanted: &PodNetwork, netns: &Netns, index: u32) -> Result<Pod, ApplyError> {
    let name = &wanted.veth.pod_name;
    let mut socket = netns.run(|| {
        if wanted.has_ipv6() {
            set_ipv6_parameters(name)?;
        }
        Ok::<_, ApplyError>(Socket::open(Protocol::Route)?)
    })??;
    // Routes need the link up and the addresses there.
    let requests: Vec<Request> = [change::raise_pod_end(name, index)]
        .into_iter()
        .chain(wanted.addresses.iter().map(|address| address::add(name.as_str(), index, *address)))
        .chain(wanted.routes.iter().map(|route| route::add(index, route)))
        .collect();
    socket.batch(&requests)?;
    Ok(Pod { socket, index })
}

fn set_ipv6_parameters(name: &LinkName) -> Result<(), SysctlError> {
    parameters::ipv6(name).try_for_each(|(parameter, value)| sysctl::ensure(&parameter, value))
}

impl Pod {
    /// Waits until the pod takes packets to its IPv6 addresses, then tells the neighbours which Ethernet
    /// address the pod's addresses have now.
    pub(super) fn announce(&mut self, wanted: &PodNetwork) -> Result<(), ApplyError> {
        for address in &wanted.addresses {
            route::wait_until_local(&mut self.socket, address.addr())?;
        }
        let veth = &wanted.veth;
        Ok(self.socket.execute(&change::announce(&veth.pod_name, self.index, veth.pod_mac))?)
    }
}
