//! What a plugin answered: the result or the error object, read without any code of the plugin's own.

use std::net::IpAddr;

use serde::Deserialize;
use serde_json::Value;

use crate::failure::{Context as _, Failure};
use crate::process::Finished;

/// A CNI error object.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CniError {
    /// The number of the error.
    pub code: u32,
    /// What failed on which object.
    pub msg: String,
    /// The cause.
    #[serde(default)]
    pub details: String,
}

impl CniError {
    /// Whether message or details contain the text.
    pub fn names(&self, text: &str) -> bool {
        self.msg.contains(text) || self.details.contains(text)
    }
}

/// The reply of a verb that has none when it succeeds: exit code 0 and nothing on standard output.
pub fn silence(finished: Finished) -> Result<(), Failure> {
    let shown = finished.to_string();
    let stdout = finished.success()?;
    crate::ensure!(stdout.is_empty(), "unexpected output of {shown}");
    Ok(())
}

/// The reply of ADD: exactly one JSON object on standard output.
pub fn result(finished: Finished) -> Result<Added, Failure> {
    let shown = finished.to_string();
    let value = serde_json::from_str(&finished.success()?).doing(&shown)?;
    Ok(Added(value))
}

/// The reply of a verb that failed: exit code 1 and one error object with a message on standard output.
pub fn error(finished: &Finished) -> Result<CniError, Failure> {
    crate::ensure_eq!(finished.status.code(), Some(1), "exit code of a failure, {finished}");
    let error: CniError = serde_json::from_str(&finished.stdout).doing(finished)?;
    crate::ensure!(!error.msg.is_empty(), "an error without a message: {finished}");
    Ok(error)
}

/// A result of any configuration version.
#[derive(Debug, Clone, PartialEq)]
pub struct Added(pub Value);

impl Added {
    /// The pod's addresses with their prefix lengths, as text, in the result's order.
    pub fn cidrs(&self) -> Vec<String> {
        let old = ["ip4", "ip6"].iter().filter_map(|family| self.0.get(family)?.get("ip"));
        let new = self.0["ips"].as_array().into_iter().flatten().filter_map(|ip| ip.get("address"));
        old.chain(new).filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// The pod's addresses.
    pub fn addresses(&self) -> Result<Vec<IpAddr>, Failure> {
        let bare = |cidr: String| cidr.split('/').next().unwrap_or_default().parse::<IpAddr>().doing(&cidr);
        let addresses = self.cidrs().into_iter().map(bare).collect::<Result<Vec<_>, _>>()?;
        crate::ensure!(!addresses.is_empty(), "no address in {}", self.0);
        Ok(addresses)
    }

    /// The name of interface `index` of the result: 0 the bridge, 1 the pod's link on the node, 2 the pod's own.
    pub fn interface(&self, index: usize) -> Result<&str, Failure> {
        self.0["interfaces"][index]["name"].as_str().doing(format_args!("interface {index} of {}", self.0))
    }
}
