//! Links as the kernel tells them: `RTM_GETLINK` (rtnetlink(7)).

use netlink_packet_core::NLM_F_DUMP;
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{InfoKind, LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo, LinkMessage},
};
use nix::errno::Errno;

use super::value;
use crate::{
    LinkName, MacAddr,
    netlink::{NetlinkError, Reply, Request, Socket, attributes},
};

/// Bytes of `struct ifinfomsg`.
const HEADER: usize = 16;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
/// `IN6_ADDR_GEN_MODE_NONE` of `linux/if_link.h`.
const NO_ADDRESS: u8 = 1;
const AF_INET6: u16 = 10;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
const IFLA_BRPORT_STATE: u16 = 1;
const IFLA_BRPORT_MODE: u16 = 4;
const IFLA_BRPORT_ISOLATED: u16 = 33;
const BR_STATE_FORWARDING: u8 = 3;

/// A link as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "the kernel's own flags, each for itself")]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    /// `IFF_UP`: switched on, whatever the carrier.
    pub(crate) is_up: bool,
    /// `IFF_RUNNING`: switched on and able to send.
    pub(crate) is_running: bool,
    /// `IFF_PROMISC`, as set by somebody; what the kernel does for its own ends is not told.
    pub(crate) is_promiscuous: bool,
    pub(crate) mtu: u32,
    pub(crate) mac: Option<MacAddr>,
    /// The other end's index (`IFLA_LINK`), in that end's namespace.
    pub(crate) peer: Option<u32>,
    /// By which number the link's own namespace knows the other end's (`IFLA_LINK_NETNSID`), where it is another one.
    pub(crate) peer_netns: Option<u32>,
    /// The bridge's index (`IFLA_MASTER`).
    pub(crate) master: Option<u32>,
    pub(crate) alias: Option<String>,
    /// The driver's name, for example `veth`; a physical link has none.
    pub(crate) kind: Option<String>,
    pub(crate) port: Port,
    /// The kernel gives the link an IPv6 link-local address of its own.
    pub(crate) makes_link_local: bool,
}

/// The state of a link as a port of a bridge; all false where it is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Port {
    pub(crate) is_forwarding: bool,
    pub(crate) hairpin: bool,
    pub(crate) isolated: bool,
}

/// The link of this name, if there is one.
pub(crate) fn by_name(socket: &mut Socket, name: &LinkName) -> Result<Option<Link>, NetlinkError> {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_string()));
    get(socket, format!("look up link {name}"), message)
}

/// The link of this index, if there is one.
///
/// Since Linux 6.8 the kernel brings the link's state up to date with its carrier before it answers.
pub(crate) fn by_index(socket: &mut Socket, index: u32) -> Result<Option<Link>, NetlinkError> {
    let mut message = LinkMessage::default();
    message.header.index = index;
    get(socket, format!("look up link {index}"), message)
}

/// A request for the link of this index. Asked in one datagram with changes, it makes the kernel act on the link's carrier
/// before the next change.
pub(crate) fn ask(index: u32) -> Request {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes.push(without_statistics());
    Request::route_question(format!("look up link {index}"), &RouteNetlinkMessage::GetLink(message))
}

/// All links of one kind.
pub(crate) fn list(socket: &mut Socket, kind: InfoKind) -> Result<Vec<Link>, NetlinkError> {
    let mut message = LinkMessage::default();
    message.attributes = vec![without_statistics(), LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind)])];
    links(socket, "list links", message)
}

/// All links.
pub(crate) fn list_all(socket: &mut Socket) -> Result<Vec<Link>, NetlinkError> {
    let mut message = LinkMessage::default();
    message.attributes = vec![without_statistics()];
    links(socket, "list links", message)
}

/// The ports of the bridge with this index.
pub(crate) fn ports(socket: &mut Socket, bridge: u32) -> Result<Vec<Link>, NetlinkError> {
    let mut message = LinkMessage::default();
    message.attributes = vec![without_statistics(), LinkAttribute::Controller(bridge)];
    links(socket, "list bridge ports", message)
}

fn links(socket: &mut Socket, what: &'static str, message: LinkMessage) -> Result<Vec<Link>, NetlinkError> {
    let request = Request::route(what, NLM_F_DUMP, &RouteNetlinkMessage::GetLink(message));
    Ok(socket.query(&request)?.iter().filter_map(Link::parse).collect())
}

fn get(socket: &mut Socket, what: String, mut message: LinkMessage) -> Result<Option<Link>, NetlinkError> {
    message.attributes.push(without_statistics());
    match socket.query(&Request::route_question(what, &RouteNetlinkMessage::GetLink(message))) {
        Ok(replies) => Ok(replies.iter().find_map(Link::parse)),
        Err(error) if error.errno() == Some(Errno::ENODEV) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads the per-family part; without IPv6 in the kernel there is none of that family.
fn makes_link_local(families: &[u8]) -> bool {
    attributes(families)
        .filter(|(family, _)| *family == AF_INET6)
        .flat_map(|(_, inet6)| attributes(inet6))
        .any(|(kind, mode)| kind == IFLA_INET6_ADDR_GEN_MODE && mode != [NO_ADDRESS])
}

impl Link {
    /// Reads `RTM_NEWLINK`; `None` where the header is cut off.
    pub(crate) fn parse(reply: &Reply) -> Option<Self> {
        let body = reply.body.as_slice();
        let index = value::number(body.get(4..)?)?;
        let flags = LinkFlags::from_bits_retain(value::number(body.get(8..)?)?);
        let mut link = Self {
            index,
            is_up: flags.contains(LinkFlags::Up),
            is_running: flags.contains(LinkFlags::Running),
            is_promiscuous: flags.contains(LinkFlags::Promisc),
            ..Self::default()
        };
        for (kind, value) in value::after(HEADER, body) {
            match kind {
                IFLA_ADDRESS => link.mac = value::mac(value),
                IFLA_IFNAME => link.name = value::text(value).unwrap_or_default(),
                IFLA_MTU => link.mtu = value::number(value).unwrap_or_default(),
                IFLA_LINK => link.peer = value::number(value),
                IFLA_LINK_NETNSID => link.peer_netns = value::number(value),
                IFLA_MASTER => link.master = value::number(value),
                IFLA_IFALIAS => link.alias = value::text(value),
                IFLA_LINKINFO => link.read_info(value),
                IFLA_AF_SPEC => link.makes_link_local = makes_link_local(value),
                _ => {}
            }
        }
        Some(link)
    }

    pub(crate) fn is_bridge(&self) -> bool {
        self.kind.as_deref() == Some("bridge")
    }

    pub(crate) fn is_veth(&self) -> bool {
        self.kind.as_deref() == Some("veth")
    }

    pub(crate) fn is_ifb(&self) -> bool {
        self.kind.as_deref() == Some("ifb")
    }

    fn read_info(&mut self, info: &[u8]) {
        for (kind, value) in attributes(info) {
            match kind {
                IFLA_INFO_KIND => self.kind = value::text(value),
                IFLA_INFO_SLAVE_DATA => self.port = Port::parse(value),
                _ => {}
            }
        }
    }
}

impl Port {
    fn parse(data: &[u8]) -> Self {
        let mut port = Self::default();
        for (kind, value) in attributes(data) {
            match kind {
                IFLA_BRPORT_STATE => port.is_forwarding = value == [BR_STATE_FORWARDING],
                IFLA_BRPORT_MODE => port.hairpin = value == [1],
                IFLA_BRPORT_ISOLATED => port.isolated = value == [1],
                _ => {}
            }
        }
        port
    }
}

/// Statistics are most of an answer's bytes, and nobody here reads them.
fn without_statistics() -> LinkAttribute {
    LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats])
}
