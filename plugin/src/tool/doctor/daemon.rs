//! The node's address daemon: whether it answers, and what it cannot keep as it has to be on the node.

use std::time::Duration;

use podnet_cni::json::member;
use podnet_ipam_api::client::{Client, ClientError, Server};
use podnet_ipam_api::debug::Health;
use podnet_ipam_api::path::DEBUG_STATUS;
use serde_json::Value;

use super::finding::{Finding, Severity, quoted};
use super::node::Node;
use crate::error::chain;
use crate::ipam::DEFAULT_SOCKET;
use crate::tool::conf_dir::{ConfFile, kind};

mod health;

use health::Ailment;

/// A daemon that is well answers in a fraction of this.
const LIMIT: Duration = Duration::from_secs(2);

/// Asks every daemon that a configuration names.
pub(super) fn check(node: &Node) -> Vec<Finding> {
    let mut sockets: Vec<&str> =
        node.files.iter().flat_map(ConfFile::entries).filter_map(socket_of).collect();
    sockets.sort_unstable();
    sockets.dedup();
    sockets.into_iter().flat_map(|socket| findings(socket, ask(socket))).collect()
}

/// The socket of the daemon that gives an entry's pods their addresses.
fn socket_of(entry: &Value) -> Option<&str> {
    let ipam =
        member(entry, "ipam").filter(|ipam| matches!(kind(ipam), Some("podnet-ipamd" | "podnet-ipam")))?;
    let socket = member(ipam, "socket").and_then(Value::as_str).filter(|socket| !socket.is_empty());
    Some(socket.unwrap_or(DEFAULT_SOCKET))
}

fn ask(socket: &str) -> Result<Health, ClientError> {
    let client = Client { server: Server::Socket(socket.into()), limit: LIMIT, patience: Duration::ZERO };
    client.get(DEBUG_STATUS)
}

fn findings(socket: &str, answer: Result<Health, ClientError>) -> Vec<Finding> {
    let finding = |severity, problem, why: &str, fix| Finding {
        severity,
        check: "daemon",
        object: format!("podnet-ipamd at {socket}"),
        problem,
        why: why.to_owned(),
        fix,
    };
    match answer {
        Ok(health) => {
            let show = format!("podnet-ipamd status --socket {}", quoted(socket));
            let ailments = health::ailments(&health).into_iter();
            ailments
                .map(|Ailment(severity, problem, why)| finding(severity, problem, why, show.clone()))
                .collect()
        }
        Err(error) => {
            let (problem, fix) = (chain(&error), "systemctl restart podnet-ipamd".to_owned());
            vec![finding(Severity::Error, problem, "pods get no addresses until it answers", fix)]
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_sockets_of_daemons_are_found() {
        let socket = |ipam: Value| socket_of(&json!({"type": "bridge", "ipam": ipam})).map(str::to_owned);
        assert_eq!(socket(json!({"type": "podnet-ipamd"})).as_deref(), Some("/run/podnet/ipamd.sock"));
        assert_eq!(socket(json!({"type": "podnet-ipam", "socket": "/s"})).as_deref(), Some("/s"));
        assert_eq!(socket(json!({"type": "host-local"})), None);
        assert_eq!(socket_of(&json!({"type": "portmap"})), None);
    }
}
