//! The pods that this node has links of, and the addresses that it and its pods have.

use std::{collections::HashMap, net::IpAddr};

use ipnet::IpNet;
use netlink_packet_route::link::InfoKind;

use crate::{
    Label, MacAddr, Netns, NetnsError,
    netlink::{NetlinkError, Protocol, Socket},
    rtnl::{address, link, route},
};

/// Why another namespace could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// It could not be entered.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// A request to the kernel failed.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
}

/// An address of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkAddress {
    /// The link's name.
    pub link: String,
    /// Whether the link is a bridge.
    pub is_bridge: bool,
    /// The address with its subnet's prefix length.
    pub address: IpNet,
}

/// A host link that carries an owner's label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodLink {
    /// The link's name.
    pub name: String,
    /// The link's index.
    pub index: u32,
    /// The index of the pair's other end, in that end's namespace.
    pub peer: Option<u32>,
    /// The link's Ethernet address.
    pub mac: Option<MacAddr>,
    /// The link's MTU in bytes.
    pub mtu: u32,
    /// The bridge's index, where the link is a port of one.
    pub bridge: Option<u32>,
    /// Whose it is.
    pub label: Label,
}

/// Whose the links on this node are, those that what pods send is queued at included.
pub fn link_labels() -> Result<Vec<Label>, NetlinkError> {
    let mut socket = Socket::open(Protocol::Route)?;
    let mut labels = Vec::new();
    for kind in [InfoKind::Veth, InfoKind::Ifb] {
        let links = link::list(&mut socket, kind)?;
        labels.extend(links.iter().filter_map(|link| Label::parse(link.alias.as_deref()?)));
    }
    Ok(labels)
}

/// All links of pods on this node, in the order of their indices.
pub fn links() -> Result<Vec<PodLink>, NetlinkError> {
    let mut socket = Socket::open(Protocol::Route)?;
    let labelled = link::list(&mut socket, InfoKind::Veth)?.into_iter().filter_map(|link| {
        let label = Label::parse(link.alias.as_deref()?)?;
        let link::Link { index, peer, name, mac, mtu, master: bridge, .. } = link;
        Some(PodLink { name, index, peer, mac, mtu, bridge, label })
    });
    let mut links: Vec<_> = labelled.collect();
    links.sort_by_key(|link| link.index);
    Ok(links)
}

/// Whether the node itself has an address: packets to it go no further.
pub fn is_local(address: IpAddr) -> Result<bool, NetlinkError> {
    route::is_local(&mut Socket::open(Protocol::Route)?, address)
}

/// All addresses of the node's links.
pub fn addresses() -> Result<Vec<LinkAddress>, NetlinkError> {
    let mut socket = Socket::open(Protocol::Route)?;
    let links = link::list_all(&mut socket)?;
    let by_index: HashMap<u32, &link::Link> = links.iter().map(|link| (link.index, link)).collect();
    let addresses = address::list_all(&mut socket)?.into_iter().filter_map(|(index, address)| {
        let link = by_index.get(&index)?;
        Some(LinkAddress { link: link.name.clone(), is_bridge: link.is_bridge(), address })
    });
    Ok(addresses.collect())
}

/// A route of the node's main table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRoute {
    /// The destination.
    pub dst: IpNet,
    /// The next hop, where there is one.
    pub via: Option<IpAddr>,
    /// The name of the link that it leaves by.
    pub link: String,
}

/// The unicast routes of the node's main table.
pub fn routes() -> Result<Vec<NodeRoute>, NetlinkError> {
    let mut socket = Socket::open(Protocol::Route)?;
    let names: HashMap<u32, String> =
        link::list_all(&mut socket)?.into_iter().map(|link| (link.index, link.name)).collect();
    let with_name = |installed: route::Installed| {
        let link = names.get(&installed.link)?.clone();
        Some(NodeRoute { dst: installed.route.dst, via: installed.route.via, link })
    };
    Ok(route::list_main(&mut socket)?.into_iter().filter_map(with_name).collect())
}

/// What in another namespace can be told to be a pod's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contents {
    /// The addresses of all links.
    pub addresses: Vec<IpAddr>,
    /// The ends of pairs of links: each one's index, and that of the other end in its own namespace.
    pub ends: Vec<(u32, u32)>,
}

/// Looks into a namespace.
pub fn contents(netns: &Netns) -> Result<Contents, InventoryError> {
    let mut socket = netns.run(|| Socket::open(Protocol::Route))??;
    let addresses = address::list_all(&mut socket)?.into_iter().map(|(_, address)| address.addr()).collect();
    let veths = link::list(&mut socket, InfoKind::Veth)?.into_iter();
    let ends = veths.filter_map(|link| Some((link.index, link.peer?))).collect();
    Ok(Contents { addresses, ends })
}
