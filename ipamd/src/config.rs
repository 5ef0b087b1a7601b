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

mod conflist;
mod document;
mod fields;
mod grant;
mod kubernetes;
mod listen;
mod node;
mod pool;
mod reconcile;
mod routes;
mod source;

pub use conflist::{Conflist, Template};
pub use fields::Problem;
pub use grant::GrantConfig;
pub use kubernetes::Kubernetes;
pub use listen::Listen;
pub use node::{Blocked, NodeRules, Snat};
pub use pool::Pool;
pub use reconcile::Reconcile;
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
        let metrics = fields.take("metrics", listen::metrics, problems).unwrap_or(Some(METRICS.into()));
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

#[cfg(test)]
mod tests;
