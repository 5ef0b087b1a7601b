//! Connection tracking: forgetting what it remembers of UDP.
//!
//! A translation is decided by a connection's first packet. UDP has no beginning: as long as a client goes on
//! sending, the kernel goes on as it began, to the node itself if no pod had the port then, or to a pod that is
//! gone. So when a UDP port of the node changes hands, its entries are deleted: those to an address of the node, and
//! no others. A pod's own questions to a service of the same port number elsewhere are none of ours.
//!
//! From Linux 6.11 on the kernel deletes by itself whatever goes to a port of an address, in a tenth of a millisecond.
//! Earlier ones list (from 5.8 on no more than what is asked for), and are told what to delete, entry by entry. To list, they
//! lock each bucket of the table, some 10 ms where that has 262,144.

mod message;

use std::{collections::BTreeMap, net::IpAddr, thread};

use nix::errno::Errno;

use self::message::Entry;
use crate::{
    HostPorts, Transport,
    netlink::{NetlinkError, Protocol, Socket},
    nft::NodePort,
    rtnl::{address, route},
};

/// How many deletions are worth more than one listing. A node has some three addresses of a family, or, with IPVS, one for
/// each service.
const FEW: usize = 48;

/// Forgets the connections of those of the ports that are UDP's.
pub fn forget_udp(host_ports: &HostPorts) {
    let of_udp = host_ports.ports.iter().filter(|port| port.transport == Transport::Udp);
    let ports: Vec<NodePort> = of_udp
        .map(|port| NodePort {
            transport: port.transport,
            is_ipv4: port.pod.addr().is_ipv4(),
            host_ip: port.host_ip,
            port: port.port,
        })
        .collect();
    forget(&ports);
}

/// Deletes the entries of these UDP ports of the node. A failure is logged: they expire by themselves, once their
/// clients fall silent.
pub(crate) fn forget(ports: &[NodePort]) {
    if ports.is_empty() {
        return;
    }
    match delete_by_port(ports) {
        Ok(true) => {}
        Ok(false) => list_and_delete(ports),
        error @ Err(_) => log(error.map(drop)),
    }
}

fn log(forgotten: Result<(), NetlinkError>) {
    if let Err(error) = forgotten {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "old UDP connections may still go elsewhere");
    }
}

/// Has the kernel delete what goes to the ports of the node's addresses; says whether it could.
///
/// Of 127.0.0.0/8 the addresses that no link has are passed over.
fn delete_by_port(ports: &[NodePort]) -> Result<bool, NetlinkError> {
    let addresses = address::list_all(&mut Socket::open(Protocol::Route)?)?;
    let addresses: Vec<IpAddr> = addresses.into_iter().map(|(_, address)| address.addr()).collect();
    let places: Vec<(IpAddr, u16)> = ports
        .iter()
        .flat_map(|port| {
            let of_family = addresses.iter().filter(|address| address.is_ipv4() == port.is_ipv4);
            let asked = of_family.filter(|address| port.host_ip.is_none_or(|host_ip| host_ip == **address));
            asked.map(|address| (*address, port.port))
        })
        .collect();
    if places.len() > FEW {
        return Ok(false);
    }
    let mut netfilter = Socket::open(Protocol::Netfilter)?;
    for (address, port) in places {
        match netfilter.execute(&message::delete_all(address, port)) {
            // The kernel wants the whole of one entry.
            Err(error) if error.errno() == Some(Errno::EINVAL) => return Ok(false),
            deleted => deleted?,
        }
    }
    Ok(true)
}

/// Both families' listings walk the kernel's whole table: at once.
fn list_and_delete(ports: &[NodePort]) {
    let (ipv4, ipv6): (Vec<_>, Vec<_>) = ports.iter().copied().partition(|port| port.is_ipv4);
    let forget_ipv6 = || log(forget_family(false, &ipv6));
    thread::scope(|scope| {
        let is_dual = !ipv4.is_empty() && !ipv6.is_empty();
        if !is_dual || thread::Builder::new().spawn_scoped(scope, forget_ipv6).is_err() {
            forget_ipv6();
        }
        log(forget_family(true, &ipv4));
    });
}

fn forget_family(is_ipv4: bool, ports: &[NodePort]) -> Result<(), NetlinkError> {
    if ports.is_empty() {
        return Ok(());
    }
    let mut host = Socket::open(Protocol::Route)?;
    let mut netfilter = Socket::open(Protocol::Netfilter)?;
    let one_port = match ports {
        [port] => Some(port.port),
        _ => None,
    };
    let replies = netfilter.query(&message::list(is_ipv4, one_port))?;
    let mut is_local: BTreeMap<IpAddr, bool> = BTreeMap::new();
    for entry in replies.iter().filter_map(|reply| Entry::parse(reply.body.get(message::HEADER..)?)) {
        let is_of = |port: &NodePort| {
            port.port == entry.port && port.host_ip.is_none_or(|host_ip| host_ip == entry.destination)
        };
        if !ports.iter().any(is_of) {
            continue;
        }
        let is_ours = match is_local.get(&entry.destination) {
            Some(known) => *known,
            None => route::is_local(&mut host, entry.destination)?,
        };
        is_local.insert(entry.destination, is_ours);
        if is_ours {
            match netfilter.execute(&entry.delete(is_ipv4)) {
                // It expired meanwhile.
                Err(error) if error.errno() == Some(Errno::ENOENT) => {}
                deleted => deleted?,
            }
        }
    }
    Ok(())
}
