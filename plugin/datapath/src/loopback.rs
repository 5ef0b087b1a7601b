//! A pod's loopback link, which the kernel makes and leaves down.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::{
    LinkName, Netns, NetnsError,
    netlink::{NetlinkError, Protocol, Socket},
    rtnl::{
        address, change,
        link::{self, Link},
    },
};

/// Its name in every namespace.
pub const NAME: &str = "lo";

/// Why it could not be looked at or changed.
#[derive(Debug, thiserror::Error)]
pub enum LoopbackError {
    /// The pod's namespace could not be entered.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// A request to the kernel failed.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// It is not there.
    #[error("network namespace {netns} has no link {NAME}")]
    Missing {
        /// The namespace's path.
        netns: String,
    },
    /// It is no loopback link any more.
    #[error("link {NAME} in the pod has address {address}, which is no loopback address")]
    Foreign {
        /// The address.
        address: IpAddr,
    },
}

/// Switches it on and gives its addresses.
pub fn raise(netns: &Netns) -> Result<Vec<IpNet>, LoopbackError> {
    let (mut socket, name, lo) = find(netns)?;
    socket.execute(&change::switch_on(&name, lo.index))?;
    let addresses = address::list(&mut socket, lo.index)?;
    match addresses.iter().map(IpNet::addr).find(|address| !address.is_loopback()) {
        Some(address) => Err(LoopbackError::Foreign { address }),
        None => Ok(addresses),
    }
}

/// Whether it is on.
pub fn is_up(netns: &Netns) -> Result<bool, LoopbackError> {
    Ok(find(netns)?.2.is_up)
}

/// Switches it off.
pub fn lower(netns: &Netns) -> Result<(), LoopbackError> {
    let (mut socket, name, lo) = find(netns)?;
    Ok(socket.execute(&change::switch_off(&name, lo.index))?)
}

fn find(netns: &Netns) -> Result<(Socket, LinkName, Link), LoopbackError> {
    let missing = || LoopbackError::Missing { netns: netns.path().display().to_string() };
    let name: LinkName = NAME.parse().map_err(|_impossible| missing())?;
    let mut socket = netns.run(|| Socket::open(Protocol::Route))??;
    let lo = link::by_name(&mut socket, &name)?.ok_or_else(missing)?;
    Ok((socket, name, lo))
}
