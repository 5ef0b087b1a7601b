//! The messages about tracked connections.
//!
//! Source: Linux `include/uapi/linux/netfilter/nfnetlink_conntrack.h`,
//! `net/netfilter/nf_conntrack_netlink.c`, `net/netfilter/nf_internals.h` (flags of filters).

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP};

use crate::{
    Transport,
    netlink::Request,
    nft::attribute::{Writer, find},
};

/// `NFNL_SUBSYS_CTNETLINK`.
const SUBSYSTEM: u16 = 1;
const GET: u16 = SUBSYSTEM << 8 | 1;
const DELETE: u16 = SUBSYSTEM << 8 | 2;
/// Bytes of `struct nfgenmsg`.
pub(super) const HEADER: usize = 4;

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
const BY_DESTINATION_ADDRESS: u32 = 1 << 1;
const BY_NUMBER: u32 = 1 << 3;
const BY_DESTINATION: u32 = 1 << 5;

/// The entries of UDP, and of one destination port if there is one.
pub(super) fn list(is_ipv4: bool, port: Option<u16>) -> Request {
    let body = body(is_ipv4, |message| {
        message.nested(TUPLE_ORIGINAL, |tuple| {
            tuple.nested(TUPLE_PROTOCOL, |protocol| {
                protocol.bytes(PROTOCOL_NUMBER, &[Transport::Udp.number()]);
                if let Some(port) = port {
                    protocol.bytes(PROTOCOL_DESTINATION, &port.to_be_bytes());
                }
            });
        });
        filter(message, BY_NUMBER | if port.is_some() { BY_DESTINATION } else { 0 });
    });
    Request::new("list tracked UDP connections", GET, NLM_F_DUMP, body)
}

/// Deletes every entry to this port of this address.
pub(super) fn delete_all(address: IpAddr, port: u16) -> Request {
    let body = body(address.is_ipv4(), |message| {
        message.nested(TUPLE_ORIGINAL, |tuple| {
            tuple.nested(TUPLE_IP, |ip| match address {
                IpAddr::V4(address) => ip.bytes(IPV4_DESTINATION, &address.octets()),
                IpAddr::V6(address) => ip.bytes(IPV6_DESTINATION, &address.octets()),
            });
            tuple.nested(TUPLE_PROTOCOL, |protocol| {
                protocol.bytes(PROTOCOL_NUMBER, &[Transport::Udp.number()]);
                protocol.bytes(PROTOCOL_DESTINATION, &port.to_be_bytes());
            });
        });
        filter(message, BY_DESTINATION_ADDRESS | BY_NUMBER | BY_DESTINATION);
    });
    Request::new(format!("forget the UDP connections to {address} port {port}"), DELETE, NLM_F_ACK, body)
}

/// What is of interest of an entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    /// The tuple of the original direction, as the kernel gave it.
    tuple: &'a [u8],
    id: Option<&'a [u8]>,
    pub(super) destination: IpAddr,
    pub(super) port: u16,
}

impl<'a> Entry<'a> {
    pub(super) fn parse(attributes: &'a [u8]) -> Option<Self> {
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
    pub(super) fn delete(&self, is_ipv4: bool) -> Request {
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

/// Says which parts of the tuple are meant.
fn filter(message: &mut Writer, parts: u32) {
    message.nested(FILTER, |filter| filter.bytes(FILTER_ORIGINAL_FLAGS, &parts.to_ne_bytes()));
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

    #[test]
    fn a_port_of_an_address_is_deleted_by_nothing_else() {
        for destination in ["192.0.2.1", "2001:db8::1"] {
            let destination: IpAddr = destination.parse().unwrap();
            let request = delete_all(destination, 53);
            let body = &request.body()[HEADER..];
            let entry = Entry::parse(body).unwrap();
            assert_eq!((entry.destination, entry.port, entry.id), (destination, 53, None));
            let parts = find(find(body, FILTER).unwrap(), FILTER_ORIGINAL_FLAGS).unwrap();
            // `CTA_FILTER_F_CTA_IP_DST`, `…_PROTO_NUM` and `…_PROTO_DST_PORT`.
            assert_eq!(parts, 0b10_1010_u32.to_ne_bytes());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_entry_or_none(bytes: Vec<u8>) {
            drop(Entry::parse(&bytes).map(|entry| entry.delete(true)));
        }
    }
}
