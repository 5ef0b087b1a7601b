//! Who holds what, where the daemon's own memory is lost: the plugin's records, and the kernel's host routes.
//!
//! Everything found counts as held. An address too many that is kept from the pool costs an address; one too few is given to
//! two pods.

use std::fs;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use ipnet::IpNet;
use nix::fcntl::OFlag;
use podnet_ipam_core::{Addresses, Attachment, Holder, Identity};
use serde::Deserialize;

/// Where the plugin keeps its records: as podnet, and as podnet-ipam.
pub const RECORDS: [&str; 2] = ["/run/podnet/attachments", "/run/podnet/ipam"];

/// The types of `ipam` that get their addresses from a daemon. Over TCP it may have been this one.
const BY_SOCKET: [&str; 2] = ["podnet-ipamd", "podnet-ipam"];
const BY_URL: &str = "azure-cns";

/// Larger than any record.
const LARGEST: u64 = 1 << 20;

/// Of a record, what says who has which address from whom.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    #[serde(rename = "containerID")]
    container: String,
    ifname: String,
    #[serde(default)]
    pod: Option<String>,
    config: NetworkConfig,
    #[serde(default)]
    reserved: Option<Reserved>,
}

#[derive(Deserialize)]
struct NetworkConfig {
    #[serde(default)]
    ipam: Option<Ipam>,
}

#[derive(Deserialize)]
struct Ipam {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    socket: Option<String>,
}

#[derive(Deserialize)]
struct Reserved {
    leases: Vec<Lease>,
}

#[derive(Deserialize)]
struct Lease {
    address: IpNet,
}

/// The socket that the plugin asks where its configuration names none.
const USUAL_SOCKET: &str = "/run/podnet/ipamd.sock";

/// What the plugin's records say is held from the daemon behind `socket`. A record that cannot be read is skipped, and said.
pub fn from_records(directory: &Path, socket: &Path) -> Vec<Holder> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            tracing::warn!(path = %directory.display(), %error, "the plugin's records cannot be listed");
            return Vec::new();
        }
    };
    let mut holders = Vec::new();
    for entry in entries.flatten() {
        let path = entry.path();
        match read(&path) {
            Ok(record) => holders.extend(record.holder(socket)),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a record of the plugin cannot be read");
            }
        }
    }
    holders
}

fn read(path: &Path) -> std::io::Result<Record> {
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let mut content = Vec::new();
    file.take(LARGEST).read_to_end(&mut content)?;
    serde_json::from_slice(&content).map_err(std::io::Error::from)
}

impl Record {
    fn holder(&self, socket: &Path) -> Option<Holder> {
        let ipam = self.config.ipam.as_ref()?;
        let is_socket = || Path::new(ipam.socket.as_deref().unwrap_or(USUAL_SOCKET)) == socket;
        if ipam.kind != BY_URL && !(BY_SOCKET.contains(&ipam.kind.as_str()) && is_socket()) {
            return None;
        }
        let leases = &self.reserved.as_ref()?.leases;
        let addresses = leases.iter().map(|lease| lease.address.addr());
        let (namespace, pod) = self.pod.as_deref().and_then(|pod| pod.split_once('/')).unwrap_or_default();
        holder(&self.container, &self.ifname, (namespace, pod), addresses)
    }
}

/// The alias of a link that podnet made: owner id, network, container ID, interface name.
fn parse_alias(alias: &str) -> Option<(&str, &str)> {
    let mut words = alias.trim().split(' ');
    let id = words.next().filter(|id| id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit()));
    id.and(words.next())?;
    let (container, interface) = (words.next()?, words.next()?);
    (words.next().is_none() && !container.is_empty() && !interface.is_empty())
        .then_some((container, interface))
}

/// What the kernel's host routes over podnet's links say is held: the routed modes'. `root`: where `/proc` and `/sys` are.
pub fn from_kernel(root: &Path) -> Vec<Holder> {
    let v4 = fs::read_to_string(root.join("proc/net/route")).unwrap_or_default();
    let v6 = fs::read_to_string(root.join("proc/net/ipv6_route")).unwrap_or_default();
    let routes = v4.lines().filter_map(parse_route).chain(v6.lines().filter_map(parse_route6));
    let mut by_link: std::collections::BTreeMap<&str, Vec<IpAddr>> = std::collections::BTreeMap::new();
    for (link, address) in routes {
        by_link.entry(link).or_default().push(address);
    }
    let mut holders = Vec::new();
    for (link, addresses) in by_link {
        let alias =
            fs::read_to_string(root.join("sys/class/net").join(link).join("ifalias")).unwrap_or_default();
        if let Some((container, interface)) = parse_alias(&alias) {
            holders.extend(holder(container, interface, ("", ""), addresses.into_iter()));
        }
    }
    holders
}

/// A line of /proc/net/route (`net/ipv4/fib_trie.c`) that leads to one host.
fn parse_route(row: &str) -> Option<(&str, IpAddr)> {
    let mut fields = row.split_whitespace();
    let (link, destination) = (fields.next()?, fields.next()?);
    let mask = fields.nth(5)?;
    // As the machine has the number in memory.
    let address = u32::from_str_radix(destination, 16).ok()?.to_ne_bytes();
    (mask == "FFFFFFFF").then_some((link, IpAddr::V4(Ipv4Addr::from(address))))
}

/// A line of /`proc/net/ipv6_route` (`net/ipv6/route.c`) that leads to one host.
fn parse_route6(row: &str) -> Option<(&str, IpAddr)> {
    let mut fields = row.split_whitespace();
    let (destination, length) = (fields.next()?, fields.next()?);
    let link = fields.last()?;
    let address = u128::from_str_radix(destination, 16).ok()?;
    let is_host = length == "80" && (address >> 118) != 0x3fa;
    is_host.then_some((link, IpAddr::V6(Ipv6Addr::from(address))))
}

fn holder(
    container: &str,
    interface: &str,
    (namespace, pod): (&str, &str),
    addresses: impl Iterator<Item = IpAddr>,
) -> Option<Holder> {
    let short = container.get(..8).unwrap_or(container);
    let id = format!("{short}-{interface}");
    let identity =
        Identity { infra_container_id: container, pod_interface_id: &id, interface, pod, namespace };
    let attachment = Arc::new(Attachment::new(&identity).ok()?);
    let addresses = Addresses::from_list(addresses).filter(|addresses| !addresses.is_empty())?;
    Some(Holder { attachment, addresses })
}

#[cfg(test)]
mod tests;
