//! The result of ADD: one shape inside, every published version's shape outside.
//!
//! ```text
//!   0.1.0, 0.2.0            ip4, ip6, dns                  ─┐            ┌─▶ the same three shapes,
//!   0.3.0, 0.3.1, 0.4.0     interfaces, ips (with family),  ├─AddResult──┤   as the configuration's
//!                           routes, dns                     │            └   version demands
//!   1.0.0, 1.1.0            interfaces, ips, routes, dns   ─┘
//! ```
//!
//! [`AddResult`] has the newest shape, which can hold what any other holds. Reading is lenient: any
//! shape under any version, as results pass through caches and other plugins. Printing is strict.

mod parse;
mod print;

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use parse::ResultError;
pub use print::ConversionError;

/// What ADD made, or what the plugins before this one made (CNI specification 1.1.0, section 5).
/// An IPAM plugin's result is the same without interfaces.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AddResult {
    /// The interfaces, on the host and in the container.
    pub interfaces: Vec<Interface>,
    /// The addresses.
    pub ips: Vec<IpConfig>,
    /// The routes in the container.
    pub routes: Vec<Route>,
    /// What the container is to know of DNS.
    pub dns: Dns,
    /// Other members of the object, which are printed again in versions from 0.3.0 on.
    pub extra: Map<String, Value>,
}

/// A network interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Interface {
    /// The name of the link.
    pub name: String,
    /// The hardware address, six bytes in lower case with colons where podnet wrote it.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "parse::unless_default")]
    pub mac: Option<String>,
    /// The MTU in bytes.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "parse::unless_default")]
    pub mtu: Option<u32>,
    /// `CNI_NETNS` of the container that has the interface; none for the host's.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "parse::unless_default")]
    pub sandbox: Option<String>,
    /// The absolute path of a socket that stands for the interface.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "parse::unless_default")]
    pub socket_path: Option<String>,
    /// The PCI address of the device behind the interface.
    #[serde(
        rename = "pciID",
        skip_serializing_if = "Option::is_none",
        deserialize_with = "parse::unless_default"
    )]
    pub pci_id: Option<String>,
}

/// An address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpConfig {
    /// The address with the prefix length of its subnet; the bits after the prefix are the address's.
    pub address: IpNet,
    /// The subnet's gateway. It tells; it asks for no route.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "parse::unless_empty")]
    pub gateway: Option<IpAddr>,
    /// Which of the result's interfaces has the address, counted from 0. Neither read nor printed
    /// where there is no such interface: runtimes index their list with it, unchecked.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "parse::index")]
    pub interface: Option<usize>,
}

/// A route. Numbers that are 0 on the wire are absent, but for `table` and `scope`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The destination.
    pub dst: IpNet,
    /// The next hop; without one, the gateway of the first address of the family.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "parse::unless_empty")]
    pub gw: Option<IpAddr>,
    /// The path MTU in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "parse::unless_default")]
    pub mtu: Option<u32>,
    /// The maximal TCP segment that is advertised, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "parse::unless_default")]
    pub advmss: Option<u32>,
    /// The metric: the lower, the better.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "parse::unless_default")]
    pub priority: Option<u32>,
    /// The routing table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// The scope (`RT_SCOPE_*` of linux/rtnetlink.h: 0 global, 253 link, 254 host).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<u8>,
}

impl Route {
    /// A route to `dst` over `gw`, with nothing else asked for.
    pub const fn new(dst: IpNet, gw: Option<IpAddr>) -> Self {
        Self { dst, gw, mtu: None, advmss: None, priority: None, table: None, scope: None }
    }
}

/// What a resolver needs (CNI specification, "dns"). Also a member of configurations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dns {
    /// The name servers' addresses, in order of preference.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nameservers: Vec<String>,
    /// The local domain.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "parse::unless_default")]
    pub domain: Option<String>,
    /// The domains to search for short names, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    /// Options of the resolver (resolv.conf(5)).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

impl Dns {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl AddResult {
    /// Adds what this plugin made to what the plugins before it made: interfaces, addresses and routes
    /// behind theirs, `dns` in place of theirs where it says anything, other members likewise.
    pub fn extend(&mut self, ours: Self) {
        // An index past the end of their list must not come to mean one of ours.
        self.drop_dangling_indices();
        let offset = self.interfaces.len();
        let known = ours.interfaces.len();
        let moved = |ip: IpConfig| IpConfig {
            interface: ip.interface.filter(|index| *index < known).map(|index| index + offset),
            ..ip
        };
        self.interfaces.extend(ours.interfaces);
        self.ips.extend(ours.ips.into_iter().map(moved));
        self.routes.extend(ours.routes);
        self.extra.extend(ours.extra);
        if !ours.dns.is_empty() {
            self.dns = ours.dns;
        }
    }

    fn drop_dangling_indices(&mut self) {
        let known = self.interfaces.len();
        for ip in &mut self.ips {
            ip.interface = ip.interface.filter(|index| *index < known);
        }
    }
}

/// Whether Go would call the address one of IPv4: an IPv4 address may stand mapped into IPv6.
fn is_ipv4(net: IpNet) -> bool {
    net.addr().to_canonical().is_ipv4()
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
