//! Connection tracking: forgetting what it remembers of UDP.
//!
//! A translation is decided by a connection's first packet. UDP has no beginning: as long as a client goes on
//! sending, the kernel goes on as it began, to the node itself if no pod had the port then, or to a pod that is
//! gone. So when a UDP port of the node changes hands, its entries are deleted.
//!
//! The kernel lists only the entries that are asked for (Linux 5.8 and later): those of UDP and, where it is one
//! port, of that port. Of these only those to an address of the node are deleted; a pod's own questions to a
//! service of the same port number elsewhere are none of ours.
//!
//! Source: Linux `include/uapi/linux/netfilter/nfnetlink_conntrack.h`,
//! `net/netfilter/nf_conntrack_netlink.c`, `net/netfilter/nf_internals.h` (flags of filters).

use std::{collections::BTreeMap, net::IpAddr, thread};

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP};
use nix::errno::Errno;

use crate::{
    HostPorts, Transport,
    netlink::{NetlinkError, Protocol, Request, Socket},
    nft::{
        NodePort,
        attribute::{Writer, find},
    },
    rtnl::route,
};

/// `NFNL_SUBSYS_CTNETLINK`.
const SUBSYSTEM: u16 = 1;
const GET: u16 = SUBSYSTEM << 8 | 1;
const DELETE: u16 = SUBSYSTEM << 8 | 2;
/// Bytes of `struct nfgenmsg`.
const HEADER: usize = 4;

// `enum ctattr_type`, `ctattr_tuple`, `ctattr_ip`, `ctattr_l4proto`, `ctattr_filter`.
const TUPLE_ORIGINAL: u16 = 1;
const TUPLE_IP: u16 = 1;
const TUPLE_PROTOCOL: u16 = 2;
const IPV4_DESTINATION: u16 = 2;
const IPV6_DESTINATION: u16 = 4;
const PROTOCOL_NUMBER: u16 = 1;
const PROTOCOL_DESTINATION: u16 = 3;
const ID: u16 = 12;
const FILTER: u16 = 25;
const FILTER_ORIGINAL_FLAGS: u16 = 1;
const BY_NUMBER: u32 = 1 << 3;
const BY_DESTINATION: u32 = 1 << 5;

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
///
/// The kernel walks its whole table for each family, some 10 ms where that has 262,144 buckets, so both walk at once.
pub(crate) fn forget(ports: &[NodePort]) {
    if ports.is_empty() {
        return;
    }
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

fn log(forgotten: Result<(), NetlinkError>) {
    if let Err(error) = forgotten {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "old UDP connections may still go elsewhere");
    }
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
    let replies = netfilter.query(&list(is_ipv4, one_port))?;
    let mut is_local: BTreeMap<IpAddr, bool> = BTreeMap::new();
    for entry in replies.iter().filter_map(|reply| Entry::parse(reply.body.get(HEADER..)?)) {
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

/// The entries of UDP, and of one destination port if there is one.
fn list(is_ipv4: bool, port: Option<u16>) -> Request {
    let body = body(is_ipv4, |message| {
        message.nested(TUPLE_ORIGINAL, |tuple| {
            tuple.nested(TUPLE_PROTOCOL, |protocol| {
                protocol.bytes(PROTOCOL_NUMBER, &[Transport::Udp.number()]);
                if let Some(port) = port {
                    protocol.bytes(PROTOCOL_DESTINATION, &port.to_be_bytes());
                }
            });
        });
        message.nested(FILTER, |filter| {
            let flags = BY_NUMBER | if port.is_some() { BY_DESTINATION } else { 0 };
            filter.bytes(FILTER_ORIGINAL_FLAGS, &flags.to_ne_bytes());
        });
    });
    Request::new("list tracked UDP connections", GET, NLM_F_DUMP, body)
}

/// What is of interest of an entry.
#[derive(Debug, PartialEq, Eq)]
struct Entry<'a> {
    /// The tuple of the original direction, as the kernel gave it.
    tuple: &'a [u8],
    id: Option<&'a [u8]>,
    destination: IpAddr,
    port: u16,
}

impl<'a> Entry<'a> {
    fn parse(attributes: &'a [u8]) -> Option<Self> {
        let tuple = find(attributes, TUPLE_ORIGINAL)?;
        let (ip, protocol) = (find(tuple, TUPLE_IP)?, find(tuple, TUPLE_PROTOCOL)?);
        if find(protocol, PROTOCOL_NUMBER)? != [Transport::Udp.number()] {
            return None;
        }
        let v4 = || <[u8; 4]>::try_from(find(ip, IPV4_DESTINATION)?).ok().map(IpAddr::from);
        let v6 = || <[u8; 16]>::try_from(find(ip, IPV6_DESTINATION)?).ok().map(IpAddr::from);
        Some(Self {
            tuple,
            id: find(attributes, ID),
            destination: v4().or_else(v6)?,
            port: u16::from_be_bytes(find(protocol, PROTOCOL_DESTINATION)?.try_into().ok()?),
        })
    }

    /// Deletes this entry and none that has come in its place.
    fn delete(&self, is_ipv4: bool) -> Request {
        let body = body(is_ipv4, |message| {
            message.nested(TUPLE_ORIGINAL, |tuple| tuple.raw(self.tuple));
            if let Some(id) = self.id {
                message.bytes(ID, id);
            }
        });
        let what = format!("forget the UDP connection to {} port {}", self.destination, self.port);
        Request::new(what, DELETE, NLM_F_ACK, body)
    }
}

fn body(is_ipv4: bool, fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
    const AF_INET: u8 = 2;
    const AF_INET6: u8 = 10;
    const NFNETLINK_V0: u8 = 0;
    let family = if is_ipv4 { AF_INET } else { AF_INET6 };
    let mut writer = Writer::after(vec![family, NFNETLINK_V0, 0, 0]);
    fill(&mut writer);
    writer.into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The attributes of an entry as Linux 6.18 lists it: both tuples, then what nobody here reads, then the id.
    fn entry(destination: IpAddr, port: u16) -> Vec<u8> {
        let mut message = Writer::default();
        message.nested(TUPLE_ORIGINAL, |tuple| {
            tuple.nested(TUPLE_IP, |ip| match destination {
                IpAddr::V4(address) => ip.bytes(IPV4_DESTINATION, &address.octets()),
                IpAddr::V6(address) => ip.bytes(IPV6_DESTINATION, &address.octets()),
            });
            tuple.nested(TUPLE_PROTOCOL, |protocol| {
                protocol.bytes(PROTOCOL_NUMBER, &[17]);
                protocol.bytes(2, &[0xc0, 0]);
                protocol.bytes(PROTOCOL_DESTINATION, &port.to_be_bytes());
            });
        });
        message.number(3, 0x18e);
        message.number(ID, 0xdead_beef);
        message.into_bytes()
    }

    #[test]
    fn an_entry_is_deleted_by_its_tuple_and_id() {
        for destination in ["192.0.2.1", "2001:db8::1"] {
            let destination: IpAddr = destination.parse().unwrap();
            let listed = entry(destination, 53);
            let read = Entry::parse(&listed).unwrap();
            assert_eq!((read.destination, read.port), (destination, 53));
            let request = read.delete(destination.is_ipv4());
            let sent = &request.body()[HEADER..];
            assert_eq!(find(sent, TUPLE_ORIGINAL), find(&listed, TUPLE_ORIGINAL));
            assert_eq!(find(sent, ID), Some(&0xdead_beef_u32.to_be_bytes()[..]));
        }
    }

    #[test]
    fn the_kernel_is_asked_for_one_port_only_where_there_is_one() {
        for (port, flags) in [(Some(53), BY_NUMBER | BY_DESTINATION), (None, BY_NUMBER)] {
            let request = list(true, port);
            let body = &request.body()[HEADER..];
            let filter = find(body, FILTER).unwrap();
            assert_eq!(find(filter, FILTER_ORIGINAL_FLAGS), Some(&flags.to_ne_bytes()[..]));
            let protocol = find(find(body, TUPLE_ORIGINAL).unwrap(), TUPLE_PROTOCOL).unwrap();
            assert_eq!(find(protocol, PROTOCOL_DESTINATION).is_some(), port.is_some());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_entry_or_none(bytes: Vec<u8>) {
            drop(Entry::parse(&bytes).map(|entry| entry.delete(true)));
        }
    }
}
