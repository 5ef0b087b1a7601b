//! Addresses of links: `RTM_*ADDR` (rtnetlink(7)).

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressFlags, AddressMessage},
};

use nix::errno::Errno;

use super::value;
use crate::netlink::{NetlinkError, Reply, Request, Socket};

/// Bytes of `struct ifaddrmsg`.
const HEADER: usize = 8;
/// Where `ifa_index` is in it.
const INDEX: usize = 4;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
const IFA_TARGET_NETNSID: u16 = 10;

/// The addresses of the link with this index.
pub(crate) fn list(socket: &mut Socket, index: u32) -> Result<Vec<IpNet>, NetlinkError> {
    Ok(socket.query(&list_request(index))?.iter().filter_map(|reply| parse(&reply.body)).collect())
}

/// The addresses of the link with this index in another namespace, by the number that the socket's knows it by; none
/// where link or namespace are gone.
pub(crate) fn list_elsewhere(
    socket: &mut Socket,
    netns: u32,
    index: u32,
) -> Result<Vec<IpNet>, NetlinkError> {
    let mut message = of_link(index);
    let netns = DefaultNla::new(IFA_TARGET_NETNSID, netns.to_ne_bytes().to_vec());
    message.attributes.push(AddressAttribute::Other(netns));
    let what = format!("list addresses of link {index} in another namespace");
    match socket.query(&Request::route(what, NLM_F_DUMP, &RouteNetlinkMessage::GetAddress(message))) {
        Err(error) if matches!(error.errno(), Some(Errno::ENODEV | Errno::EINVAL)) => Ok(Vec::new()),
        answer => Ok(answer?.iter().filter_map(|reply| parse(&reply.body)).collect()),
    }
}

fn of_link(index: u32) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.index = index;
    message
}

fn list_request(index: u32) -> Request {
    let message = of_link(index);
    let what = format!("list addresses of link {index}");
    Request::route(what, NLM_F_DUMP, &RouteNetlinkMessage::GetAddress(message))
}

/// The addresses of all links, each with its link's index.
pub(crate) fn list_all(socket: &mut Socket) -> Result<Vec<(u32, IpNet)>, NetlinkError> {
    let get = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    let request = Request::route("list the addresses of all links", NLM_F_DUMP, &get);
    let indexed = |body: &[u8]| Some((value::number(body.get(INDEX..)?)?, parse(body)?));
    Ok(socket.query(&request)?.iter().filter_map(|reply| indexed(&reply.body)).collect())
}

/// Adds an address; `EEXIST` where the link has it. The link is named for the error's text only.
pub(crate) fn add(link: &str, index: u32, address: IpNet) -> Request {
    let what = format!("add address {address} to {link}");
    Request::route(what, NLM_F_CREATE | NLM_F_EXCL, &RouteNetlinkMessage::NewAddress(message(index, address)))
}

/// Adds an address, as [`add`], but no route to its subnet.
pub(crate) fn add_alone(link: &str, index: u32, address: IpNet) -> Request {
    let what = format!("add address {address} to {link}");
    let mut message = message(index, address);
    message.attributes.retain(|attribute| !matches!(attribute, AddressAttribute::Flags(_)));
    let flags = AddressFlags::Nodad | AddressFlags::Noprefixroute;
    message.attributes.push(AddressAttribute::Flags(flags));
    Request::route(what, NLM_F_CREATE | NLM_F_EXCL, &RouteNetlinkMessage::NewAddress(message))
}

/// Adds an address, as [`add`]; one of IPv6 is not used before nobody else was found to have it: [`probing`].
pub(crate) fn add_and_probe(link: &str, index: u32, address: IpNet) -> Request {
    let what = format!("add address {address} to {link}");
    let mut message = message(index, address);
    message.attributes.retain(|attribute| !matches!(attribute, AddressAttribute::Flags(_)));
    Request::route(what, NLM_F_CREATE | NLM_F_EXCL, &RouteNetlinkMessage::NewAddress(message))
}

/// How far duplicate address detection is (RFC 4862 section 5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probing {
    /// Nobody has answered yet.
    Under,
    /// Somebody else has the address.
    Failed,
    /// Nobody has; also where nobody was asked.
    Over,
}

/// How far it is for an address of the link with this index.
pub(crate) fn probing(socket: &mut Socket, index: u32, address: IpAddr) -> Result<Probing, NetlinkError> {
    let replies = socket.query(&list_request(index))?;
    let of_address = |reply: &&Reply| parse(&reply.body).is_some_and(|found| found.addr() == address);
    Ok(replies.iter().find(of_address).map_or(Probing::Over, |reply| Probing::of(&reply.body)))
}

impl Probing {
    fn of(body: &[u8]) -> Self {
        let mut flags = AddressFlags::empty();
        for (kind, value) in value::after(HEADER, body) {
            if kind == IFA_FLAGS {
                flags = AddressFlags::from_bits_retain(value::number(value).unwrap_or_default());
            }
        }
        if flags.contains(AddressFlags::Dadfailed) {
            Self::Failed
        } else if flags.contains(AddressFlags::Tentative) {
            Self::Under
        } else {
            Self::Over
        }
    }
}

/// Removes an address.
pub(crate) fn delete(link: &str, index: u32, address: IpNet) -> Request {
    let what = format!("delete address {address} of {link}");
    Request::route(what, 0, &RouteNetlinkMessage::DelAddress(message(index, address)))
}

fn message(index: u32, address: IpNet) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.index = index;
    message.header.prefix_len = address.prefix_len();
    message.attributes =
        vec![AddressAttribute::Local(address.addr()), AddressAttribute::Address(address.addr())];
    match address {
        IpNet::V4(net) => {
            message.header.family = AddressFamily::Inet;
            if let Some(broadcast) = broadcast(net) {
                message.attributes.push(AddressAttribute::Broadcast(broadcast));
            }
        }
        IpNet::V6(_) => {
            message.header.family = AddressFamily::Inet6;
            // The address is ours alone, so that there is no duplicate to wait for (RFC 4862 §5.4).
            message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
        }
    }
    message
}

/// The subnet's broadcast address; a subnet of one or two addresses has none (RFC 3021).
fn broadcast(net: Ipv4Net) -> Option<std::net::Ipv4Addr> {
    (net.prefix_len() < 31).then(|| net.broadcast())
}

pub(super) fn parse(body: &[u8]) -> Option<IpNet> {
    let prefix_length = *body.get(1)?;
    let (mut local, mut peer) = (None, None);
    for (kind, value) in value::after(HEADER, body) {
        match kind {
            IFA_LOCAL => local = value::ip(value),
            IFA_ADDRESS => peer = value::ip(value),
            _ => {}
        }
    }
    // On a point-to-point link IFA_ADDRESS is the other side; IPv6 has IFA_LOCAL only then.
    IpNet::new(local.or(peer)?, prefix_length).ok()
}
