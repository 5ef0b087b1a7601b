//! The operator's side: what the command prints.
//!
//! Everything but `check-config` asks the running daemon over its socket, so that what is shown is what is.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use podnet_ipam_api::client::{Client, ClientError, Server};
use podnet_ipam_api::{IpConfigsRequest, PodRef, path};
use serde_json::Value;

use crate::actor::view::{PodStatus, Status};
use crate::cleanup::{self, CleanupError};
use crate::config::{Config, ConfigError};

mod table;

/// Why an operator's command was not done.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The configuration file cannot be read.
    #[error(transparent)]
    Config(ConfigError),
    /// The configuration is wrong; each line is one thing, `FILE:LINE: MEMBER: …`.
    #[error("the configuration is wrong")]
    Invalid(Vec<String>),
    /// The daemon was not reached, or said no.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Nobody of that name holds anything.
    #[error("{0} holds no address")]
    Nobody(Whose),
    /// What the daemon keeps on the node cannot be removed.
    #[error(transparent)]
    Cleanup(#[from] CleanupError),
    /// The answer cannot be printed.
    #[error("the daemon's answer cannot be printed")]
    Print(#[source] serde_json::Error),
}

/// Whose addresses are to be freed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// A container's, by its ID.
    Container(String),
    /// A pod's, as `NAMESPACE/NAME`.
    Pod(String),
    /// Whoever holds this one.
    Address(IpAddr),
}

impl std::fmt::Display for Whose {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Container(id) => write!(formatter, "container {id}"),
            Self::Pod(name) => write!(formatter, "pod {name}"),
            Self::Address(address) => write!(formatter, "nobody at {address}"),
        }
    }
}

/// Checks a configuration; what is said where nothing is wrong.
pub fn check_config(path: &Path) -> Result<String, AdminError> {
    match Config::read(path) {
        Ok(config) => Ok(format!("{}: good, source {}\n", path.display(), config.source.kind())),
        Err(ConfigError::Invalid { path, problems }) => {
            let line = |problem: &crate::config::Problem| {
                let separator = if problem.field.is_empty() { "" } else { ": " };
                format!("{}:{}: {}{separator}{}", path.display(), problem.line, problem.field, problem.says)
            };
            Err(AdminError::Invalid(problems.iter().map(line).collect()))
        }
        Err(error) => Err(AdminError::Config(error)),
    }
}

fn client(socket: &Path) -> Client {
    let server = Server::Socket(PathBuf::from(socket));
    Client { server, limit: Duration::from_secs(10), patience: Duration::ZERO }
}

/// The running daemon's status.
pub fn status(socket: &Path, as_json: bool) -> Result<String, AdminError> {
    let status: Status = client(socket).get(path::DEBUG_STATUS)?;
    if as_json {
        return Ok(serde_json::to_string_pretty(&status).map_err(AdminError::Print)? + "\n");
    }
    Ok(table::of(&status))
}

/// Everything in the running daemon's memory.
pub fn dump(socket: &Path) -> Result<String, AdminError> {
    let client = client(socket);
    let mut everything: Value = client.get(path::DEBUG_REST_DATA)?;
    everything["Status"] = client.get(path::DEBUG_STATUS)?;
    Ok(serde_json::to_string_pretty(&everything).map_err(AdminError::Print)? + "\n")
}

/// Frees what somebody holds.
pub fn release(socket: &Path, whose: &Whose) -> Result<String, AdminError> {
    let client = client(socket);
    let status: Status = client.get(path::DEBUG_STATUS)?;
    let held: Vec<&PodStatus> = status.pods.iter().filter(|pod| whose.is(pod)).collect();
    if held.is_empty() {
        return Err(AdminError::Nobody(whose.clone()));
    }
    let mut said = String::new();
    for pod in held {
        client.release_ips(&request(pod))?;
        let addresses: Vec<String> = pod.addresses.iter().map(ToString::to_string).collect();
        said.extend([&*addresses.join(" "), ": released by ", &pod.namespace, "/", &pod.pod, "\n"]);
    }
    Ok(said)
}

/// Removes what the daemon keeps on the node for all pods, and says what that was.
pub fn cleanup(path: &Path) -> Result<String, AdminError> {
    let config = Config::read(path).map_err(AdminError::Config)?;
    let removed = cleanup::cleanup(&config.state)?;
    let said: String = removed.iter().flat_map(|what| ["removed ", what, "\n"]).collect();
    Ok(if said.is_empty() { "nothing to remove\n".to_owned() } else { said })
}

impl Whose {
    fn is(&self, pod: &PodStatus) -> bool {
        match self {
            Self::Container(id) => pod.container == *id,
            Self::Pod(name) => *name == format!("{}/{}", pod.namespace, pod.pod),
            Self::Address(address) => pod.addresses.contains(address),
        }
    }
}

/// The release of exactly this attachment. One that was found in the kernel has no pod's name, which the contract wants.
fn request(pod: &PodStatus) -> IpConfigsRequest {
    let or_unknown = |name: &str| if name.is_empty() { "unknown".to_owned() } else { name.to_owned() };
    let context = PodRef { pod_name: or_unknown(&pod.pod), pod_namespace: or_unknown(&pod.namespace) };
    IpConfigsRequest {
        infra_container_id: pod.container.clone(),
        ifname: pod.interface.clone(),
        orchestrator_context: context.to_context(),
        ..IpConfigsRequest::default()
    }
}
