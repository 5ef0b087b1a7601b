//! The node's address daemon: whether it answers, and what it cannot keep as it has to be on the node.

use std::time::Duration;

use podnet_cni::Args;
use podnet_cni::json::member;
use podnet_ipam_api::client::{Client, ClientError, Server};
use podnet_ipam_api::debug::Health;
use podnet_ipam_api::path::DEBUG_STATUS;
use serde_json::Value;

use super::finding::{Finding, Severity, quoted};
use super::node::Node;
use crate::error::chain;
use crate::ipam::{Daemon, Kind, Style};
use crate::tool::conf_dir::{ConfFile, kind};

mod health;

use health::Ailment;

/// A daemon that is well answers in a fraction of this.
const LIMIT: Duration = Duration::from_secs(2);

/// HTTP status "Not Found" (RFC 9110 section 15).
const NOT_FOUND: u16 = 404;

/// Asks every daemon that a configuration names, or the record of a pod, and the one that a configuration is awaited of.
pub(super) fn check(node: &Node) -> Vec<Finding> {
    let entries = node.files.iter().flat_map(ConfFile::entries);
    let recorded = node.records.iter().map(|record| &record.config);
    let awaited = node.awaited_daemon().map(|socket| Server::Socket(socket.to_owned()));
    let mut servers: Vec<Server> = Vec::new();
    for server in entries.chain(recorded).filter_map(server_of).chain(awaited) {
        if !servers.contains(&server) {
            servers.push(server);
        }
    }
    servers.iter().flat_map(|server| findings(server, ask(server))).collect()
}

/// The daemon that gives an entry's pods their addresses.
fn server_of(entry: &Value) -> Option<Server> {
    let name = member(entry, "ipam").and_then(kind)?;
    let named = Kind::named(name);
    if named.is_none() && name != "podnet-ipam" {
        return None;
    }
    let daemon = Daemon::of_config(entry, named, Style::Interface, &Args::default());
    daemon.ok().map(Daemon::into_server)
}

/// A CNS has no page of its state, and is well when it answers.
fn ask(server: &Server) -> Result<Health, ClientError> {
    let client = Client { server: server.clone(), limit: LIMIT, patience: Duration::ZERO };
    match client.get(DEBUG_STATUS) {
        Err(ClientError::Status { status: NOT_FOUND, .. }) => client.ready().map(|()| Health::default()),
        answer => answer,
    }
}

fn findings(server: &Server, answer: Result<Health, ClientError>) -> Vec<Finding> {
    let (name, show, restart) = match server {
        Server::Socket(path) => {
            let show = format!("podnet-ipamd status --socket {}", quoted(&path.to_string_lossy()));
            let restart = "systemctl restart podnet-ipamd || kubectl -n kube-system rollout restart daemonset podnet-ipamd";
            ("podnet-ipamd", show, restart)
        }
        Server::Tcp(_) => {
            let restart = "kubectl -n kube-system rollout restart daemonset azure-cns || systemctl restart podnet-ipamd";
            ("azure-cns", format!("curl -s {server}{DEBUG_STATUS}"), restart)
        }
    };
    let finding = |severity, problem, why: &str, fix: &str| Finding {
        severity,
        check: "daemon",
        object: format!("{name} at {server}"),
        problem,
        why: why.to_owned(),
        fix: fix.to_owned(),
    };
    match answer {
        Ok(health) => {
            let ailments = health::ailments(&health).into_iter();
            ailments.map(|Ailment(severity, problem, why)| finding(severity, problem, why, &show)).collect()
        }
        Err(error) => {
            let why = "no pod gets an address of it, and none is given back to it, until it answers";
            vec![finding(Severity::Error, chain(&error), why, restart)]
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn daemons_are_found_by_socket_and_by_url() {
        let server = |ipam: Value| {
            let entry = json!({"type": "bridge", "ipam": ipam, "cnsurl": "http://localhost:10091"});
            server_of(&entry).map(|server| server.to_string())
        };
        assert_eq!(server(json!({"type": "podnet-ipamd"})).as_deref(), Some("/run/podnet/ipamd.sock"));
        assert_eq!(server(json!({"type": "podnet-ipam", "socket": "/s"})).as_deref(), Some("/s"));
        assert_eq!(server(json!({"type": "azure-cns"})).as_deref(), Some("http://localhost:10091"));
        let by_url = json!({"type": "podnet-ipam", "url": "http://127.0.0.1:1/"});
        assert_eq!(server(by_url).as_deref(), Some("http://127.0.0.1:1"));
        assert_eq!(server(json!({"type": "host-local"})), None);
        let default = server_of(&json!({"type": "podnet", "ipam": {"type": "azure-cns"}}));
        assert_eq!(default.unwrap().to_string(), "http://localhost:10090");
        assert_eq!(server_of(&json!({"type": "portmap"})), None);
    }
}
