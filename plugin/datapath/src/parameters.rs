//! The kernel parameters of a pod's link.

use crate::LinkName;

/// Lets the kernel announce an address by gratuitous ARP. Set in the message that switches the link on.
const IPV4: [(&str, &str); 1] = [("arp_notify", "1")];

/// On; addresses usable at once, since we alone hand them out; kept while the link is down; announced by
/// unsolicited neighbour advertisements.
const IPV6: [(&str, &str); 4] =
    [("disable_ipv6", "0"), ("accept_dad", "0"), ("keep_addr_on_down", "1"), ("ndisc_notify", "1")];

/// The IPv4 parameters of a link, as names below `/proc/sys/net` and values.
pub(crate) fn ipv4(link: &LinkName) -> impl Iterator<Item = (String, &'static str)> {
    IPV4.into_iter().map(move |(name, value)| (format!("ipv4/conf/{link}/{name}"), value))
}

/// The IPv6 parameters of a link, as names below `/proc/sys/net` and values.
pub(crate) fn ipv6(link: &LinkName) -> impl Iterator<Item = (String, &'static str)> {
    IPV6.into_iter().map(move |(name, value)| (format!("ipv6/conf/{link}/{name}"), value))
}

/// The IPv4 parameter by which packets from and to 127.0.0.0/8 may pass a link.
pub(crate) fn route_localnet(link: &LinkName) -> (String, &'static str) {
    (format!("ipv4/conf/{link}/route_localnet"), "1")
}
