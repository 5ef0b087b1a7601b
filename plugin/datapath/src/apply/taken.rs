//! Addresses that somebody on this node has already, among those that a pod is to have on the node's network.
//!
//! Whoever hands the addresses out may not know of them: they are another network's, or its memory is lost. The kernel is asked
//! who is there, not what was written down, so that a pod that is gone takes no address along. Its table says where
//! packets to the address go:
//!
//! | to | the address is |
//! |---|---|
//! | the node itself | the node's |
//! | the node's link to its network | free, unless that is a bridge on which it is known for good who has it |
//! | a link of its own, by a host route | the pod's behind that link |
//! | another bridge | free, unless a port's other end has it |
//!
//! Only the last looks at more than one pod, and only where two networks overlap. Of ADDs at once that are given one address,
//! the first to have its host route, or its place on the bridge (`nft`), has the address: the kernel takes only one.

use std::net::IpAddr;

use ipnet::IpNet;

use super::ApplyError;
use crate::{
    Label,
    netlink::{NetlinkError, Socket},
    rtnl::{
        address,
        link::{self, Link},
        neighbour,
        route::{self, Way},
    },
};

/// Fails if one of the addresses is somebody's.
///
/// # Arguments
/// `ways`: the node's links to its network, by which packets to an address may go whoever has it.
pub(super) fn refuse(host: &mut Socket, addresses: &[IpNet], ways: &[Link]) -> Result<(), ApplyError> {
    for address in addresses.iter().map(IpNet::addr) {
        let holder = match route::way_to(host, address)? {
            Some(Way::Local) => return Err(ApplyError::OwnAddress { address }),
            Some(Way::By(index)) if ways.iter().all(|way| way.index != index) => {
                holder_behind(host, index, address)?
            }
            Some(Way::By(_)) | None => None,
        };
        if let Some(holder) = holder {
            return Err(ApplyError::AddressTaken { address, holder });
        }
        for bridge in ways.iter().filter(|way| way.is_bridge()) {
            // What a lost pod left is there, too.
            if neighbour::is_fixed(host, bridge.index, address)?
                && let Some(holder) = holder_on(host, bridge, address)?
            {
                return Err(ApplyError::AddressTaken { address, holder });
            }
        }
    }
    Ok(())
}

/// Who has the address to which there is a host route already.
pub(super) fn by_route(host: &mut Socket, address: IpAddr) -> Result<ApplyError, NetlinkError> {
    let route = route::matching(host, address)?;
    let link = route.map(|route| link::by_index(host, route.link)).transpose()?.flatten();
    let holder = link.map_or_else(|| "whoever a route leads to".to_owned(), |link| behind(&link));
    Ok(ApplyError::AddressTaken { address, holder })
}

/// Who has the address behind the link with this index, to which packets for it go.
fn holder_behind(host: &mut Socket, index: u32, address: IpAddr) -> Result<Option<String>, NetlinkError> {
    let Some(link) = link::by_index(host, index)? else { return Ok(None) };
    if link.is_bridge() {
        return holder_on(host, &link, address);
    }
    let route = route::matching(host, address)?.map(|installed| installed.route);
    let leads_to_host = route.is_some_and(|route| route.dst == IpNet::from(address) && route.via.is_none());
    Ok(leads_to_host.then(|| behind(&link)))
}

/// Who has the address at a port of the bridge.
fn holder_on(host: &mut Socket, bridge: &Link, address: IpAddr) -> Result<Option<String>, NetlinkError> {
    for port in link::ports(host, bridge.index)? {
        let (Some(netns), Some(peer)) = (port.peer_netns, port.peer) else { continue };
        let theirs = address::list_elsewhere(host, netns, peer)?;
        if theirs.iter().any(|theirs| theirs.addr() == address) {
            return Ok(Some(behind(&port)));
        }
    }
    Ok(None)
}

/// Whoever is behind a link, in words.
fn behind(link: &Link) -> String {
    let label = link.alias.as_deref().and_then(Label::parse);
    label.map_or_else(|| format!("whoever is behind link {}", link.name), |label| label.to_string())
}
