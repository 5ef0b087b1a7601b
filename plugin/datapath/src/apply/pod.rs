//! The pod's end: parameters, addresses, routes.
//!
//! A thread enters the namespace once, to open a socket there and to set the parameters that only files have.
//! All else goes through that socket, in one datagram.

use std::{
    net::IpAddr,
    thread,
    time::{Duration, Instant},
};

use ipnet::IpNet;

use super::{ApplyError, routed};
use crate::{
    HostEnd, LinkName, Netns, PodNetwork, SysctlError,
    netlink::{Protocol, Request, Socket},
    parameters,
    rtnl::{
        address::{self, Probing},
        change, neighbour, route,
    },
    sysctl::{Tree, Visit},
};

/// The kernel waits for one second after a random part of another (RFC 4862 section 5.1 and 5.4); more only where an
/// administrator has it send more probes.
const PROBE_LIMIT: Duration = Duration::from_secs(5);
const PROBE_POLL: Duration = Duration::from_millis(10);

/// The pod's end, configured.
#[derive(Debug)]
pub(super) struct Pod {
    socket: Socket,
    index: u32,
}

/// Configures the pod's end, which has this index in the pod's namespace.
pub(super) fn configure(
    wanted: &PodNetwork,
    netns: &Netns,
    visit: &mut Visit,
    index: u32,
) -> Result<Pod, ApplyError> {
    let mut socket = netns.run(|| {
        if wanted.has_ipv6() || wanted.is_transparent() {
            set_parameters(wanted, visit.tree())?;
        }
        Ok::<_, ApplyError>(Socket::open(Protocol::Route)?)
    })??;
    if wanted.veth.is_up {
        socket.batch(&requests(wanted, index))?;
    }
    Ok(Pod { socket, index })
}

/// Routes need the link up and the addresses there.
fn requests(wanted: &PodNetwork, index: u32) -> Vec<Request> {
    let name = &wanted.veth.pod_name;
    let add = match &wanted.host_end {
        HostEnd::Port(_) if wanted.detects_duplicates => address::add_and_probe,
        HostEnd::Port(_) | HostEnd::OnNetwork(_) => address::add,
        // What goes to the pod's own subnet goes through the host, too.
        HostEnd::Routed { .. } | HostEnd::Transparent { .. } => address::add_alone,
    };
    let addresses = wanted.addresses.iter().map(|address| add(name.as_str(), index, *address));
    let host = wanted.owner.mac();
    let neighbours = wanted.stand_ins().iter().map(|gateway| neighbour::fix(index, *gateway, host));
    let routes = wanted.routes.iter().map(|route| route::add(index, route));
    let up = [change::raise_pod_end(name, index)];
    up.into_iter().chain(addresses).chain(neighbours).chain(routes).collect()
}

fn set_parameters(wanted: &PodNetwork, tree: &Tree) -> Result<(), SysctlError> {
    let name = &wanted.veth.pod_name;
    if wanted.has_ipv6() {
        parameters::ipv6(name, wanted.detects_duplicates)
            .try_for_each(|(parameter, value)| tree.ensure(&parameter, value))?;
    }
    routed::refuse_routers(wanted, tree, name)
}

impl Pod {
    /// Waits until the pod takes packets to its IPv6 addresses, then tells the neighbours which Ethernet
    /// address the pod's addresses have now.
    pub(super) fn announce(&mut self, wanted: &PodNetwork) -> Result<(), ApplyError> {
        for address in wanted.addresses.iter().map(IpNet::addr) {
            if wanted.detects_duplicates {
                self.probe(&wanted.veth.pod_name, address)?;
            }
            route::wait_until_local(&mut self.socket, address)?;
        }
        if wanted.is_transparent() {
            // Nobody but the host hears it, which knows; and the pod would forget its fixed neighbours.
            return Ok(());
        }
        let veth = &wanted.veth;
        Ok(self.socket.execute(&change::announce(&veth.pod_name, self.index, veth.pod_mac))?)
    }

    /// Waits until nobody else was found to have the IPv6 address.
    fn probe(&mut self, link: &LinkName, address: IpAddr) -> Result<(), ApplyError> {
        let start = Instant::now();
        loop {
            match address::probing(&mut self.socket, self.index, address)? {
                Probing::Failed => return Err(ApplyError::Duplicate { address, link: link.clone() }),
                Probing::Under if start.elapsed() < PROBE_LIMIT => thread::sleep(PROBE_POLL),
                Probing::Under | Probing::Over => return Ok(()),
            }
        }
    }
}
