//! What a node shows of a pod beside links, addresses and routes ([`crate::view`]): its limits, the node's parameters,
//! and who reaches whom.

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::netns::Place;
use crate::network::Pod;
use crate::node::OtherNode;
use crate::probe;
use crate::process::tool;
use crate::reply::Added;
use crate::subject::Family;

/// A first packet may be lost to a port that does not forward yet.
const PATIENCE: Duration = Duration::from_millis(1500);

/// The token buckets through which a pod receives and sends, from the name of its link on the node.
pub fn limits(host_link: &str) -> Result<Value, Failure> {
    // Of the qdisc `ingress`, and of the half of `clsact` that takes its place.
    let filters = [
        tc(&["filter", "show", "dev", host_link, "parent", "ffff:"])?,
        tc(&["filter", "show", "dev", host_link, "ingress"])?,
    ];
    let mut redirections = filters.iter().filter_map(Value::as_array).flatten();
    let ifb = redirections.find_map(|filter| filter["options"]["actions"][0]["to_dev"].as_str());
    let sends = match ifb {
        Some(ifb) => bucket(ifb)?,
        None => Value::Null,
    };
    Ok(json!({"receives": bucket(host_link)?, "sends": sends}))
}

fn bucket(link: &str) -> Result<Value, Failure> {
    let all = tc(&["qdisc", "show", "dev", link])?;
    let mut buckets = all.as_array().into_iter().flatten().filter(|qdisc| qdisc["kind"] == "tbf");
    Ok(buckets.next().map_or(Value::Null, |bucket| bucket["options"].clone()))
}

fn tc(words: &[&str]) -> Result<Value, Failure> {
    Ok(serde_json::from_str(&tool(&[&["tc", "-j"], words].concat())?)?)
}

/// The node's parameters that plugins set, `bridge` being the name of the pods' bridge.
pub fn parameters(bridge: &str) -> Result<Value, Failure> {
    let names = [
        ("forwards IPv4", "ipv4/ip_forward".to_owned()),
        ("forwards IPv6", "ipv6/conf/all/forwarding".to_owned()),
        ("routes 127.0.0.0/8 to the bridge", format!("ipv4/conf/{bridge}/route_localnet")),
    ];
    let read = |(what, name): (&str, String)| Ok((what.to_owned(), Place::Node.sysctl(&name)?.into()));
    names.into_iter().map(read).collect::<Result<Map<_, _>, Failure>>().map(Value::Object)
}

/// What a network keeps when its pods are gone: links with their addresses, routes, files of reservations.
pub fn remains(network: &str) -> Result<Value, Failure> {
    let links = Place::Node.ip_json(&["addr"])?;
    let named = |link: &Value| {
        let infos = link["addr_info"].as_array().into_iter().flatten();
        let global = infos.filter(|info| info["scope"] != "link").map(|info| info["local"].clone());
        (link["ifname"].as_str().unwrap_or_default().to_owned(), global.collect())
    };
    let links: Map<_, _> = links.as_array().into_iter().flatten().map(named).collect();
    let mut routes = Vec::new();
    for family in ["-4", "-6"] {
        let found = Place::Node.ip_json(&[family, "route", "show"])?;
        let found = found.as_array().into_iter().flatten();
        routes.extend(found.map(|route| json!([route["dst"], route["dev"], route["gateway"]])));
    }
    let folder = format!("/var/lib/cni/networks/{network}");
    let mut files = Map::new();
    for file in fs::read_dir(&folder).into_iter().flatten() {
        let file = file?;
        files
            .insert(file.file_name().to_string_lossy().into_owned(), fs::read_to_string(file.path())?.into());
    }
    Ok(json!({"links": links, "routes": routes, "reservations": files}))
}

/// Everybody who may want to reach the pod, or be reached by it.
#[derive(Debug)]
pub struct Neighbourhood<'a> {
    /// The pod.
    pub pod: &'a Pod,
    /// What its ADD answered.
    pub added: &'a Added,
    /// Another pod of the node.
    pub neighbour: &'a Pod,
    /// What its ADD answered.
    pub neighbours: &'a Added,
    /// Another node.
    pub other: &'a OtherNode,
    /// A TCP port of the node that leads to one of the pod, where it has one: both.
    pub host_port: Option<(u16, u16)>,
}

impl Neighbourhood<'_> {
    /// Who reaches whom in each family, and as whom the first is seen.
    pub fn reachability(&self) -> Result<Value, Failure> {
        let (pod, neighbour) = (Place::from(&self.pod.netns), Place::from(&self.neighbour.netns));
        let outside = self.other.place();
        let mut seen = Map::new();
        for address in self.added.addresses()? {
            let (beside, away) = (
                same_family(self.neighbours.addresses()?, address),
                same_family(self.other.pod_addresses()?, address),
            );
            let node = same_family(self.other.masquerade_addresses()?, address);
            let mut fact = |what: &str, from, to, target: Option<IpAddr>| {
                let found = target.and_then(|target| probe::reach(from, to, target, PATIENCE).ok());
                seen.insert(format!("{what}, {}", family(address)), self.name(found)?.into());
                Ok::<_, Failure>(())
            };
            fact("the node to the pod", Place::Node, pod, Some(address))?;
            fact("the pod to the node", pod, Place::Node, node)?;
            fact("the pod to a neighbour", pod, neighbour, beside)?;
            fact("a neighbour to the pod", neighbour, pod, Some(address))?;
            fact("the pod to the outside", pod, outside, away)?;
            fact("the outside to the pod", outside, pod, Some(address))?;
            if let (Some((host_port, pod_port)), Some(node)) = (self.host_port, node) {
                let server = pod.inside(|| Ok(TcpListener::bind((address, pod_port))?))?;
                for (who, from) in [
                    ("the node", Place::Node),
                    ("the outside", outside),
                    ("a neighbour", neighbour),
                    ("the pod", pod),
                ] {
                    let found = asked(&server, from, (node, host_port).into());
                    let what = format!("{who} to the host port, {}", family(address));
                    seen.insert(what, self.name(found)?.into());
                }
            }
        }
        Ok(Value::Object(seen))
    }

    /// Whose an address is.
    fn name(&self, address: Option<IpAddr>) -> Result<&'static str, Failure> {
        let Some(address) = address else { return Ok("not reached") };
        let owners = [
            ("seen as the pod", self.added.addresses()?),
            ("seen as the neighbour", self.neighbours.addresses()?),
            ("seen as the bridge", Family::Dual.gateways()),
            ("seen as the node", self.other.masquerade_addresses()?),
        ];
        let owner = owners.into_iter().find(|(_, addresses)| addresses.contains(&address));
        Ok(owner.map_or("seen as another", |(name, _)| name))
    }
}

/// Asks for a connection as long as none comes, and gives the address that the server sees.
fn asked(server: &TcpListener, from: Place<'_>, target: SocketAddr) -> Option<IpAddr> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if from.inside(|| Ok(TcpStream::connect_timeout(&target, PATIENCE)?)).is_ok() {
            return Some(server.accept().ok()?.1.ip());
        }
    }
    None
}

fn same_family(addresses: Vec<IpAddr>, wanted: IpAddr) -> Option<IpAddr> {
    addresses.into_iter().find(|address| address.is_ipv4() == wanted.is_ipv4())
}

fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}
