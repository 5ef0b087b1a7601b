//! Who has what address, as the node itself shows it: the plugin's records, its links, the kernel's host routes.
//!
//! Where the daemon's own memory is lost, everything found counts as held: an address too many that is kept from the pool
//! costs an address; one too few is given to two pods. While it runs, this is what its memory is held against
//! ([`reconcile`](crate::reconcile)).

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ipnet::IpNet;
use nix::fcntl::OFlag;
use podnet_ipam_core::{Addresses, Attachment, Holder, Identity, Key};
use serde::Deserialize;

/// Where the plugin keeps its records: as podnet, and as podnet-ipam.
const RECORDS: [&str; 2] = ["/run/podnet/attachments", "/run/podnet/ipam"];

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
    sandbox: String,
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

/// All that was seen in one look.
#[derive(Debug, Default)]
pub struct Sightings {
    /// The plugin's records of attachments whose addresses are this daemon's.
    pub records: Vec<Recorded>,
    /// The links that podnet made for pods.
    pub links: Vec<Linked>,
    /// The names of all links.
    pub names: HashSet<String>,
    /// Every host route, whoever made it, with its link.
    pub routes: BTreeMap<IpAddr, String>,
}

/// What a record says.
#[derive(Debug)]
pub struct Recorded {
    /// Whose it is.
    pub key: Key,
    /// What it was given; none while ADD has not got that far.
    pub holder: Option<Holder>,
    /// Whether the pod's namespace is still where the runtime put it. One named by a process says nothing: its number is
    /// used again.
    pub has_sandbox: bool,
    /// Since it was written.
    pub age: Duration,
}

/// A pod's end on the node.
#[derive(Debug)]
pub struct Linked {
    /// Its name.
    pub name: String,
    /// Whose it is, by its alias.
    pub key: Key,
    /// What the routes over it say that the pod has; none where it is a bridge's port.
    pub holder: Option<Holder>,
}

impl Sightings {
    /// Looks at the node.
    ///
    /// # Arguments
    /// `root`: where `/proc`, `/sys` and `/run` are; `socket`: the daemon's, by which records of other daemons are told apart.
    pub fn look(root: &Path, socket: &Path) -> Self {
        let mut seen = Self::default();
        seen.look_at_kernel(root);
        let path = |path: &str| root.join(path.trim_start_matches('/'));
        seen.records = RECORDS.iter().flat_map(|records| from_records(&path(records), socket)).collect();
        seen
    }

    /// Everybody who is seen to have addresses.
    pub fn holders(&self) -> impl Iterator<Item = &Holder> {
        let recorded = self.records.iter().filter_map(|record| record.holder.as_ref());
        recorded.chain(self.links.iter().filter_map(|link| link.holder.as_ref()))
    }

    /// The links, with what the host routes over podnet's say is held (the routed modes'), and all host routes.
    fn look_at_kernel(&mut self, root: &Path) {
        let v4 = fs::read_to_string(root.join("proc/net/route")).unwrap_or_default();
        let v6 = fs::read_to_string(root.join("proc/net/ipv6_route")).unwrap_or_default();
        let mut by_link: BTreeMap<&str, Vec<IpAddr>> = BTreeMap::new();
        for (link, address) in v4.lines().filter_map(parse_route).chain(v6.lines().filter_map(parse_route6)) {
            by_link.entry(link).or_default().push(address);
            self.routes.insert(address, link.to_owned());
        }
        for entry in fs::read_dir(root.join("sys/class/net")).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let alias = fs::read_to_string(entry.path().join("ifalias")).unwrap_or_default();
            let attachment = parse_alias(&alias)
                .and_then(|(container, interface)| attachment(container, interface, ("", "")));
            if let Some(attachment) = attachment {
                let key = attachment.key().clone();
                let addresses = by_link.remove(name.as_str()).unwrap_or_default();
                let holder = holder(attachment, addresses.into_iter());
                self.links.push(Linked { name: name.clone(), key, holder });
            }
            self.names.insert(name);
        }
    }
}

/// What the plugin's records say is held from the daemon behind `socket`. A record that cannot be read is skipped, and said.
fn from_records(directory: &Path, socket: &Path) -> Vec<Recorded> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            tracing::warn!(path = %directory.display(), %error, "the plugin's records cannot be listed");
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let path = entry.path();
        match read(&path) {
            Ok((record, age)) => found.extend(record.seen(socket, age)),
            // DEL was faster.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a record of the plugin cannot be read");
            }
        }
    }
    found
}

fn read(path: &Path) -> std::io::Result<(Record, Duration)> {
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let written = file.metadata()?.modified()?;
    let mut content = Vec::new();
    file.take(LARGEST).read_to_end(&mut content)?;
    let record = serde_json::from_slice(&content).map_err(std::io::Error::from)?;
    Ok((record, SystemTime::now().duration_since(written).unwrap_or_default()))
}

impl Record {
    fn seen(&self, socket: &Path, age: Duration) -> Option<Recorded> {
        let ipam = self.config.ipam.as_ref()?;
        let is_socket = || Path::new(ipam.socket.as_deref().unwrap_or(USUAL_SOCKET)) == socket;
        if ipam.kind != BY_URL && !(BY_SOCKET.contains(&ipam.kind.as_str()) && is_socket()) {
            return None;
        }
        let (namespace, pod) = self.pod.as_deref().and_then(|pod| pod.split_once('/')).unwrap_or_default();
        let attachment = attachment(&self.container, &self.ifname, (namespace, pod))?;
        let leases = self.reserved.iter().flat_map(|reserved| &reserved.leases);
        let key = attachment.key().clone();
        let holder = holder(attachment, leases.map(|lease| lease.address.addr()));
        let has_sandbox = !self.sandbox.starts_with("/proc/") && Path::new(&self.sandbox).exists();
        Some(Recorded { key, holder, has_sandbox, age })
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

fn attachment(container: &str, interface: &str, (namespace, pod): (&str, &str)) -> Option<Attachment> {
    let short = container.get(..8).unwrap_or(container);
    let id = format!("{short}-{interface}");
    let identity =
        Identity { infra_container_id: container, pod_interface_id: &id, interface, pod, namespace };
    Attachment::new(&identity).ok()
}

fn holder(attachment: Attachment, addresses: impl Iterator<Item = IpAddr>) -> Option<Holder> {
    let addresses = Addresses::from_list(addresses).filter(|addresses| !addresses.is_empty())?;
    Some(Holder { attachment: Arc::new(attachment), addresses })
}

#[cfg(test)]
mod tests;
