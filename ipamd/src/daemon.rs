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

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use podnet_daemon_kit::http::Listener;
use podnet_daemon_kit::operations::Operations;
use podnet_daemon_kit::signals::{Signal, Signals};
use podnet_daemon_kit::stop::{self, Stop};
use podnet_daemon_kit::watch::DirectoryWatch;
use podnet_daemon_kit::{Chain, Readiness};
use podnet_ipam_store::StoreError;
use tokio::sync::{mpsc, watch};

use crate::actor::{Actor, Ends, Handle};
use crate::cluster::{Cluster, Traffic};
use crate::config::{Config, ConfigError, Conflist};
use crate::conflist;
use crate::intents::{self, Applier};
use crate::inventory::Memory;
use crate::metrics::Metrics;
use crate::rivals;
use crate::routes;
use crate::server::{ListenError, Listeners, Server, serve_metrics, serve_requests};
use crate::source::{self, Needs, Report};

mod recovery;

/// Why the daemon does not start, or ends.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
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

/// Reports that may wait for the actor.
const REPORTS: usize = 4;

/// After a change of the configuration file, its writer has this long to finish.
const SETTLE: Duration = Duration::from_millis(50);

/// While something keeps the runtime from podnet's conflist: nobody tells when that ends.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// What a source can be replaced with.
struct SourceEnds {
    reports: mpsc::Sender<Report>,
    needs: watch::Receiver<Needs>,
    running: tokio::task::JoinHandle<()>,
}

/// What works at the routes, and where it says how it goes.
struct RoutesEnds {
    outlet: routes::Outlet,
    running: tokio::task::JoinHandle<()>,
}

/// Serves until SIGTERM or SIGINT.
pub async fn serve(path: &Path) -> Result<(), DaemonError> {
    let config = Config::read(path)?;
    let mut signals = Signals::listen().map_err(DaemonError::Signals)?;
    let Some((pool, store)) = recovery::wait_for_state(&config, &mut signals).await? else { return Ok(()) };
    if !pool.can_assign() {
        remove_conflist(&config);
    }
    let pool_id = intents::announce(&config);

    let cluster = Cluster::new(config.kubernetes.clone(), Traffic::default());
    let (metrics, registry) = Metrics::new(cluster.traffic());
    let metrics = Arc::new(metrics);
    let (reports, heard) = mpsc::channel(REPORTS);
    let (needs, needs_seen) = watch::channel(Needs::default());
    let (readiness, readiness_seen) = watch::channel(Readiness::NotReady("starting".to_owned()));
    let (routes_status, routes_seen) = watch::channel(None);
    let (subnets, subnets_seen) = watch::channel(Vec::new());
    let ends = Ends {
        reports: heard,
        needs,
        readiness,
        routes: routes_seen,
        subnets,
        metrics: Arc::clone(&metrics),
    };
    let (actor, inbox) = Handle::channel();
    let acting =
        tokio::spawn(Actor::new(pool, store, Memory::new(&config.state), config.pool, ends).run(inbox));

    let applier = Applier { actor: actor.clone(), metrics: Arc::clone(&metrics), pool: pool_id };
    for directory in intents::directories(&config) {
        applier.apply(&directory).await;
    }
    let listeners = Listeners::open(&config).await?;
    let (stopper, stop) = stop::channel();
    for directory in intents::directories(&config) {
        tokio::spawn(applier.clone().follow(directory, stop.clone()));
    }
    drop(applier);
    let operations = Operations { registry: Arc::new(registry), readiness: readiness_seen.clone() };
    let server = Server::new(actor.clone(), Arc::clone(&metrics), operations);
    let (allow, allowed) = watch::channel(config.listen.allow_uids.clone());
    start_servers(server, listeners, &allowed, &stop);
    let (conflist_config, conflist_seen) = watch::channel(config.clone());
    let (cleared, cleared_seen) = watch::channel(false);
    tokio::spawn(keep_conflist(conflist_seen, readiness_seen, cleared_seen, subnets_seen, stop));

    let outlet = routes::Outlet { status: routes_status, cleared, metrics: metrics.routes.clone() };
    let routing = routes::start(config.routes, cluster.clone(), outlet.clone());

    actor.source_changed(config.source.kind()).await.ok();
    let running = source::start(&config.source, &cluster, reports.clone(), needs_seen.clone());
    let mut life = Life {
        path: path.to_owned(),
        config,
        cluster,
        actor,
        metrics,
        source: SourceEnds { reports, needs: needs_seen, running },
        routes: RoutesEnds { outlet, running: routing },
        allow,
        conflist: conflist_config,
    };
    life.follow(&mut signals).await;
    tracing::info!("ending");
    drop(life);
    stopper.stop().await;
    acting.await.ok();
    Ok(())
}

/// As long as the daemon cannot serve, nothing may say that it can.
fn remove_conflist(config: &Config) {
    if let Some(conflist) = &config.conflist
        && let Err(error) = conflist::remove(conflist)
    {
        tracing::error!(error = %Chain(&error), "an old network configuration says that the node is ready");
    }
}

fn start_servers(server: Server, listeners: Listeners, allowed: &watch::Receiver<Vec<u32>>, stop: &Stop) {
    let unix = Listener::Unix(listeners.socket);
    tokio::spawn(serve_requests(server.clone(), unix, allowed.clone(), stop.clone()));
    if let Some(http) = listeners.http {
        tokio::spawn(serve_requests(server.clone(), Listener::Tcp(http), allowed.clone(), stop.clone()));
    }
    if let Some(metrics) = listeners.metrics {
        tokio::spawn(serve_metrics(server, metrics, stop.clone()));
    }
}

/// Writes the conflist as soon as the daemon can serve and the routes are cleared. Once there, it stays: a pool that runs
/// dry later is no reason to take the whole node out of service. It follows the node's ranges where it has them in it.
async fn keep_conflist(
    mut config: watch::Receiver<Config>,
    mut readiness: watch::Receiver<Readiness>,
    mut cleared: watch::Receiver<bool>,
    mut subnets: watch::Receiver<Vec<IpNet>>,
    mut stop: Stop,
) {
    let mut told = None;
    loop {
        let is_cleared = *cleared.borrow_and_update();
        if *readiness.borrow_and_update() == Readiness::Ready && is_cleared {
            let config = config.borrow_and_update();
            if let Some(conflist) = &config.conflist {
                let obstacle = put_conflist(conflist, &config, &subnets.borrow_and_update());
                if obstacle != told {
                    if let Some(error) = &obstacle {
                        tracing::error!(%error, "pods on this node do not get podnet's network");
                    } else {
                        tracing::info!("nothing keeps pods from podnet's network any longer");
                    }
                    told = obstacle;
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_AGAIN), if told.is_some() => {}
            changed = readiness.changed() => if changed.is_err() { return },
            changed = config.changed() => if changed.is_err() { return },
            changed = cleared.changed() => if changed.is_err() { return },
            changed = subnets.changed() => if changed.is_err() { return },
            () = stop.asked() => return,
        }
    }
}

/// Writes the conflist; what keeps the runtime from taking it.
fn put_conflist(conflist: &Conflist, config: &Config, subnets: &[IpNet]) -> Option<String> {
    if let Err(error) = conflist::write(conflist, config, subnets) {
        return Some(Chain(&error).to_string());
    }
    // A folder that cannot be listed was written into all the same.
    let rivals = rivals::before(&conflist.path).unwrap_or_default();
    let first = rivals.first()?;
    Some(rivals::warning(first, &conflist.path))
}

/// A daemon that serves, and what a new configuration changes in it.
struct Life {
    path: PathBuf,
    config: Config,
    cluster: Cluster,
    actor: Handle,
    metrics: Arc<Metrics>,
    source: SourceEnds,
    routes: RoutesEnds,
    allow: watch::Sender<Vec<u32>>,
    conflist: watch::Sender<Config>,
}

impl Life {
    /// Follows signals and the configuration file to the end.
    async fn follow(&mut self, signals: &mut Signals) {
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        let mut watch = DirectoryWatch::new(directory)
            .inspect_err(|error| tracing::warn!(%error, "the configuration is read again on SIGHUP only"))
            .ok();
        loop {
            let is_signal = tokio::select! {
                signal = signals.next() => match signal {
                    Signal::Stop => return,
                    Signal::Reload => true,
                },
                () = changed(&mut watch) => false,
            };
            if !is_signal {
                tokio::time::sleep(SETTLE).await;
            }
            self.reload(is_signal).await;
        }
    }

    /// Reads the configuration again. One that is wrong is refused as a whole.
    async fn reload(&mut self, is_asked: bool) {
        let config = match Config::read(&self.path) {
            Ok(config) => config,
            Err(error) => {
                self.metrics.config_errors.inc();
                tracing::error!(error = %Chain(&error), "the configuration is refused; the old one stays in force");
                return;
            }
        };
        if config == self.config {
            if is_asked {
                tracing::info!("the configuration has not changed");
            }
            return;
        }
        let before = std::mem::replace(&mut self.config, config);
        let Config { state, listen, metrics, kubernetes, source, pool, conflist, routes } = &self.config;
        let same_sockets = listen.socket == before.listen.socket && listen.http == before.listen.http;
        if *state != before.state || !same_sockets || *metrics != before.metrics {
            tracing::warn!("state, listen.socket, listen.http and metrics change with a restart");
        }
        self.allow.send_replace(listen.allow_uids.clone());
        if *pool != before.pool {
            self.actor.configure(*pool).await.ok();
        }
        if *kubernetes != before.kubernetes {
            self.cluster = Cluster::new(kubernetes.clone(), self.cluster.traffic().clone());
        }
        if *source != before.source || (*kubernetes != before.kubernetes && source.asks_cluster()) {
            self.source.running.abort();
            self.actor.source_changed(source.kind()).await.ok();
            let (reports, needs) = (self.source.reports.clone(), self.source.needs.clone());
            self.source.running = source::start(source, &self.cluster, reports, needs);
        }
        if *routes != before.routes || *kubernetes != before.kubernetes {
            self.routes.running.abort();
            self.routes.running = routes::start(*routes, self.cluster.clone(), self.routes.outlet.clone());
        }
        if *conflist != before.conflist {
            self.conflist.send_replace(self.config.clone());
        }
        tracing::info!(source = source.kind(), "the configuration is in force");
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.source.running.abort();
    }
}

/// Waits for a change in the configuration's directory; for ever where that cannot be watched.
async fn changed(watch: &mut Option<DirectoryWatch>) {
    let heard = match watch {
        Some(watch) => watch.changed().await.is_ok(),
        None => false,
    };
    if !heard {
        std::future::pending::<()>().await;
    }
}
