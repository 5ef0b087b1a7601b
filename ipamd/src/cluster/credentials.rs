//! Who the daemon is for the API server, where that is, and which node this is.

use std::env;

use kube::Client;
use kube::client::ClientBuilder;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};

use super::error::ClusterError;
use super::traffic::Traffic;
use crate::config::Kubernetes;

/// A client from the configured kubeconfig, else from the pod's service account.
pub(super) async fn client(access: &Kubernetes, traffic: Traffic) -> Result<Client, ClusterError> {
    let mut config = match &access.kubeconfig {
        Some(path) => {
            let wrong = |says: String| ClusterError::Credentials { place: path.display().to_string(), says };
            let file = Kubeconfig::read_from(path).map_err(|error| wrong(error.to_string()))?;
            let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
            config.map_err(|error| wrong(error.to_string()))?
        }
        None => Config::incluster_env().map_err(|error| ClusterError::Credentials {
            place: "the service account of this pod (kubernetes.kubeconfig names none)".to_owned(),
            says: error.to_string(),
        })?,
    };
    // Whoever asks waits as Retry-After says and no request is repeated behind its back.
    config.default_retry = false;
    let place = config.cluster_url.to_string();
    let builder = ClientBuilder::try_from(config)
        .map_err(|error| ClusterError::Credentials { place, says: error.to_string() })?;
    Ok(builder.with_layer(&traffic).build())
}

/// As configured, else as the pod's environment says, else as kubelet names nodes by default: the host's name in lower case.
pub(super) fn node_name(access: &Kubernetes) -> String {
    let of_environment = || ["NODE_NAME", "NODENAME"].into_iter().find_map(|name| env::var(name).ok());
    let of_host = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = access.node.clone().or_else(of_environment).or_else(of_host).unwrap_or_default();
    name.trim().to_lowercase()
}
