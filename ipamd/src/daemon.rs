//! The daemon's life: recover, serve, reload, end.
//!
//! ```text
//!  lock and read the state ─▶ rebuild, if it is lost ─▶ snapshot ─▶ intents ─▶ listen ─▶ source
//!                                                                                  │
//!        conflist while it can serve ◀── readiness ◀── actor ◀── requests, reports ┘
//! ```
//!
//! Nobody is answered before the state is whole, and nothing that can fail later stops what works: a source that is away, a
//! full disk, a bad configuration file are reported and waited for.

use std::path::Path;
use std::sync::Arc;

use podnet_daemon_kit::Chain;
use podnet_daemon_kit::http::Listener;
use podnet_daemon_kit::operations::Operations;
use podnet_daemon_kit::signals::Signals;
use podnet_daemon_kit::stop::{self, Stop};
use podnet_ipam_store::StoreError;
use tokio::sync::watch;

use crate::actor::{Actor, Handle};
use crate::cluster::{Cluster, Traffic};
use crate::config::{Config, ConfigError, Source};
use crate::conflist;
use crate::intents::{self, Applier};
use crate::inventory::Memory;
use crate::metrics::Metrics;
use crate::ranges::{self, RangeError};
use crate::routes;
use crate::server::{ListenError, Listeners, Server, serve_metrics, serve_requests};
use crate::source;

mod keepers;
mod life;
mod listing;
mod recovery;
mod wires;

use keepers::Keepers;
use life::{Life, SourceEnds};

/// Why the daemon does not start, or ends.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Ranges that share addresses.
    #[error("the configuration does not fit this node")]
    Ranges(#[from] RangeError),
    /// The state directory.
    #[error(transparent)]
    State(#[from] StoreError),
    /// A socket or address.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The process cannot hear signals.
    #[error("cannot listen to signals")]
    Signals(#[source] std::io::Error),
}

/// Serves until SIGTERM or SIGINT.
pub async fn serve(path: &Path) -> Result<(), DaemonError> {
    let config = Config::read(path)?;
    fits_node(&config)?;
    file_fits_node(&config).await?;
    let mut signals = Signals::listen().map_err(DaemonError::Signals)?;
    let Some((pool, store)) = recovery::wait_for_state(&config, &mut signals).await? else { return Ok(()) };
    if !pool.can_assign() {
        remove_conflist(&config);
    }
    let places = intents::places(&config);
    let pool_id = intents::announce(&places);

    let cluster = Cluster::new(config.kubernetes.clone(), Traffic::default());
    let (metrics, registry) = Metrics::new(cluster.traffic());
    let metrics = Arc::new(metrics);
    let (ends, wires) = wires::lay(Arc::clone(&metrics));
    let (handle, inbox) = Handle::channel();
    let actor = Actor::new(pool, store, Memory::new(&config.state), config.pool, ends);
    let acting = tokio::spawn(actor.run(inbox));

    let applier = Applier { actor: handle.clone(), metrics: Arc::clone(&metrics), pool: pool_id };
    for place in &places {
        applier.apply(place).await;
    }
    let listeners = Listeners::open(&config).await?;
    let (stopper, stop) = stop::channel();
    for place in places {
        tokio::spawn(applier.clone().follow(place, stop.clone()));
    }
    drop(applier);

    let (in_force, config_seen) = watch::channel(config);
    let operations = Operations { registry: Arc::new(registry), readiness: wires.readiness.clone() };
    let server = Server::new(handle.clone(), Arc::clone(&metrics), operations);
    start_servers(server, listeners, &config_seen, &stop);
    let (cleared, cleared_seen) = watch::channel(false);
    let keepers = Keepers { config: config_seen, actor: handle.clone(), metrics: Arc::clone(&metrics), stop };
    keepers.start(&wires, cleared_seen);

    let outlet = routes::Outlet { status: wires.routes, cleared, metrics: metrics.routes.clone() };
    let source = SourceEnds { reports: wires.reports, needs: wires.needs };
    let mut life = Life::begin(in_force, cluster, handle, metrics, source, outlet).await;
    life.follow(path, &mut signals).await;
    tracing::info!("ending");
    drop(life);
    stopper.stop().await;
    acting.await.ok();
    Ok(())
}

/// Whether the file in which the source is, if it can be read by now, says what is possible on this node. Later the source
/// itself sees to that: what it said before stays.
async fn file_fits_node(config: &Config) -> Result<(), RangeError> {
    match source::in_file(&config.source).await {
        Some(Ok(inventory)) => config.ranges.check_pods(&inventory, &ranges::of_node()),
        Some(Err(_)) | None => Ok(()),
    }
}

/// Whether what the configuration says of addresses is possible on this node. What other sources say is seen when they
/// have said it.
fn fits_node(config: &Config) -> Result<(), RangeError> {
    let node = ranges::of_node();
    config.ranges.check_node(&node)?;
    match &config.source {
        Source::Static(inventory) => config.ranges.check_pods(inventory, &node),
        _ => Ok(()),
    }
}

/// As long as the daemon cannot serve, nothing may say that it can.
fn remove_conflist(config: &Config) {
    if let Some(conflist) = &config.conflist
        && let Err(error) = conflist::remove(conflist)
    {
        tracing::error!(error = %Chain(&error), "an old network configuration says that the node is ready");
    }
}

fn start_servers(server: Server, listeners: Listeners, config: &watch::Receiver<Config>, stop: &Stop) {
    let unix = Listener::Unix(listeners.socket);
    tokio::spawn(serve_requests(server.clone(), unix, config.clone(), stop.clone()));
    if let Some(http) = listeners.http {
        tokio::spawn(serve_requests(server.clone(), Listener::Tcp(http), config.clone(), stop.clone()));
    }
    if let Some(metrics) = listeners.metrics {
        tokio::spawn(serve_metrics(server, metrics, stop.clone()));
    }
}
