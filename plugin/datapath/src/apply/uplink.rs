//! The node's link to its network.

use netlink_packet_route::AddressFamily;

use super::{ApplyError, ETHERNET_MTU};
use crate::{
    LinkName,
    netlink::{NetlinkError, Protocol, Socket},
    rtnl::{
        link::{self, Link},
        route,
    },
};

/// Its MTU in bytes; `named`: the link, which must be there and up, else it is the one that the default route leaves by.
/// Without any, Ethernet's.
pub(super) fn mtu(host: &mut Socket, named: Option<&LinkName>) -> Result<u32, ApplyError> {
    let uplink = match named {
        Some(name) => Some(find(host, name)?),
        None => of_default_route(host)?,
    };
    Ok(uplink.map_or(ETHERNET_MTU, |link| link.mtu))
}

/// Whether the link of this name could be that of the node to its network.
pub fn check_uplink(name: &LinkName) -> Result<(), ApplyError> {
    find(&mut Socket::open(Protocol::Route)?, name).map(drop)
}

fn find(host: &mut Socket, name: &LinkName) -> Result<Link, ApplyError> {
    match link::by_name(host, name)? {
        Some(link) if link.is_up => Ok(link),
        Some(_) => Err(ApplyError::UplinkDown { name: name.clone() }),
        None => Err(ApplyError::NoUplink { name: name.clone() }),
    }
}

/// The link that the default route leaves by: IPv4's, else IPv6's, each with the least metric.
fn of_default_route(host: &mut Socket) -> Result<Option<Link>, NetlinkError> {
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let routes = route::list(host, family)?;
        let defaults = routes.iter().filter(|installed| installed.is_main_default());
        if let Some(best) = defaults.min_by_key(|installed| installed.route.priority)
            && let Some(link) = link::by_index(host, best.link)?
        {
            return Ok(Some(link));
        }
    }
    Ok(None)
}
