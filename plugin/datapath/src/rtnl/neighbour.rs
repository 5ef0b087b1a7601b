//! Neighbours: who has an IP address on a link (`RTM_*NEIGH`, rtnetlink(7)).

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_DUMP, NLM_F_REPLACE};
use netlink_packet_route::{
    RouteNetlinkMessage,
    neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState},
};

use nix::errno::Errno;

use super::{route, value};
use crate::{
    MacAddr,
    netlink::{NetlinkError, Reply, Request, Socket},
};

/// Bytes of `struct ndmsg`.
const HEADER: usize = 12;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NUD_PERMANENT: u16 = 0x80;

/// A neighbour as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Neighbour {
    pub(crate) link: u32,
    pub(crate) address: IpAddr,
    pub(crate) mac: Option<MacAddr>,
    pub(crate) is_permanent: bool,
}

/// Says for good who has an address.
pub(crate) fn fix(index: u32, address: IpAddr, mac: MacAddr) -> Request {
    add(index, address, mac, NeighbourState::Permanent)
}

/// Says who has an address until the kernel finds that it is otherwise: it need not ask before the first packet.
pub(crate) fn suggest(index: u32, address: IpAddr, mac: MacAddr) -> Request {
    add(index, address, mac, NeighbourState::Stale)
}

fn add(index: u32, address: IpAddr, mac: MacAddr, state: NeighbourState) -> Request {
    let mut message = message(index, address);
    message.header.state = state;
    message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.bytes().to_vec()));
    let flags = NLM_F_CREATE | NLM_F_REPLACE;
    let what = format!("add neighbour {address} at {mac}");
    Request::route(what, flags, &RouteNetlinkMessage::NewNeighbour(message))
}

fn message(index: u32, address: IpAddr) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = route::family(address.into());
    message.header.ifindex = index;
    let destination = match address {
        IpAddr::V4(address) => NeighbourAddress::Inet(address),
        IpAddr::V6(address) => NeighbourAddress::Inet6(address),
    };
    message.attributes = vec![NeighbourAttribute::Destination(destination)];
    message
}

/// Forgets who has an address; `ENOENT` where nobody is known.
pub(crate) fn forget(index: u32, address: IpAddr) -> Request {
    let what = format!("delete neighbour {address}");
    Request::route(what, 0, &RouteNetlinkMessage::DelNeighbour(message(index, address)))
}

/// Whether it was said for good who has an address.
pub(crate) fn is_fixed(socket: &mut Socket, index: u32, address: IpAddr) -> Result<bool, NetlinkError> {
    let get = RouteNetlinkMessage::GetNeighbour(message(index, address));
    match socket.query(&Request::route_question(format!("look up neighbour {address}"), &get)) {
        Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(false),
        answer => Ok(answer?.iter().filter_map(parse).any(|neighbour| neighbour.is_permanent)),
    }
}

/// All neighbours of both families.
pub(crate) fn list(socket: &mut Socket) -> Result<Vec<Neighbour>, NetlinkError> {
    let get = RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default());
    let replies = socket.query(&Request::route("list neighbours", NLM_F_DUMP, &get))?;
    Ok(replies.iter().filter_map(parse).collect())
}

fn parse(reply: &Reply) -> Option<Neighbour> {
    let body = reply.body.as_slice();
    let link = value::number(body.get(4..)?)?;
    let state = u16::from_ne_bytes(*body.get(8..)?.first_chunk()?);
    let (mut address, mut mac) = (None, None);
    for (kind, value) in value::after(HEADER, body) {
        match kind {
            NDA_DST => address = value::ip(value),
            NDA_LLADDR => mac = value::mac(value),
            _ => {}
        }
    }
    Some(Neighbour { link, address: address?, mac, is_permanent: state & NUD_PERMANENT != 0 })
}
