//! Routes: `RTM_*ROUTE` (rtnetlink(7)).

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    route::{
        RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteMetric, RouteProtocol,
        RouteScope, RouteType,
    },
};

use nix::errno::Errno;

use super::value;
use crate::{
    Route,
    netlink::{NetlinkError, Reply, Request, Socket, attributes},
    patience::wait_until,
};

/// Bytes of `struct rtmsg`.
const HEADER: usize = 12;
/// Where `rtm_type` is in it.
const TYPE: usize = 7;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_METRICS: u16 = 8;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;
/// Bytes of `struct rtnexthop`, and where `rtnh_ifindex` is in it.
const NEXT_HOP: usize = 8;
const NEXT_HOP_INDEX: usize = 4;
const RTAX_MTU: u16 = 2;
const RTAX_ADVMSS: u16 = 8;
/// `IP6_RT_PRIO_USER`.
const IPV6_PRIORITY: u32 = 1024;

/// The metric that the kernel gives a route to `dst` for which none is named.
pub(crate) fn default_priority(dst: IpNet) -> u32 {
    match dst {
        IpNet::V4(_) => 0,
        IpNet::V6(_) => IPV6_PRIORITY,
    }
}

/// A route as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Installed {
    /// The route; every member that the kernel always fills is `Some`.
    pub(crate) route: Route,
    /// The index of the link it leaves by; of several next hops the first's, as `via` is.
    pub(crate) link: u32,
}

impl Installed {
    /// Whether this is the wanted route; what the wish leaves open is the kernel's default, but for the table: plugins
    /// behind us in a list (sbr) move the routes of a pod to one of their own.
    pub(crate) fn satisfies(&self, wanted: &Route) -> bool {
        let found = &self.route;
        let is_v4 = wanted.dst.addr().is_ipv4();
        let priority = wanted.priority.unwrap_or(default_priority(wanted.dst));
        // The kernel keeps no scope for IPv6 routes.
        let scope = if is_v4 { scope(wanted).into() } else { found.scope.unwrap_or_default() };
        found.dst == wanted.dst.trunc()
            && found.via == wanted.via
            && (wanted.source.is_none() || found.source == wanted.source)
            && found.priority == Some(priority)
            && (wanted.table.is_none() || found.table == wanted.table)
            && found.scope == Some(scope)
            && (wanted.protocol.is_none() || found.protocol == wanted.protocol)
            && (wanted.mtu.is_none() || found.mtu == wanted.mtu)
            && (wanted.advmss.is_none() || found.advmss == wanted.advmss)
    }

    /// Whether this is a default route of the main table.
    pub(crate) fn is_main_default(&self) -> bool {
        self.route.dst.prefix_len() == 0 && self.is_main()
    }

    /// Whether this is a route of the main table.
    pub(crate) fn is_main(&self) -> bool {
        self.route.table == Some(u32::from(RouteHeader::RT_TABLE_MAIN))
    }
}

/// Adds a route over the link with this index. Like `ip route add` without `NLM_F_EXCL`, so that a pod with
/// several interfaces can have several routes to one destination.
pub(crate) fn add(index: u32, route: &Route) -> Request {
    create(index, route, 0)
}

/// Adds a route over the link with this index; `EEXIST` where there is one to the same destination, over any link.
pub(crate) fn add_first(index: u32, route: &Route) -> Request {
    create(index, route, NLM_F_EXCL)
}

fn create(index: u32, route: &Route, flags: u16) -> Request {
    let what = format!("add route to {}", described(route));
    Request::route(what, NLM_F_CREATE | flags, &RouteNetlinkMessage::NewRoute(message(index, route)))
}

/// Deletes the route over the link with this index that is like `route` in everything that `route` names; `ESRCH` where
/// there is none.
pub(crate) fn delete(index: u32, route: &Route) -> Request {
    let what = format!("delete route to {}", described(route));
    Request::route(what, 0, &RouteNetlinkMessage::DelRoute(message(index, route)))
}

fn described(route: &Route) -> String {
    let via = route.via.map(|via| format!(" via {via}")).unwrap_or_default();
    format!("{}{via}", route.dst)
}

fn message(index: u32, route: &Route) -> RouteMessage {
    let Route { dst, via, source, mtu, advmss, priority, table, protocol, .. } = route;
    let mut message = RouteMessage::default();
    message.header.address_family = family(*dst);
    message.header.destination_prefix_length = dst.prefix_len();
    message.header.table = if table.is_none() { RouteHeader::RT_TABLE_MAIN } else { 0 };
    message.header.protocol = protocol.map_or(RouteProtocol::Boot, RouteProtocol::from);
    message.header.kind = RouteType::Unicast;
    message.header.scope = scope(route);
    let metrics: Vec<_> =
        mtu.map(RouteMetric::Mtu).into_iter().chain(advmss.map(RouteMetric::Advmss)).collect();
    message.attributes =
        vec![RouteAttribute::Destination(RouteAddress::from(dst.trunc().addr())), RouteAttribute::Oif(index)];
    message.attributes.extend(via.map(|via| RouteAttribute::Gateway(RouteAddress::from(via))));
    message.attributes.extend(source.map(|source| RouteAttribute::PrefSource(RouteAddress::from(source))));
    message.attributes.extend(priority.map(RouteAttribute::Priority));
    message.attributes.extend(table.map(RouteAttribute::Table));
    message.attributes.extend((!metrics.is_empty()).then_some(RouteAttribute::Metrics(metrics)));
    message
}

fn scope(route: &Route) -> RouteScope {
    match (route.scope, route.via) {
        (Some(scope), _) => RouteScope::from(scope),
        (None, Some(_)) => RouteScope::Universe,
        (None, None) => RouteScope::Link,
    }
}

/// All unicast routes of one family.
pub(crate) fn list(socket: &mut Socket, family: AddressFamily) -> Result<Vec<Installed>, NetlinkError> {
    let mut message = RouteMessage::default();
    message.header.address_family = family;
    message.header.kind = RouteType::Unicast;
    let request = Request::route("list routes", NLM_F_DUMP, &RouteNetlinkMessage::GetRoute(message));
    Ok(socket.query(&request)?.iter().filter_map(|reply| parse(&reply.body)).collect())
}

/// All unicast routes of the main table, of both families.
pub(crate) fn list_main(socket: &mut Socket) -> Result<Vec<Installed>, NetlinkError> {
    let mut routes = list(socket, AddressFamily::Inet)?;
    routes.extend(list(socket, AddressFamily::Inet6)?);
    routes.retain(Installed::is_main);
    Ok(routes)
}

/// Waits until packets to an IPv6 address are taken as the namespace's own.
///
/// The kernel adds an IPv6 address at once but the route that delivers its packets in a worker, with or
/// without duplicate address detection (`addrconf_dad_work` in the kernel's `net/ipv6/addrconf.c`). IPv4 knows
/// no such gap.
pub(crate) fn wait_until_local(socket: &mut Socket, address: IpAddr) -> Result<(), NetlinkError> {
    if address.is_ipv4() {
        return Ok(());
    }
    wait_until("an IPv6 address does not work", || is_local(socket, address))
}

/// How the kernel answers for an address that no route leads to, or one of the types unreachable, prohibit, blackhole and
/// throw (`fib_props` in the kernel's `net/ipv4/fib_semantics.c`): others mark the pods' whole network so.
const LEADS_NOWHERE: [Errno; 5] =
    [Errno::ENETUNREACH, Errno::EHOSTUNREACH, Errno::EACCES, Errno::EINVAL, Errno::EAGAIN];

/// Where packets to an address go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// No further: the address is the namespace's own.
    Local,
    /// Out by the link with this index.
    By(u32),
}

/// Where packets to an address go; `None` where they go nowhere.
pub(crate) fn way_to(socket: &mut Socket, address: IpAddr) -> Result<Option<Way>, NetlinkError> {
    let way = |reply: &Reply| {
        if reply.body.get(TYPE) == Some(&u8::from(RouteType::Local)) {
            return Some(Way::Local);
        }
        let (_, link) = value::after(HEADER, &reply.body).find(|(kind, _)| *kind == RTA_OIF)?;
        value::number(link).map(Way::By)
    };
    Ok(look_up(socket, address, RouteFlags::empty())?.iter().find_map(way))
}

/// Whether packets to an address are taken as the namespace's own.
pub(crate) fn is_local(socket: &mut Socket, address: IpAddr) -> Result<bool, NetlinkError> {
    Ok(way_to(socket, address)? == Some(Way::Local))
}

/// The route by which packets to an address go, as it stands in its table; `None` where they go nowhere.
pub(crate) fn matching(socket: &mut Socket, address: IpAddr) -> Result<Option<Installed>, NetlinkError> {
    Ok(look_up(socket, address, RouteFlags::FibMatch)?.iter().find_map(|reply| parse(&reply.body)))
}

/// The route that the kernel would take.
fn look_up(socket: &mut Socket, address: IpAddr, flags: RouteFlags) -> Result<Vec<Reply>, NetlinkError> {
    let host = IpNet::from(address);
    let mut message = RouteMessage::default();
    message.header.address_family = family(host);
    message.header.destination_prefix_length = host.prefix_len();
    message.header.flags = flags;
    message.attributes = vec![RouteAttribute::Destination(RouteAddress::from(address))];
    let what = format!("look up the route to {address}");
    match socket.query(&Request::route_question(what, &RouteNetlinkMessage::GetRoute(message))) {
        Err(error) if error.errno().is_some_and(|errno| LEADS_NOWHERE.contains(&errno)) => Ok(Vec::new()),
        answer => answer,
    }
}

pub(crate) fn family(net: IpNet) -> AddressFamily {
    match net {
        IpNet::V4(_) => AddressFamily::Inet,
        IpNet::V6(_) => AddressFamily::Inet6,
    }
}

/// Whether the body of a message is about a unicast route.
pub(crate) fn is_unicast(body: &[u8]) -> bool {
    body.get(TYPE) == Some(&u8::from(RouteType::Unicast))
}

/// `struct rtvia`: a family, then an address of it.
fn next_hop_of_other_family(value: &[u8]) -> Option<IpAddr> {
    value::ip(value.get(2..)?)
}

/// The address of the first `struct rtnexthop`, whose attributes follow it within its length.
fn first_next_hop(value: &[u8]) -> Option<IpAddr> {
    let length = usize::from(u16::from_ne_bytes(*value.first_chunk()?));
    attributes(value.get(NEXT_HOP..length)?).find_map(|(kind, value)| match kind {
        RTA_GATEWAY => value::ip(value),
        RTA_VIA => next_hop_of_other_family(value),
        _ => None,
    })
}

pub(crate) fn parse(body: &[u8]) -> Option<Installed> {
    let [family, prefix_length, _, _, table, protocol, scope, _] = *body.first_chunk::<8>()?;
    let mut dst = if AddressFamily::from(family) == AddressFamily::Inet {
        IpAddr::from([0; 4])
    } else {
        IpAddr::from([0; 16])
    };
    let (mut via, mut source, mut link, mut priority, mut mtu, mut advmss) =
        (None, None, None, 0, None, None);
    let mut table = u32::from(table);
    for (kind, value) in value::after(HEADER, body) {
        match kind {
            RTA_DST => dst = value::ip(value)?,
            RTA_GATEWAY => via = value::ip(value),
            RTA_VIA => via = next_hop_of_other_family(value),
            RTA_PREFSRC => source = value::ip(value),
            RTA_OIF => link = value::number(value),
            RTA_PRIORITY => priority = value::number(value)?,
            RTA_TABLE => table = value::number(value)?,
            RTA_MULTIPATH => {
                link = link.or(value.get(NEXT_HOP_INDEX..).and_then(value::number));
                via = via.or(first_next_hop(value));
            }
            RTA_METRICS => {
                for (metric, value) in attributes(value) {
                    match metric {
                        RTAX_MTU => mtu = value::number(value),
                        RTAX_ADVMSS => advmss = value::number(value),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    let route = Route {
        dst: IpNet::new(dst, prefix_length).ok()?,
        via,
        source,
        mtu,
        advmss,
        priority: Some(priority),
        table: Some(table),
        scope: Some(scope),
        protocol: Some(protocol),
    };
    Some(Installed { route, link: link? })
}
