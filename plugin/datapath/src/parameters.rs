//! The kernel parameters of a pod's link.

use crate::LinkName;

/// Lets the kernel announce an address by gratuitous ARP. Set in the message that switches the link on.
const IPV4: [(&str, &str); 1] = [("arp_notify", "1")];

/// On; kept while the link is down; announced by unsolicited neighbour advertisements.
const IPV6: [(&str, &str); 3] = [("disable_ipv6", "0"), ("keep_addr_on_down", "1"), ("ndisc_notify", "1")];

/// Addresses usable at once, since we alone hand them out.
const UNPROBED: [(&str, &str); 1] = [("accept_dad", "0")];

/// Addresses usable when nobody else was found to have them; a probe of ours that comes back is none of somebody
/// else's (RFC 7527).
const PROBED: [(&str, &str); 2] = [("enhanced_dad", "1"), ("accept_dad", "1")];

/// The IPv4 parameters of a link, as names below `/proc/sys/net` and values.
pub(crate) fn ipv4(link: &LinkName) -> impl Iterator<Item = (String, &'static str)> {
    IPV4.into_iter().map(move |(name, value)| (format!("ipv4/conf/{link}/{name}"), value))
}

/// The IPv6 parameters of a link, as names below `/proc/sys/net` and values; `is_probed`: whether others that have its
/// addresses are looked for.
pub(crate) fn ipv6(link: &LinkName, is_probed: bool) -> impl Iterator<Item = (String, &'static str)> {
    let dad: &[_] = if is_probed { &PROBED } else { &UNPROBED };
    IPV6.iter().chain(dad).map(move |(name, value)| (format!("ipv6/conf/{link}/{name}"), *value))
}

/// No link of a pod or to one takes what others say of routers (RFC 4861 section 4.2): the pod would turn the node's
/// routes, or be turned. A link without IPv6 has no such parameter.
pub(crate) fn no_routers(link: &str) -> (String, &'static str) {
    (format!("ipv6/conf/{link}/accept_ra"), "0")
}

/// By which the link answers ARP for every address that the node has a route to. Set in the message that marks it.
pub(crate) fn proxy_arp(link: &str) -> (String, &'static str) {
    (format!("ipv4/conf/{link}/proxy_arp"), "1")
}

/// How a link treats what comes by it: each with its name of a bridge that takes the link's place.
pub(crate) fn taken_over(link: &LinkName, bridge: &LinkName) -> impl Iterator<Item = (String, String)> {
    const IPV4: [&str; 4] = ["rp_filter", "arp_ignore", "arp_announce", "arp_filter"];
    const IPV6: [&str; 3] = ["disable_ipv6", "accept_dad", "accept_ra"];
    let of_ipv4 = IPV4.into_iter().map(|name| ("ipv4", name));
    let of_both = of_ipv4.chain(IPV6.into_iter().map(|name| ("ipv6", name)));
    of_both.map(move |(family, name)| {
        (format!("{family}/conf/{link}/{name}"), format!("{family}/conf/{bridge}/{name}"))
    })
}

/// The value of such a parameter of the bridge, where the link has this one.
///
/// The link's own IPv6 address was found to be unique long ago. Routers that it listened to, the bridge listens to although
/// the node forwards.
pub(crate) fn of_stand_in<'a>(parameter: &str, value: &'a str) -> &'a str {
    if parameter.ends_with("/accept_dad") || (parameter.ends_with("/accept_ra") && value == "0") {
        "0"
    } else if parameter.ends_with("/accept_ra") {
        "2"
    } else {
        value
    }
}

/// The IPv4 parameter by which packets from and to 127.0.0.0/8 may pass a link.
pub(crate) fn route_localnet(link: &str) -> (String, &'static str) {
    (format!("ipv4/conf/{link}/route_localnet"), "1")
}
