//! The node's main routing table, for a program that keeps routes of its own there among those of others.
//!
//! Whose a route is says its protocol number (`rtm_protocol`, rtnetlink(7)). A route is added only where there is none to
//! the same destination with the same metric, and deleted only with its protocol number, so that no change can hit
//! a route of somebody else's, whatever happened since the table was read.

use std::{collections::HashMap, net::IpAddr};

use ipnet::IpNet;
use nix::errno::Errno;

use crate::{
    Route,
    netlink::{NetlinkError, Protocol, Request, Socket},
    rtnl::{address, link, route},
};

/// A unicast route of the main table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableRoute {
    /// The destination.
    pub dst: IpNet,
    /// The next hop; of several the first; `None`: the destination is on the link.
    pub via: Option<IpAddr>,
    /// The index of the link that it leaves by; of several the first.
    pub link: u32,
    /// The metric: of two routes to one destination the kernel takes the lower one.
    pub priority: u32,
    /// Who made it (`rtm_protocol`).
    pub protocol: u8,
}

impl TableRoute {
    /// A route to `dst` by way of `via`, with the metric that the kernel gives where none is named.
    pub fn new(dst: IpNet, via: IpAddr, link: u32, protocol: u8) -> Self {
        Self { dst, via: Some(via), link, priority: route::default_priority(dst), protocol }
    }

    /// Reads the body of an `RTM_NEWROUTE` or `RTM_DELROUTE`; `None` where it is no unicast route of the main table.
    pub fn parse(body: &[u8]) -> Option<Self> {
        if !route::is_unicast(body) {
            return None;
        }
        Self::of(route::parse(body).filter(route::Installed::is_main)?)
    }

    fn of(installed: route::Installed) -> Option<Self> {
        let route::Installed { route, link } = installed;
        Some(Self {
            dst: route.dst,
            via: route.via,
            link,
            priority: route.priority?,
            protocol: route.protocol?,
        })
    }

    fn to_route(&self) -> Route {
        let Self { dst, via, link: _, priority, protocol } = self;
        Route { via: *via, priority: Some(*priority), protocol: Some(*protocol), ..Route::on_link(*dst) }
    }
}

/// The main table of the network namespace that it was opened in.
#[derive(Debug)]
pub struct MainTable(Socket);

impl MainTable {
    /// Routes in one datagram: the answers to so many fit into a receive buffer as the kernel comes
    /// (`net.core.rmem_default`).
    pub const BATCH: usize = 64;

    /// Opens it in the calling thread's network namespace.
    pub fn open() -> Result<Self, NetlinkError> {
        Socket::open(Protocol::Route).map(Self)
    }

    /// All its unicast routes, of both families.
    pub fn routes(&mut self) -> Result<Vec<TableRoute>, NetlinkError> {
        Ok(route::list_main(&mut self.0)?.into_iter().filter_map(TableRoute::of).collect())
    }

    /// The addresses of all links, with their subnets' prefix lengths.
    pub fn addresses(&mut self) -> Result<Vec<IpNet>, NetlinkError> {
        Ok(address::list_all(&mut self.0)?.into_iter().map(|(_, address)| address).collect())
    }

    /// The names of all links, by their indices.
    pub fn links(&mut self) -> Result<HashMap<u32, String>, NetlinkError> {
        Ok(link::list_all(&mut self.0)?.into_iter().map(|link| (link.index, link.name)).collect())
    }

    /// Adds routes, [`Self::BATCH`] at most. The kernel goes on after one that it refuses; the error is the first one's.
    pub fn add(&mut self, routes: &[TableRoute]) -> Result<(), NetlinkError> {
        let requests: Vec<Request> =
            routes.iter().map(|route| route::add_first(route.link, &route.to_route())).collect();
        self.0.batch(&requests)
    }

    /// Deletes exactly these routes, [`Self::BATCH`] at most. One that is gone already is no error.
    pub fn delete(&mut self, routes: &[TableRoute]) -> Result<(), NetlinkError> {
        let requests: Vec<Request> =
            routes.iter().map(|route| route::delete(route.link, &route.to_route())).collect();
        match self.0.batch(&requests) {
            Err(error) if error.errno() == Some(Errno::ESRCH) => Ok(()),
            result => result,
        }
    }
}
