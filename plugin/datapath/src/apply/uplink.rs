//! The node's link to its network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::ApplyError;
use crate::{
    LinkName,
    netlink::{NetlinkError, Protocol, Socket},
    rtnl::{
        link::{self, Link},
        route::{self, Installed},
    },
};

/// Addresses for documentation (RFC 5737, RFC 3849), to which no other route leads than the default one: one look in the kernel's
/// table, where listing the routes would take longer the more pods there are.
const ANYWHERE: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))];

/// The link; `named`: one that must be there and up, else it is the one that the default route leaves by, if there is one.
pub(super) fn look(host: &mut Socket, named: Option<&LinkName>) -> Result<Option<Link>, ApplyError> {
    match named {
        Some(name) => find(host, name).map(Some),
        None => Ok(of_default_route(host)?),
    }
}

/// Whether the link of this name could be that of the node to its network.
pub fn check_uplink(name: &LinkName) -> Result<(), ApplyError> {
    find(&mut Socket::open(Protocol::Route)?, name).map(drop)
}

/// The link of this name, which must be there and up.
pub(super) fn find(host: &mut Socket, name: &LinkName) -> Result<Link, ApplyError> {
    match link::by_name(host, name)? {
        Some(link) if link.is_up => Ok(link),
        Some(_) => Err(ApplyError::UplinkDown { name: name.clone() }),
        None => Err(ApplyError::NoUplink { name: name.clone() }),
    }
}

/// The link that the default route leaves by: IPv4's, else IPv6's, each with the least metric.
pub(super) fn of_default_route(host: &mut Socket) -> Result<Option<Link>, NetlinkError> {
    for address in ANYWHERE {
        let best = match route::matching(host, address)? {
            None => None,
            Some(matching) if matching.is_main_default() => Some(matching),
            // Somebody has a use for that address.
            Some(_) => listed_default(host, address)?,
        };
        if let Some(best) = best
            && let Some(link) = link::by_index(host, best.link)?
        {
            return Ok(Some(link));
        }
    }
    Ok(None)
}

fn listed_default(host: &mut Socket, address: IpAddr) -> Result<Option<Installed>, NetlinkError> {
    let routes = route::list(host, route::family(address.into()))?;
    let defaults = routes.into_iter().filter(Installed::is_main_default);
    Ok(defaults.min_by_key(|installed| installed.route.priority))
}
