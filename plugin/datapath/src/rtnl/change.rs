//! Changes of links: `RTM_NEWLINK` and `RTM_DELLINK` (rtnetlink(7)).
//!
//! A link is named in the errors' text and found by its index, which nothing else can take meanwhile.

use std::os::fd::{AsFd, AsRawFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL};
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{
        AfSpecInet, AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InetDevConf, InfoBridge, InfoBridgePort,
        InfoData, InfoKind, InfoPortData, InfoPortKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo,
        LinkMessage,
    },
};

use crate::{LinkName, MacAddr, Netns, netlink::Request, network::PortModes};

/// One end of a pair.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End<'a> {
    pub(crate) name: &'a LinkName,
    pub(crate) mac: MacAddr,
}

/// Creates a bridge, down; `EEXIST` where a link has the name, `EOPNOTSUPP` where it is to tell VLANs apart and the kernel
/// cannot. Kernels from 6.2 on echo the new link.
pub(crate) fn create_bridge(name: &LinkName, mac: MacAddr, filters_vlans: bool) -> Request {
    let mut info = vec![LinkInfo::Kind(InfoKind::Bridge)];
    if filters_vlans {
        info.push(LinkInfo::Data(InfoData::Bridge(vec![InfoBridge::VlanFiltering(true)])));
    }
    let mut message = LinkMessage::default();
    message.attributes = vec![
        LinkAttribute::IfName(name.to_string()),
        LinkAttribute::Address(mac.bytes().to_vec()),
        LinkAttribute::LinkInfo(info),
    ];
    let kind = if filters_vlans { " that tells VLANs apart" } else { "" };
    create(format!("create bridge {name}{kind}"), message)
}

/// Creates a pair: the host's end up and a port of the bridge or, where there is none, down; the other end down and in the
/// pod's namespace, or beside it where none is named.
/// `EEXIST` where either name is taken. Kernels from 6.2 on echo the host's end.
pub(crate) fn create_pair(
    host: End<'_>,
    bridge: Option<u32>,
    pod: End<'_>,
    netns: Option<&Netns>,
    mtu: u32,
) -> Request {
    let mut peer = LinkMessage::default();
    peer.attributes = end(pod, mtu);
    peer.attributes.extend(netns.map(|netns| LinkAttribute::NetNsFd(netns.as_fd().as_raw_fd())));

    let mut message = LinkMessage::default();
    if bridge.is_some() {
        raise(&mut message);
    }
    message.attributes = end(host, mtu);
    message.attributes.extend(bridge.map(LinkAttribute::Controller));
    message.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
    ]));
    create(format!("create link {} with its peer {}", host.name, pod.name), message)
}

/// Writes the owner's alias on a link.
pub(crate) fn mark_link(name: &LinkName, index: u32, alias: String) -> Request {
    let mut message = at(index);
    message.attributes = vec![LinkAttribute::IfAlias(alias)];
    change(format!("set alias of {name}"), message)
}

/// Writes the owner's alias on a link and has it answer ARP for every address that the node has a route to.
///
/// `is_silent`: it speaks no IPv6 of its own, as a port ([`mark_port`]); its link-local routes would be walked over, too.
pub(crate) fn mark_proxy(name: &LinkName, index: u32, alias: String, is_silent: bool) -> Request {
    let mut answering = InetDevConf::default();
    answering.proxy_arp = 1;
    let mut families = vec![AfSpecUnspec::Inet(vec![AfSpecInet::DevConfRequest(answering)])];
    families.extend(is_silent.then(no_link_local));
    let mut message = at(index);
    message.attributes = vec![LinkAttribute::IfAlias(alias), LinkAttribute::AfSpecUnspec(families)];
    change(format!("set alias and proxy ARP of {name}"), message)
}

/// Writes the owner's alias on a port of a bridge and sets the port's modes.
///
/// A port speaks no IPv6 of its own: a link-local address would only be one more that the kernel walks over
/// whenever a link changes. Before the link has a carrier it has none yet.
pub(crate) fn mark_port(
    name: &LinkName,
    index: u32,
    alias: String,
    modes: PortModes,
    kernel_has_ipv6: bool,
) -> Request {
    let mut message = at(index);
    let mut data = vec![InfoBridgePort::HairpinMode(modes.hairpin)];
    // Kernels before 4.18 do not know it.
    data.extend(modes.isolated.then_some(InfoBridgePort::Isolated(true)));
    message.attributes = vec![
        LinkAttribute::IfAlias(alias),
        without_link_local(kernel_has_ipv6),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::PortKind(InfoPortKind::Bridge),
            LinkInfo::PortData(InfoPortData::BridgePort(data)),
        ]),
    ];
    change(format!("set alias and port modes of {name}"), message)
}

/// Creates an ifb, down; `EEXIST` where a link has the name. Kernels from 6.2 on echo the new link.
pub(crate) fn create_ifb(name: &LinkName, mac: MacAddr, mtu: u32) -> Request {
    let mut message = LinkMessage::default();
    message.attributes = end(End { name, mac }, mtu);
    message.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Ifb)]));
    create(format!("create link {name}"), message)
}

/// Writes the owner's alias on an ifb, and keeps the kernel from giving it an IPv6 address of its own.
pub(crate) fn mark_ifb(name: &LinkName, index: u32, alias: String, kernel_has_ipv6: bool) -> Request {
    let mut message = at(index);
    message.attributes = vec![LinkAttribute::IfAlias(alias), without_link_local(kernel_has_ipv6)];
    change(format!("set alias of {name}"), message)
}

/// Switches a link on.
pub(crate) fn switch_on(name: &LinkName, index: u32) -> Request {
    let mut message = at(index);
    raise(&mut message);
    change(format!("switch on {name}"), message)
}

/// Switches a link off.
pub(crate) fn switch_off(name: &LinkName, index: u32) -> Request {
    let mut message = at(index);
    message.header.change_mask = LinkFlags::Up;
    change(format!("switch off {name}"), message)
}

/// Sets a bridge's MTU and switches it on.
///
/// An MTU set after creation stays; one given at creation is forgotten when the last port goes
/// (`br_mtu_auto_adjust` in the kernel's `net/bridge/br_if.c`).
pub(crate) fn raise_bridge(name: &LinkName, index: u32, mtu: Option<u32>) -> Request {
    let mut message = at(index);
    raise(&mut message);
    message.attributes = mtu.map(LinkAttribute::Mtu).into_iter().collect();
    change(format!("switch on bridge {name}"), message)
}

/// Gives a bridge the Ethernet address and the MTU of a link that is to be its port, writes on it which link that is, and
/// switches it on.
pub(crate) fn stand_in_for(bridge: &LinkName, index: u32, mac: MacAddr, mtu: u32, alias: String) -> Request {
    let mut message = at(index);
    raise(&mut message);
    message.attributes = vec![
        LinkAttribute::Address(mac.bytes().to_vec()),
        LinkAttribute::Mtu(mtu),
        LinkAttribute::IfAlias(alias),
    ];
    change(format!("have bridge {bridge} stand for the link to the network"), message)
}

/// Makes a link a port of a bridge, which speaks no IPv6 of its own.
pub(crate) fn join_bridge(name: &str, index: u32, bridge: u32, kernel_has_ipv6: bool) -> Request {
    let mut message = at(index);
    message.attributes = vec![LinkAttribute::Controller(bridge), without_link_local(kernel_has_ipv6)];
    change(format!("make {name} a port of link {bridge}"), message)
}

/// Has a link be no port of a bridge, and speak IPv6 again.
pub(crate) fn leave_bridge(name: &str, index: u32, kernel_has_ipv6: bool) -> Request {
    let link_local = || AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(In6AddrGenMode::Eui64)]);
    let families = kernel_has_ipv6.then(link_local).into_iter().collect();
    let mut message = at(index);
    message.attributes = vec![LinkAttribute::Controller(0), LinkAttribute::AfSpecUnspec(families)];
    change(format!("have {name} be no port"), message)
}

/// Has a bridge take every frame for the node's, too.
pub(crate) fn make_promiscuous(name: &LinkName, index: u32) -> Request {
    let mut message = at(index);
    message.header.flags = LinkFlags::Promisc;
    message.header.change_mask = LinkFlags::Promisc;
    change(format!("make bridge {name} promiscuous"), message)
}

/// Has a bridge take for the node's only what is addressed to it.
pub(crate) fn end_promiscuity(name: &LinkName, index: u32) -> Request {
    let mut message = at(index);
    message.header.change_mask = LinkFlags::Promisc;
    change(format!("have bridge {name} not be promiscuous"), message)
}

/// Switches a pod's end on and lets it announce its IPv4 addresses when its Ethernet address is set.
pub(crate) fn raise_pod_end(name: &LinkName, index: u32) -> Request {
    let mut announcing = InetDevConf::default();
    announcing.arp_notify = 1;
    let mut message = at(index);
    raise(&mut message);
    message.attributes = vec![with_parameters(announcing)];
    change(format!("switch on {name} in the pod"), message)
}

/// Has the kernel send gratuitous ARP and unsolicited neighbour advertisements, by setting the Ethernet address
/// that the link has: `NETDEV_CHANGEADDR` in `inetdev_event` and `ndisc_netdev_event`.
///
/// A packet socket would do too, but waits for an RCU grace period when it is closed.
pub(crate) fn announce(name: &LinkName, index: u32, mac: MacAddr) -> Request {
    let mut message = at(index);
    message.attributes = vec![LinkAttribute::Address(mac.bytes().to_vec())];
    change(format!("announce the addresses of {name} in the pod"), message)
}

/// A link of this kind with an Ethernet address that none can have: `EADDRNOTAVAIL` where the kernel has the
/// kind, `EOPNOTSUPP` where it has not. Nothing is made either way.
pub(crate) fn create_impossible(kind: InfoKind) -> Request {
    let what = format!("ask whether the kernel has {kind} links");
    let mut message = LinkMessage::default();
    message.attributes =
        vec![LinkAttribute::Address(vec![0; 6]), LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind)])];
    create(what, message)
}

/// Deletes a link, a pair with both ends.
pub(crate) fn delete(name: &str, index: u32) -> Request {
    Request::route(format!("delete link {name}"), 0, &RouteNetlinkMessage::DelLink(at(index)))
}

/// Puts a link into a group.
pub(crate) fn join_group(name: &str, index: u32, group: u32) -> Request {
    let mut message = at(index);
    message.attributes = vec![LinkAttribute::Group(group)];
    change(format!("put {name} into group {group}"), message)
}

/// Deletes the links of a group, all in one grace period; `ENODEV` where it has none.
pub(crate) fn delete_group(group: u32) -> Request {
    let mut message = LinkMessage::default();
    message.attributes = vec![LinkAttribute::Group(group)];
    Request::route(format!("delete the links of group {group}"), 0, &RouteNetlinkMessage::DelLink(message))
}

/// Sets the IPv4 parameters that are not 0.
fn with_parameters(parameters: InetDevConf) -> LinkAttribute {
    LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet(vec![AfSpecInet::DevConfRequest(parameters)])])
}

/// Has the kernel give a link no IPv6 address of its own; nothing, on a kernel that has none to give.
fn without_link_local(kernel_has_ipv6: bool) -> LinkAttribute {
    LinkAttribute::AfSpecUnspec(kernel_has_ipv6.then(no_link_local).into_iter().collect())
}

fn no_link_local() -> AfSpecUnspec {
    AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(In6AddrGenMode::None)])
}

fn end(end: End<'_>, mtu: u32) -> Vec<LinkAttribute> {
    vec![
        LinkAttribute::IfName(end.name.to_string()),
        LinkAttribute::Address(end.mac.bytes().to_vec()),
        LinkAttribute::Mtu(mtu),
    ]
}

fn at(index: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message
}

fn raise(message: &mut LinkMessage) {
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
}

fn create(what: String, message: LinkMessage) -> Request {
    Request::route(what, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ECHO, &RouteNetlinkMessage::NewLink(message))
}

fn change(what: String, message: LinkMessage) -> Request {
    Request::route(what, 0, &RouteNetlinkMessage::NewLink(message))
}
