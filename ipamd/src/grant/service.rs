//! The process: stands by, leads, ends.

use std::io;
use std::path::Path;
use std::sync::Arc;

use podnet_daemon_kit::operations::Operations;
use podnet_daemon_kit::signals::{Signal, Signals};
use podnet_daemon_kit::{Chain, Readiness, stop};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::election::Election;
use super::figures::Figures;
use super::leader::Leader;
use super::settings::Settings;
use crate::cluster::{Cluster, Pace, Traffic};
use crate::config::{ConfigError, GrantConfig};

/// Why the controller does not start, or ends.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The process cannot hear signals.
    #[error("cannot listen to signals")]
    Signals(#[source] io::Error),
    /// The address for figures.
    #[error("cannot listen on metrics {address}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A name that no other controller has.
    #[error("cannot read /proc/sys/kernel/random/uuid")]
    Identity(#[source] io::Error),
}

/// Stands by and leads until SIGTERM or SIGINT.
pub async fn serve(path: &Path) -> Result<(), GrantError> {
    let config = GrantConfig::read(path)?;
    let mut signals = Signals::listen().map_err(GrantError::Signals)?;
    let traffic = Traffic::default();
    let (figures, registry) = Figures::new(&traffic);
    let (readiness, readiness_seen) = watch::channel(Readiness::NotReady("starting".to_owned()));
    let (stopper, stop) = stop::channel();
    if let Some(address) = config.metrics {
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| GrantError::Listen { address, source })?;
        let operations = Operations { registry: Arc::new(registry), readiness: readiness_seen };
        tokio::spawn(operations.serve(listener, stop.clone()));
    }
    drop(stop);
    let cluster = Cluster::new(config.kubernetes.clone(), traffic);
    let election = Election::new(cluster.clone(), identity()?, config.lease);
    let mut controller =
        Controller { cluster, settings: config.settings, figures: Arc::new(figures), election, readiness };
    tokio::select! {
        () = controller.run() => {}
        () = end(&mut signals) => {}
    }
    tracing::info!("ending");
    let interval = controller.election.interval();
    match timeout(interval, controller.election.release()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(error = %Chain(&error), "the lease runs out by itself"),
        Err(_) => tracing::warn!("the lease runs out by itself"),
    }
    stopper.stop().await;
    Ok(())
}

async fn end(signals: &mut Signals) {
    while signals.next().await == Signal::Reload {
        tracing::info!("the configuration is read at the start only");
    }
}

/// The host's name, for people, and what makes it unique.
fn identity() -> Result<String, GrantError> {
    let uuid = std::fs::read_to_string("/proc/sys/kernel/random/uuid").map_err(GrantError::Identity)?;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Ok(format!("{}_{}", host.trim(), uuid.trim()))
}

struct Controller {
    cluster: Cluster,
    settings: Settings,
    figures: Arc<Figures>,
    election: Election,
    readiness: watch::Sender<Readiness>,
}

impl Controller {
    /// One time of leading after the other.
    async fn run(&mut self) {
        let mut pace = Pace::default();
        loop {
            match self.election.attempt().await {
                Ok(leads) => {
                    self.readiness.send_replace(Readiness::Ready);
                    pace.well();
                    if leads {
                        self.lead().await;
                    } else {
                        sleep(self.election.interval()).await;
                    }
                }
                Err(error) => {
                    self.wait_for(&format!("the lease: {}", Chain(&error)));
                    sleep(pace.failed()).await;
                }
            }
        }
    }

    /// Leads as long as the lease is this one's.
    async fn lead(&mut self) {
        tracing::info!("leading");
        let (cluster, settings, figures) = (&self.cluster, &self.settings, &self.figures);
        let readiness = &self.readiness;
        let work = async {
            let mut pace = Pace::default();
            loop {
                let leader = Leader::new(cluster, settings, Arc::clone(figures));
                let Err(error) = leader.lead().await;
                figures.set_leading(false);
                let says = Chain(&error).to_string();
                tracing::error!(error = says, "nothing is granted");
                readiness.send_replace(Readiness::NotReady(says));
                sleep(pace.failed()).await;
            }
        };
        let lost = tokio::select! {
            lost = self.election.keep() => lost,
            () = work => None,
        };
        self.figures.set_leading(false);
        if let Some(error) = lost {
            self.wait_for(&format!("the lease could not be renewed: {}", Chain(&error)));
        } else {
            tracing::warn!("another controller leads");
        }
    }

    fn wait_for(&self, reason: &str) {
        tracing::warn!("{reason}");
        self.readiness.send_replace(Readiness::NotReady(reason.to_owned()));
    }
}
