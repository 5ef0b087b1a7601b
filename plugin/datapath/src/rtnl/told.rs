//! Addresses and routes of a link as the kernel told them, to be said again of another link.
//!
//! They are kept as the bytes of the kernel's answer, so that whatever a route has (metrics, protocol, preference,
//! encapsulation, several next hops) goes along without anybody's knowing of it. Left out is what the kernel keeps for itself
//! or counts: lifetimes, caches, states.
//!
//! Sources: rtnetlink(7), Linux `include/uapi/linux/rtnetlink.h` and `if_addr.h`.

use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REPLACE};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::AddressMessage,
    route::{RouteMessage, RouteType},
};

use super::{address, route, value};
use crate::{
    netlink::{NetlinkError, Request, Socket, attributes},
    nft::attribute::Writer,
};

const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;

/// An address of a link, or a route that leaves by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// `struct ifaddrmsg` and its attributes.
    Address(Vec<u8>),
    /// `struct rtmsg` and its attributes.
    Route(Vec<u8>),
}

/// Everything that is told of the link with this index: addresses, routes without a next hop, routes with one. Each can be
/// said when those before it have been.
pub(crate) fn list(socket: &mut Socket, index: u32) -> Result<Vec<Told>, NetlinkError> {
    let mut told = addresses(socket, index)?;
    let mut routes = Vec::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        routes.extend(of_family(socket, family, index)?);
    }
    let (behind_a_hop, on_link): (Vec<_>, Vec<_>) = routes.into_iter().partition(|body| has_next_hop(body));
    told.extend(on_link.into_iter().chain(behind_a_hop).map(Told::Route));
    Ok(told)
}

/// The addresses of the link with this index, in the order in which they have to be said to stand in the same one: of IPv6 the
/// kernel puts the newest first (`ipv6_link_dev_addr`), and sends from that one.
fn addresses(socket: &mut Socket, index: u32) -> Result<Vec<Told>, NetlinkError> {
    let mut message = AddressMessage::default();
    message.header.index = index;
    let what = format!("list addresses of link {index}");
    let request = Request::route(what, NLM_F_DUMP, &RouteNetlinkMessage::GetAddress(message));
    let replies = socket.query(&request)?;
    let is_of_link = |body: &Vec<u8>| body.get(IFA_INDEX..).and_then(value::number) == Some(index);
    let bodies = replies.into_iter().map(|reply| reply.body).filter(is_of_link);
    let (v6, mut ordered): (Vec<_>, Vec<_>) = bodies.partition(|body| body.first() == Some(&AF_INET6));
    ordered.extend(v6.into_iter().rev());
    Ok(ordered.into_iter().map(Told::Address).collect())
}

fn of_family(socket: &mut Socket, family: AddressFamily, index: u32) -> Result<Vec<Vec<u8>>, NetlinkError> {
    let mut message = RouteMessage::default();
    message.header.address_family = family;
    message.header.kind = RouteType::Unicast;
    let request = Request::route("list routes", NLM_F_DUMP, &RouteNetlinkMessage::GetRoute(message));
    let replies = socket.query(&request)?;
    Ok(replies.into_iter().map(|reply| reply.body).filter(|body| leaves_by(body, index)).collect())
}

const AF_INET6: u8 = 10;
/// Bytes of `struct ifaddrmsg`, and where the link's index is in it.
const IFADDRMSG: usize = 8;
const IFA_INDEX: usize = 4;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const IFA_FLAGS: u16 = 8;
const IFA_RT_PRIORITY: u16 = 9;
const IFA_PROTO: u16 = 11;
const IFA_F_NODAD: u32 = 0x02;
/// `IFA_F_HOMEADDRESS`, `IFA_F_MANAGETEMPADDR`, `IFA_F_NOPREFIXROUTE`, `IFA_F_MCAUTOJOIN`.
const WISHES: u32 = 0x10 | 0x100 | 0x200 | 0x400;

/// Bytes of `struct rtmsg`, and where the next hop's flags are in it.
const RTMSG: usize = 12;
const RTM_TABLE: usize = 4;
const RTM_FLAGS: usize = 8;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_MULTIPATH: u16 = 9;
const RTA_CACHEINFO: u16 = 12;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;
const RTA_EXPIRES: u16 = 23;
const RTA_NH_ID: u16 = 30;
const RT_TABLE_LOCAL: u32 = 255;
/// `RTNH_F_PERVASIVE` and `RTNH_F_ONLINK`; the others are states.
const HOP_WISHES: u8 = 2 | 4;
/// Bytes of `struct rtnexthop`, and where its flags and its link's index are.
const RTNEXTHOP: usize = 8;
const RTNH_FLAGS: usize = 2;
const RTNH_IFINDEX: usize = 4;

impl Told {
    /// Says it of another link; `EEXIST` where it is so already.
    ///
    /// # Arguments
    /// `from`, `to`: the links' indices.
    pub(crate) fn said_of(&self, from: u32, to: u32) -> Request {
        match self {
            Self::Address(body) => {
                let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
                let body = address_of(body, to).unwrap_or_default();
                Request::new(format!("add address {self} to link {to}"), RTM_NEWADDR, flags, body)
            }
            Self::Route(body) => {
                let body = route_by(body, from, to).unwrap_or_default();
                let what = format!("add route to {self} over link {to}");
                Request::new(what, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE, body)
            }
        }
    }

    /// Takes it off its link; `EADDRNOTAVAIL` and `ESRCH` where it is gone.
    pub(crate) fn taken_off(&self) -> Request {
        match self {
            Self::Address(body) => {
                let is_named = |kind: u16| matches!(kind, IFA_ADDRESS | IFA_LOCAL);
                let body = kept(body, IFADDRMSG, is_named).into_bytes();
                Request::new(format!("delete address {self}"), RTM_DELADDR, NLM_F_ACK, body)
            }
            Self::Route(body) => {
                let is_wish = |kind: u16| !matches!(kind, RTA_CACHEINFO | RTA_EXPIRES | RTA_NH_ID);
                let body = kept(body, RTMSG, is_wish).into_bytes();
                Request::new(format!("delete route to {self}"), RTM_DELROUTE, NLM_F_ACK, body)
            }
        }
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let net = match self {
            Self::Address(body) => address::parse(body),
            Self::Route(body) => route::parse(body).map(|installed| installed.route.dst),
        };
        match net {
            Some(net) => net.fmt(f),
            None => f.write_str("somewhere"),
        }
    }
}

/// The header and those of the attributes.
fn kept(body: &[u8], header: usize, is_kept: impl Fn(u16) -> bool) -> Writer {
    let mut writer = Writer::after(body.get(..header).unwrap_or_default().to_vec());
    for (kind, value) in value::after(header, body).filter(|(kind, _)| is_kept(*kind)) {
        writer.bytes(kind, value);
    }
    writer
}

fn address_of(body: &[u8], link: u32) -> Option<Vec<u8>> {
    let is_kept =
        |kind: u16| matches!(kind, IFA_ADDRESS | IFA_LOCAL | IFA_BROADCAST | IFA_RT_PRIORITY | IFA_PROTO);
    let flags = value::after(IFADDRMSG, body).find(|(kind, _)| *kind == IFA_FLAGS);
    let flags = flags.and_then(|(_, value)| value::number(value)).unwrap_or_default();
    // The node has it already: nobody else is to be looked for.
    let unprobed = if body.first() == Some(&AF_INET6) { IFA_F_NODAD } else { 0 };
    let mut writer = kept(body, IFADDRMSG, is_kept);
    writer.bytes(IFA_FLAGS, &(flags & WISHES | unprobed).to_ne_bytes());
    let mut body = writer.into_bytes();
    body.get_mut(IFA_INDEX..IFADDRMSG)?.copy_from_slice(&link.to_ne_bytes());
    // `ifa_flags`, which the attribute takes the place of.
    *body.get_mut(2)? = 0;
    Some(body)
}

fn route_by(body: &[u8], from: u32, to: u32) -> Option<Vec<u8>> {
    let mut header = body.get(..RTMSG)?.to_vec();
    let [flags, states @ ..] = header.get_mut(RTM_FLAGS..)? else { return None };
    *flags &= HOP_WISHES;
    states.fill(0);
    let mut writer = Writer::after(header);
    for (kind, value) in value::after(RTMSG, body) {
        match kind {
            RTA_OIF => writer.bytes(kind, &to.to_ne_bytes()),
            RTA_MULTIPATH => writer.bytes(kind, &hops_by(value, from, to)),
            RTA_CACHEINFO | RTA_EXPIRES | RTA_NH_ID => {}
            _ => writer.bytes(kind, value),
        }
    }
    Some(writer.into_bytes())
}

/// Next hops, those over one link over the other instead.
fn hops_by(hops: &[u8], from: u32, to: u32) -> Vec<u8> {
    let mut changed = hops.to_vec();
    let mut at = 0;
    while let Some(hop) = hop_at(hops, at) {
        if let Some(flags) = changed.get_mut(at + RTNH_FLAGS) {
            *flags &= HOP_WISHES;
        }
        let index = at + RTNH_IFINDEX..at + RTNEXTHOP;
        if hop.link == from
            && let Some(index) = changed.get_mut(index)
        {
            index.copy_from_slice(&to.to_ne_bytes());
        }
        at += hop.length;
    }
    changed
}

/// One of several next hops.
struct Hop {
    link: u32,
    /// Bytes to the next one.
    length: usize,
}

fn hop_at(hops: &[u8], at: usize) -> Option<Hop> {
    let hop = hops.get(at..)?;
    let length = usize::from(u16::from_ne_bytes(*hop.first_chunk()?)).next_multiple_of(4);
    let link = hop.get(RTNH_IFINDEX..).and_then(value::number)?;
    (length >= RTNEXTHOP).then_some(Hop { link, length })
}

fn leaves_by(body: &[u8], index: u32) -> bool {
    let mut table = body.get(RTM_TABLE).copied().map(u32::from);
    let mut leaves = false;
    for (kind, value) in value::after(RTMSG, body) {
        match kind {
            RTA_OIF => leaves |= value::number(value) == Some(index),
            RTA_TABLE => table = value::number(value),
            RTA_MULTIPATH => {
                let mut at = 0;
                while let Some(hop) = hop_at(value, at) {
                    leaves |= hop.link == index;
                    at += hop.length;
                }
            }
            _ => {}
        }
    }
    // What is local follows from the addresses.
    leaves && table != Some(RT_TABLE_LOCAL)
}

fn has_next_hop(body: &[u8]) -> bool {
    let mut attributes = attributes(body.get(RTMSG..).unwrap_or_default());
    attributes.any(|(kind, _)| matches!(kind, RTA_GATEWAY | RTA_VIA | RTA_MULTIPATH))
}

#[cfg(test)]
mod tests;
