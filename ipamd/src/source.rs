//! Where the node's addresses come from.
//!
//! ```text
//!  static ────────────────────────────┐
//!  wireserver, imds ──poll──▶ bytes ──┤
//!  podCIDR,                           ├─parse─▶ Inventory ─checked─▶ the actor
//!  nodeNetworkConfig ──feed──▶ JSON ──┘   ◀── Needs: is the pool dry, what is asked for
//! ```
//!
//! A source that fails says so and goes on: the actor keeps the last good inventory. What it said is read whole before
//! anything is believed, so that half a document is an error and never half a pool.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::cluster::{Cluster, ClusterError};
use crate::config::{self, Addresses};
use crate::inventory::{Inventory, InventoryError};
use crate::ranges::{self, RangeError, Ranges};

mod feed;
mod fetch;
mod imds;
mod node_network_config;
mod pod_cidr;
mod poll;
mod wireserver;

pub use fetch::FetchError;

/// What a source is to know of the pool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// No address is free: ask sooner.
    pub is_dry: bool,
    /// What to ask the network for, where it can be asked.
    pub wish: Option<Wish>,
}

/// How many addresses the node wants, and which ones it gives back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wish {
    /// In total.
    #[serde(rename = "requestedIPCount")]
    pub count: u32,
    /// The names of those that go back.
    #[serde(rename = "ipsNotInUse")]
    pub not_in_use: Vec<String>,
}

impl Wish {
    /// A wish, with the names in order, so that equal ones compare equal.
    pub fn new(count: u32, mut not_in_use: Vec<String>) -> Self {
        not_in_use.sort();
        Self { count, not_in_use }
    }
}

/// One way to learn of addresses.
pub(crate) trait Source: Send + 'static {
    /// What the network says: the first time at once, then whenever it may have changed. An error is not the end.
    fn next(
        &mut self,
        needs: &mut watch::Receiver<Needs>,
    ) -> impl Future<Output = Result<Inventory, SourceError>> + Send;
}

/// Why there is no inventory this time.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The API server did not say it.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A file operation failed.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// What was being done, as a verb.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not the document that was expected.
    #[error("{origin} does not say what addresses there are: {says}")]
    Content {
        /// The URL or file.
        origin: String,
        /// What is wrong, in words.
        says: String,
    },
    /// Its addresses are somebody else's, too.
    #[error("the source's addresses are refused")]
    Ranges(#[source] RangeError),
    /// It says what cannot be.
    #[error("{origin} is refused")]
    Inventory {
        /// The URL or file.
        origin: String,
        /// What is wrong.
        source: InventoryError,
    },
}

/// What a source reports.
pub type Report = Result<Inventory, SourceError>;

/// Starts the configured source, whose addresses must stay clear of `ranges`. It ends when nobody listens any more.
/// `cluster` is asked by sources that need it only.
pub fn start(
    config: &config::Source,
    ranges: &Ranges,
    cluster: &Cluster,
    reports: mpsc::Sender<Report>,
    needs: watch::Receiver<Needs>,
) -> JoinHandle<()> {
    let to = Audience { reports, needs, ranges: ranges.clone() };
    match config.clone() {
        config::Source::Static(inventory) => tokio::spawn(run(Fixed(Some(inventory)), to)),
        config::Source::Wireserver(poll) => {
            tokio::spawn(run(poll::Polled::new(poll, &[], wireserver::parse), to))
        }
        config::Source::Imds(poll) => {
            let source = poll::Polled::new(poll, &[("Metadata", "true")], imds::parse);
            tokio::spawn(run(source, to))
        }
        config::Source::PodCidr(Addresses { file: Some(file), node }) => {
            tokio::spawn(run(pod_cidr::PodCidr::new(feed::File::new(file), node), to))
        }
        config::Source::PodCidr(Addresses { file: None, node }) => {
            tokio::spawn(run(pod_cidr::PodCidr::new(feed::node(cluster.clone()), node), to))
        }
        config::Source::NodeNetworkConfig { file: Some(file) } => {
            let source = node_network_config::NodeNetworkConfig::new(feed::File::new(file));
            tokio::spawn(run(source, to))
        }
        config::Source::NodeNetworkConfig { file: None } => {
            let source = node_network_config::NodeNetworkConfig::new(feed::Assigned::new(cluster.clone()));
            tokio::spawn(run(source, to))
        }
    }
}

/// What a source in a file says now. `None`: the source is of another kind, and is heard when it speaks.
pub async fn in_file(config: &config::Source) -> Option<Report> {
    let (_asks_nothing, mut needs) = watch::channel(Needs::default());
    match config.clone() {
        config::Source::PodCidr(Addresses { file: Some(file), node }) => {
            Some(pod_cidr::PodCidr::new(feed::File::new(file), node).next(&mut needs).await)
        }
        config::Source::NodeNetworkConfig { file: Some(file) } => {
            Some(node_network_config::NodeNetworkConfig::new(feed::File::new(file)).next(&mut needs).await)
        }
        _ => None,
    }
}

/// Who hears a source, and what it must not say.
struct Audience {
    reports: mpsc::Sender<Report>,
    needs: watch::Receiver<Needs>,
    ranges: Ranges,
}

async fn run(mut source: impl Source, mut to: Audience) {
    loop {
        let report = tokio::select! {
            report = source.next(&mut to.needs) => report,
            () = to.reports.closed() => return,
        };
        let report = report.and_then(|inventory| {
            let clear = to.ranges.check_pods(&inventory, &ranges::of_node());
            clear.map(|()| inventory).map_err(SourceError::Ranges)
        });
        if to.reports.send(report).await.is_err() {
            return;
        }
    }
}

/// The configuration itself: said once.
struct Fixed(Option<Inventory>);

impl Source for Fixed {
    async fn next(&mut self, _: &mut watch::Receiver<Needs>) -> Report {
        match self.0.take() {
            Some(inventory) => Ok(inventory),
            None => std::future::pending().await,
        }
    }
}

/// The parser's complaint, with the document's name before it.
fn content(origin: &str) -> impl FnOnce(String) -> SourceError {
    move |says| SourceError::Content { origin: origin.to_owned(), says }
}

/// An inventory in which nothing is wrong.
///
/// # Arguments
/// `place`: where in the document its networks are; empty: it has nothing else.
fn checked(origin: &str, place: &str, mut inventory: Inventory) -> Report {
    origin.clone_into(&mut inventory.origin);
    place.clone_into(&mut inventory.place);
    let origin = inventory.whereabouts();
    inventory.checked().map_err(|source| SourceError::Inventory { origin, source })
}

/// A name for networks of which the source says none.
fn id_of(subnet: ipnet::IpNet) -> Arc<str> {
    subnet.to_string().into()
}
