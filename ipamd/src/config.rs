//! The daemon's configuration: one file, YAML or JSON; everything but `source` has a default.
//!
//! ```text
//! file ──document──▶ tree with lines ──fields──▶ Config
//!                                        └─────▶ every Problem, with line and member
//! ```
//!
//! A member that is not known is a problem too: a slip of the pen would otherwise be a silent default.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

mod document;
mod fields;
mod grant;
mod kubernetes;
mod node;
mod routes;
mod source;

pub use fields::Problem;
pub use grant::GrantConfig;
pub use kubernetes::Kubernetes;
pub use node::{Blocked, NodeRules, Snat};
pub use routes::Routes;
pub use source::{Addresses, Poll, Source};

use document::Node;
use fields::Fields;

use crate::ranges::Ranges;

/// What the daemon does, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `state`: the directory of the journal, the release intents and the socket.
    pub state: PathBuf,
    /// `listen`: where clients are answered.
    pub listen: Listen,
    /// `metrics`: the address of `/metrics`, `/debug` and the status page; none where it is `off`.
    pub metrics: Option<SocketAddr>,
    /// `kubernetes`: how the API server is reached, for whatever asks it.
    pub kubernetes: Kubernetes,
    /// `source`: where addresses come from.
    pub source: Source,
    /// `pool`: how they are kept.
    pub pool: Pool,
    /// `reconcile`: how the pool is held against what lives on the node.
    pub reconcile: Reconcile,
    /// `conflist`: the file that tells the container runtime that the node's network is ready; none: none is written.
    pub conflist: Option<Conflist>,
    /// `nodeRules`: what is kept on the node for all pods.
    pub node_rules: NodeRules,
    /// `ranges`: what must stay apart from the pods' addresses.
    pub ranges: Ranges,
    /// `routes`: who makes the routes to other nodes' pods; none: nobody that the daemon has to do with.
    pub routes: Option<Routes>,
}

/// Where clients are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// `socket`: the unix socket.
    pub socket: PathBuf,
    /// `http`: a loopback address, only where it is wanted.
    pub http: Option<SocketAddr>,
    /// `allowUids`: who may speak to `http` besides root.
    pub allow_uids: Vec<u32>,
}

/// How addresses are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// `coolDown`: how long an address rests between two pods.
    pub cool_down: Duration,
    /// `maxIPs`: the most that the pool holds; none: 250 where the network can grow, else all.
    pub max: Option<u32>,
    /// `batchSize`: addresses asked for at a time.
    pub batch: u32,
    /// `requestThresholdPercent`, of a batch: fewer free addresses, and more are asked for.
    pub request_percent: u32,
    /// `releaseThresholdPercent`, of a batch: more free addresses, and some are given back.
    pub release_percent: u32,
    /// `warmIPTarget`: free addresses to keep, instead of batch and thresholds.
    pub warm: Option<u32>,
    /// `minimumIPTarget`: addresses to hold at least, instead of batch and thresholds.
    pub minimum: Option<u32>,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            cool_down: Duration::from_secs(30),
            max: None,
            batch: 16,
            request_percent: 50,
            release_percent: 150,
            warm: None,
            minimum: None,
        }
    }
}

/// How the pool is held against what lives on the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconcile {
    /// `interval`: between two looks at most; a link that is gone leads to one at once.
    pub interval: Duration,
    /// `grace`: how long an attachment may show no sign of life.
    pub grace: Duration,
}

impl Default for Reconcile {
    /// A minute each.
    fn default() -> Self {
        Self { interval: Duration::from_mins(1), grace: Duration::from_mins(1) }
    }
}

/// The network configuration list that is there while the daemon can serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflist {
    /// `path`: the file, in the directory that the container runtime watches.
    pub path: PathBuf,
    /// `template`: what it says.
    pub template: Template,
}

/// The templates that are compiled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// `vnet-transparent`: pods of mode vnet, routed.
    VnetTransparent,
    /// `vnet-bridge`: pods of mode vnet, on a bridge in place of the node's link.
    VnetBridge,
    /// `kubenet`: pods on the bridge `cbr0`, with addresses of this daemon.
    Kubenet,
    /// `kubenet-host-local`: pods on the bridge `cbr0`, with addresses of the node's pod ranges that the plugin keeps itself.
    KubenetHostLocal,
}

/// What can be wrong with a configuration file.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It says what it cannot mean.
    #[error("{}: {}", path.display(), join(problems))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// All that is wrong, in the file's order.
        problems: Vec<Problem>,
    },
}

fn join(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; ")
}

/// `state` where nothing else is said.
pub const STATE: &str = "/run/podnet";
const METRICS: ([u8; 4], u16) = ([127, 0, 0, 1], 10092);

impl Config {
    /// Reads and checks a file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        read(path, Self::parse)
    }

    /// Checks a file's text; all that is wrong with it, in its order.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        parse(text, Self::decode)
    }

    fn decode(document: Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut fields = Fields::of("", document, problems);
        let state = fields.take("state", fields::absolute_path, problems).unwrap_or_else(|| STATE.into());
        let listen = Listen::decode(&mut fields, &state, problems);
        let metrics = fields.take("metrics", metrics, problems).unwrap_or(Some(METRICS.into()));
        let kubernetes = Kubernetes::decode(&mut fields, problems);
        let source = Source::decode(&mut fields, problems);
        let pool = Pool::decode(&mut fields, problems);
        let reconcile = Reconcile::decode(&mut fields, problems);
        let conflist = Conflist::decode(&mut fields, source.as_ref(), problems);
        let routes = fields.take("routes", Routes::read, problems);
        let node_rules = NodeRules::decode(&mut fields, source.as_ref(), problems);
        let ranges = Ranges::decode(&mut fields, source.as_ref(), problems);
        fields.finish(problems);
        Some(Self {
            state,
            listen,
            metrics,
            kubernetes,
            source: source?,
            pool,
            reconcile,
            conflist,
            routes,
            node_rules,
            ranges,
        })
    }
}

/// Reads and checks a file.
fn read<T>(path: &Path, parse: fn(&str) -> Result<T, Vec<Problem>>) -> Result<T, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    parse(&text).map_err(|problems| ConfigError::Invalid { path: path.to_owned(), problems })
}

/// Checks a file's text; all that is wrong with it, in its order.
fn parse<T>(text: &str, decode: fn(Node, &mut Vec<Problem>) -> Option<T>) -> Result<T, Vec<Problem>> {
    let document = Node::parse(text).map_err(|error| {
        let line = error.location().map_or(0, |location| location.line());
        let says = format!("is neither YAML nor JSON: {}", error.without_snippet());
        vec![Problem { line, field: String::new(), says }]
    })?;
    let mut problems = Vec::new();
    let decoded = decode(document, &mut problems);
    problems.sort_by_key(|problem| problem.line);
    match decoded {
        Some(decoded) if problems.is_empty() => Ok(decoded),
        _ => Err(problems),
    }
}

impl Listen {
    fn decode(parent: &mut Fields, state: &Path, problems: &mut Vec<Problem>) -> Self {
        let mut listen = Self { socket: state.join("ipamd.sock"), http: None, allow_uids: Vec::new() };
        let Some(node) = parent.node("listen") else { return listen };
        let mut fields = Fields::of("listen", node, problems);
        if let Some(socket) = fields.take("socket", fields::absolute_path, problems) {
            listen.socket = socket;
        }
        listen.http = fields.take("http", loopback, problems);
        let uids = fields.take_list("allowUids", fields::whole, problems);
        listen.allow_uids = uids.into_iter().map(|uid| uid.value).collect();
        fields.finish(problems);
        listen
    }
}

impl Pool {
    fn decode(parent: &mut Fields, problems: &mut Vec<Problem>) -> Self {
        let default = Self::default();
        let Some(node) = parent.node("pool") else { return default };
        let mut fields = Fields::of("pool", node, problems);
        let pool = Self {
            cool_down: fields.take("coolDown", fields::duration, problems).unwrap_or(default.cool_down),
            max: fields.take("maxIPs", fields::positive, problems),
            batch: fields.take("batchSize", fields::positive, problems).unwrap_or(default.batch),
            request_percent: fields
                .take("requestThresholdPercent", request_percent, problems)
                .unwrap_or(default.request_percent),
            release_percent: fields
                .take("releaseThresholdPercent", fields::positive, problems)
                .unwrap_or(default.release_percent),
            warm: fields.take("warmIPTarget", fields::whole, problems),
            minimum: fields.take("minimumIPTarget", fields::whole, problems),
        };
        if pool.release_percent < pool.request_percent.saturating_add(100) {
            problems.push(Problem {
                line: fields.line,
                field: fields.name_of("releaseThresholdPercent"),
                says: format!(
                    "{} leaves the pool no room between asking for a batch at {} per cent and giving one back: at \
                     least {} is needed",
                    pool.release_percent,
                    pool.request_percent,
                    pool.request_percent.saturating_add(100)
                ),
            });
        }
        fields.finish(problems);
        pool
    }
}

impl Reconcile {
    fn decode(parent: &mut Fields, problems: &mut Vec<Problem>) -> Self {
        let default = Self::default();
        let Some(node) = parent.node("reconcile") else { return default };
        let mut fields = Fields::of("reconcile", node, problems);
        let mut take = |name| fields.take(name, fields::interval, problems);
        let (interval, grace) = (take("interval"), take("grace"));
        fields.finish(problems);
        Self { interval: interval.unwrap_or(default.interval), grace: grace.unwrap_or(default.grace) }
    }
}

impl Conflist {
    fn decode(parent: &mut Fields, source: Option<&Source>, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut fields = Fields::of("conflist", parent.node("conflist")?, problems);
        let path = fields.take("path", conflist_path, problems);
        let template = fields.take("template", template, problems);
        for (name, is_missing) in [("path", path.is_none()), ("template", template.is_none())] {
            let field = fields.name_of(name);
            if is_missing && !problems.iter().any(|problem| problem.field == field) {
                problems.push(Problem { line: fields.line, field, says: "is missing".to_owned() });
            }
        }
        let has_ranges = source.is_none_or(|source| matches!(source, Source::PodCidr(_)));
        if template == Some(Template::KubenetHostLocal) && !has_ranges {
            let says =
                "kubenet-host-local gives pods the whole of the node's ranges, which only source podCIDR has";
            let (line, field) = (fields.line, fields.name_of("template"));
            problems.push(Problem { line, field, says: says.to_owned() });
        }
        fields.finish(problems);
        Some(Self { path: path?, template: template? })
    }
}

fn metrics(node: &Node) -> Result<Option<SocketAddr>, String> {
    if fields::text(node)? == "off" { Ok(None) } else { fields::socket_address(node).map(Some) }
}

fn loopback(node: &Node) -> Result<SocketAddr, String> {
    let address = fields::socket_address(node)?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(format!(
            "{} is no loopback address: whoever reaches it could take and free pods' addresses",
            address.ip()
        ))
    }
}

fn request_percent(node: &Node) -> Result<u32, String> {
    let percent = fields::positive(node)?;
    if percent <= 100 { Ok(percent) } else { Err(format!("{percent} is more than 100")) }
}

/// The runtime reads `.conf`, `.conflist` and `.json` only.
fn conflist_path(node: &Node) -> Result<PathBuf, String> {
    let path = fields::absolute_path(node)?;
    if path.extension().is_some_and(|extension| extension == "conflist") {
        Ok(path)
    } else {
        Err(format!("{} does not end in .conflist: no container runtime would read it", path.display()))
    }
}

fn template(node: &Node) -> Result<Template, String> {
    match fields::text(node)?.as_str() {
        "vnet-transparent" => Ok(Template::VnetTransparent),
        "vnet-bridge" => Ok(Template::VnetBridge),
        "kubenet" => Ok(Template::Kubenet),
        "kubenet-host-local" => Ok(Template::KubenetHostLocal),
        other => Err(format!(
            "there is no template {other:?}, only vnet-transparent, vnet-bridge, kubenet, \
                 kubenet-host-local"
        )),
    }
}

#[cfg(test)]
mod tests;
