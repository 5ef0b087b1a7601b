//! The Kubernetes API server as this daemon sees it: away at times, and then nothing stops.
//!
//! ```text
//!  credentials ──▶ client ◀── request: one verb, one resource, in time ──▶ answer or ClusterError
//!                    ▲  └──── Watch: list, then changes, for ever ───────▶ Change or ClusterError
//!                    └─ Traffic: counts every request, heeds Retry-After
//! ```
//!
//! Nothing is asked before it is needed, and the credentials are read again after a connection that failed and after a token
//! that was refused: a rotated certificate or token needs no restart. Every error says which verb on which resource it was,
//! and what to do where that is known.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::timeout;

use crate::config;

mod credentials;
mod error;
mod pace;
mod traffic;
mod watch;

pub use error::{Asked, ClusterError};
pub use pace::Pace;
pub use traffic::{RequestLabels, Traffic};
pub use watch::{Change, Target, Versioned, Watch};

/// A request that is not a watch has this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// The way to the API server, and the name of this node. Clones are the same.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    access: config::Kubernetes,
    node: String,
    traffic: Traffic,
    client: Mutex<Option<kube::Client>>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Cluster").field("access", &self.0.access).field("node", &self.0.node).finish()
    }
}

impl Cluster {
    /// A way that nobody has gone yet. `traffic` counts what is asked.
    pub fn new(access: config::Kubernetes, traffic: Traffic) -> Self {
        let node = credentials::node_name(&access);
        Self(Arc::new(Inner { access, node, traffic, client: Mutex::default() }))
    }

    /// The name of this node's Node object.
    pub fn node(&self) -> &str {
        &self.0.node
    }

    /// What was asked so far.
    pub fn traffic(&self) -> &Traffic {
        &self.0.traffic
    }

    /// The client; made where there is none.
    pub async fn client(&self) -> Result<kube::Client, ClusterError> {
        if let Some(client) = self.slot().clone() {
            return Ok(client);
        }
        let client = credentials::client(&self.0.access, self.0.traffic.clone()).await?;
        *self.slot() = Some(client.clone());
        Ok(client)
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<kube::Client>> {
        self.0.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One request, made with the client and in time.
    ///
    /// # Arguments
    /// `asked`: what it is, for errors.
    pub async fn request<T, F>(
        &self,
        asked: Asked,
        request: impl FnOnce(kube::Client) -> F,
    ) -> Result<T, ClusterError>
    where
        F: Future<Output = kube::Result<T>>,
    {
        let client = self.client().await?;
        let answer = match timeout(PATIENCE, request(client)).await {
            Ok(answer) => answer.map_err(|error| ClusterError::of(asked, error)),
            Err(_) => Err(ClusterError::TooSlow { asked, seconds: PATIENCE.as_secs() }),
        };
        answer.inspect_err(|error| self.doubt(error))
    }

    /// After an error that other credentials may mend, the next request reads them again.
    fn doubt(&self, error: &ClusterError) {
        if error.may_be_credentials() {
            *self.slot() = None;
        }
    }
}

#[cfg(test)]
mod tests;
