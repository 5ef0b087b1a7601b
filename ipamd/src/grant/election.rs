//! The Lease at the API server: read, judged and written.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use tokio::time::{sleep, timeout};

use super::lease::{Candidate, Seen, Verdict};
use super::object::NAMESPACE;
use crate::cluster::{Asked, Cluster, ClusterError};

/// The Lease.
const NAME: &str = "podnet-grant";

/// One that wants to lead.
#[derive(Debug)]
pub struct Election {
    cluster: Cluster,
    candidate: Candidate,
    duration: Duration,
    begin: Instant,
}

impl Election {
    /// `duration`: how long a silent leader is believed to be alive.
    pub fn new(cluster: Cluster, identity: String, duration: Duration) -> Self {
        Self { cluster, candidate: Candidate::new(identity), duration, begin: Instant::now() }
    }

    /// Between two looks at the Lease.
    pub fn interval(&self) -> Duration {
        self.duration / 3
    }

    /// Looks at the Lease once; whether this one leads now.
    pub async fn attempt(&mut self) -> Result<bool, ClusterError> {
        let read =
            self.cluster.request(asked("get"), |client| async move { api(client).get_opt(NAME).await });
        let lease = read.await?;
        let seen = lease.as_ref().map(seen);
        let name = self.candidate.identity().to_owned();
        let written = match self.candidate.judge(seen.as_ref(), self.begin.elapsed()) {
            Verdict::Wait => return Ok(false),
            Verdict::Create => {
                let lease = self.lease(None, name);
                let create = |client| async move { api(client).create(&PostParams::default(), &lease).await };
                self.cluster.request(asked("create"), create).await
            }
            Verdict::Take | Verdict::Renew => {
                let lease = self.lease(lease, name);
                self.write(lease).await
            }
        };
        match written {
            Ok(_) => Ok(true),
            Err(ClusterError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Renews the Lease as long as that goes well; why this one does not lead any more.
    pub async fn keep(&mut self) -> Option<ClusterError> {
        let mut renewed = Instant::now();
        loop {
            sleep(self.interval()).await;
            let begin = Instant::now();
            let patience = self.interval();
            match timeout(patience, self.attempt()).await {
                Ok(Ok(true)) => renewed = begin,
                Ok(Ok(false)) => return None,
                Ok(Err(error)) if renewed.elapsed() > patience * 2 => return Some(error),
                Err(_) if renewed.elapsed() > patience * 2 => {
                    return Some(ClusterError::TooSlow {
                        asked: asked("update"),
                        seconds: patience.as_secs(),
                    });
                }
                _ => {}
            }
        }
    }

    /// Lets another lead at once, if this one does.
    pub async fn release(&mut self) -> Result<(), ClusterError> {
        let read =
            self.cluster.request(asked("get"), |client| async move { api(client).get_opt(NAME).await });
        let lease = read.await?.filter(|lease| seen(lease).holder == self.candidate.identity());
        if let Some(lease) = lease {
            let lease = self.lease(Some(lease), String::new());
            self.write(lease).await?;
        }
        Ok(())
    }

    async fn write(&self, lease: Lease) -> Result<Lease, ClusterError> {
        let replace = |client| async move { api(client).replace(NAME, &PostParams::default(), &lease).await };
        self.cluster.request(asked("update"), replace).await
    }

    fn lease(&self, before: Option<Lease>, holder: String) -> Lease {
        let now = MicroTime(Timestamp::now());
        let Lease { metadata, spec } = before.unwrap_or_else(|| Lease {
            metadata: ObjectMeta {
                name: Some(NAME.to_owned()),
                namespace: Some(NAMESPACE.to_owned()),
                ..ObjectMeta::default()
            },
            spec: None,
        });
        let spec = spec.unwrap_or_default();
        let is_same = spec.holder_identity.as_ref() == Some(&holder);
        let transitions = spec.lease_transitions.unwrap_or_default();
        let spec = LeaseSpec {
            acquire_time: if is_same { spec.acquire_time } else { Some(now.clone()) },
            lease_transitions: Some(if is_same { transitions } else { transitions.saturating_add(1) }),
            holder_identity: Some(holder),
            lease_duration_seconds: i32::try_from(self.duration.as_secs()).ok(),
            renew_time: Some(now),
            ..spec
        };
        Lease { metadata, spec: Some(spec) }
    }
}

fn api(client: kube::Client) -> Api<Lease> {
    Api::namespaced(client, NAMESPACE)
}

fn asked(verb: &'static str) -> Asked {
    Asked {
        verb,
        group: "coordination.k8s.io",
        version: "v1",
        resource: "leases",
        object: format!("{NAMESPACE}/{NAME}"),
    }
}

fn seen(lease: &Lease) -> Seen {
    let spec = lease.spec.as_ref();
    let seconds = spec.and_then(|spec| spec.lease_duration_seconds).and_then(|it| u64::try_from(it).ok());
    Seen {
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
        holder: spec.and_then(|spec| spec.holder_identity.clone()).unwrap_or_default(),
        duration: Duration::from_secs(seconds.unwrap_or_default()),
    }
}
