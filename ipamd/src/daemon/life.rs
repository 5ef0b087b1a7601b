//! A daemon that serves, and what a new configuration changes in it.
//!
//! ```text
//!  file, SIGHUP ─▶ read, refused as a whole if wrong ─▶ in force ─▶ keepers, servers (watch)
//!                                                          └──────▶ pool, source, routes: told or begun anew
//! ```

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use podnet_daemon_kit::Chain;
use podnet_daemon_kit::signals::{Signal, Signals};
use podnet_daemon_kit::watch::DirectoryWatch;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::{DaemonError, fits_node};
use crate::actor::Handle;
use crate::cluster::Cluster;
use crate::config::{Config, Listen};
use crate::metrics::Metrics;
use crate::routes;
use crate::source::{self, Needs, Report};

/// After a change of the configuration file, its writer has this long to finish.
const SETTLE: Duration = Duration::from_millis(50);

/// What every source is given.
pub(super) struct SourceEnds {
    pub reports: mpsc::Sender<Report>,
    pub needs: watch::Receiver<Needs>,
}

pub(super) struct Life {
    /// What the file said last.
    read: Config,
    /// What holds of it: all but what changes with a restart.
    in_force: watch::Sender<Config>,
    cluster: Cluster,
    actor: Handle,
    metrics: Arc<Metrics>,
    source: SourceEnds,
    asking: JoinHandle<()>,
    outlet: routes::Outlet,
    routing: JoinHandle<()>,
}

impl Life {
    /// Begins with the routes and the source.
    pub(super) async fn begin(
        in_force: watch::Sender<Config>,
        cluster: Cluster,
        actor: Handle,
        metrics: Arc<Metrics>,
        source: SourceEnds,
        outlet: routes::Outlet,
    ) -> Self {
        let read = in_force.borrow().clone();
        let routing = routes::start(read.routes, cluster.clone(), outlet.clone());
        actor.source_changed(read.source.kind()).await.ok();
        let asking = source.start(&read, &cluster);
        Self { read, in_force, cluster, actor, metrics, source, asking, outlet, routing }
    }

    /// Follows signals and the configuration file to the end.
    pub(super) async fn follow(&mut self, path: &Path, signals: &mut Signals) {
        let directory = path.parent().unwrap_or(Path::new("/"));
        let mut watch = DirectoryWatch::new(directory)
            .inspect_err(|error| tracing::warn!(%error, "the configuration is read again on SIGHUP only"))
            .ok();
        loop {
            let is_asked = tokio::select! {
                signal = signals.next() => match signal {
                    Signal::Stop => return,
                    Signal::Reload => true,
                },
                () = changed(&mut watch) => false,
            };
            if !is_asked {
                tokio::time::sleep(SETTLE).await;
            }
            self.reload(path, is_asked).await;
        }
    }

    /// Reads the configuration again. One that is wrong is refused as a whole.
    async fn reload(&mut self, path: &Path, is_asked: bool) {
        let read = Config::read(path).map_err(DaemonError::from);
        let config = match read.and_then(|config| Ok(fits_node(&config).map(|()| config)?)) {
            Ok(config) => config,
            Err(error) => {
                self.metrics.config_errors.inc();
                tracing::error!(error = %Chain(&error), "the configuration is refused; the old one stays in force");
                return;
            }
        };
        if config == self.read {
            if is_asked {
                tracing::info!("the configuration has not changed");
            }
            return;
        }
        self.read = config.clone();
        self.bring_into_force(config).await;
    }

    async fn bring_into_force(&mut self, config: Config) {
        let before = self.in_force.borrow().clone();
        let now = without_restart(&config, &before);
        if now != config {
            tracing::warn!("state, listen.socket, listen.http and metrics change with a restart");
        }
        if now.pool != before.pool {
            self.actor.configure(now.pool).await.ok();
        }
        let is_elsewhere = now.kubernetes != before.kubernetes;
        if is_elsewhere {
            self.cluster = Cluster::new(now.kubernetes.clone(), self.cluster.traffic().clone());
        }
        let asks_another = is_elsewhere && now.source.asks_cluster();
        if now.source != before.source || now.ranges != before.ranges || asks_another {
            self.asking.abort();
            self.actor.source_changed(now.source.kind()).await.ok();
            self.asking = self.source.start(&now, &self.cluster);
        }
        if now.routes != before.routes || is_elsewhere {
            self.routing.abort();
            self.routing = routes::start(now.routes, self.cluster.clone(), self.outlet.clone());
        }
        tracing::info!(source = now.source.kind(), "the configuration is in force");
        self.in_force.send_replace(now);
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.asking.abort();
    }
}

impl SourceEnds {
    fn start(&self, config: &Config, cluster: &Cluster) -> JoinHandle<()> {
        let (reports, needs) = (self.reports.clone(), self.needs.clone());
        source::start(&config.source, &config.ranges, cluster, reports, needs)
    }
}

/// What of a new configuration can hold in this life: sockets and state are those of the start.
fn without_restart(config: &Config, before: &Config) -> Config {
    let Listen { socket, http, .. } = before.listen.clone();
    Config {
        state: before.state.clone(),
        listen: Listen { socket, http, allow_uids: config.listen.allow_uids.clone() },
        metrics: before.metrics,
        ..config.clone()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(members: &str) -> Config {
        let source = "source: {kind: static, subnet: 10.1.0.0/16, ranges: [10.1.1.0/24]}";
        Config::parse(&format!("{members}\n{source}\n")).unwrap()
    }

    #[test]
    fn what_changes_with_a_restart_is_as_at_the_start_and_all_else_as_it_is_read() {
        let sockets = "state: /run/b\nmetrics: off\n";
        let before = parse("state: /run/a");
        let read = parse(&format!("{sockets}listen: {{http: '127.0.0.1:1', allowUids: [7]}}\nroutes: cloud"));
        let expected = parse("state: /run/a\nlisten: {allowUids: [7]}\nroutes: cloud");
        assert_eq!(without_restart(&read, &before), expected);
        assert_eq!(without_restart(&before, &before), before);
    }
}
