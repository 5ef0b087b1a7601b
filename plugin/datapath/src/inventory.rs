//! The pods that this node has links of, and the addresses that are its own.

use std::net::IpAddr;

use netlink_packet_route::link::InfoKind;

use crate::{
    Label, MacAddr,
    netlink::{NetlinkError, Protocol, Socket},
    rtnl::{link, route},
};

/// A host link that carries an owner's label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodLink {
    /// The link's name.
    pub name: String,
    /// The link's index.
    pub index: u32,
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
        let link::Link { index, name, mac, mtu, master: bridge, .. } = link;
        Some(PodLink { name, index, mac, mtu, bridge, label })
    });
    let mut links: Vec<_> = labelled.collect();
    links.sort_by_key(|link| link.index);
    Ok(links)
}

/// Whether the node itself has an address: packets to it go no further.
pub fn is_local(address: IpAddr) -> Result<bool, NetlinkError> {
    route::is_local(&mut Socket::open(Protocol::Route)?, address)
}
