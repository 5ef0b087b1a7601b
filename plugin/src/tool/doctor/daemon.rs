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
    let show = || format!("podnet-ipamd status --socket {}", quoted(socket));
    let Health { not_ready, node_rules, subnet_routes } = match answer {
        Ok(health) => health,
        Err(error) => {
            let (problem, fix) = (chain(&error), "systemctl restart podnet-ipamd".to_owned());
            return vec![finding(Severity::Error, problem, "pods get no addresses until it answers", fix)];
        }
    };
    let unready = not_ready.map(|reason| {
        finding(Severity::Error, format!("it is not ready: {reason}"), "the next pod gets no address", show())
    });
    let rules = node_rules.and_then(|rules| rules.error).map(|error| {
        let problem = format!("table inet podnet-node: {error}");
        let why = "pods may not reach the metadata service and Azure's DNS server, or what is closed to them";
        finding(Severity::Error, problem, why, show())
    });
    let routes = subnet_routes.and_then(|routes| routes.error).map(|error| {
        let problem = format!("routes to the pods' subnets: {error}");
        finding(Severity::Warning, problem, "pods of other nodes are asked for elsewhere", show())
    });
    unready.into_iter().chain(rules).chain(routes).collect()
}

#[cfg(test)]
mod tests {
    use podnet_ipam_api::debug::Upkeep;
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

    #[test]
    fn what_the_daemon_says_is_wrong_is_found() {
        let problems = |health| -> Vec<String> {
            findings("/s", Ok(health)).into_iter().map(|finding| finding.problem).collect()
        };
        assert_eq!(problems(Health::default()), Vec::<String>::new());
        let well = Health { node_rules: Some(Upkeep::of(None)), ..Health::default() };
        assert_eq!(problems(well), Vec::<String>::new());
        let bad = |words: &str| Some(Upkeep::of(Some(words.to_owned())));
        let ill = Health {
            not_ready: Some("no addresses yet".to_owned()),
            node_rules: bad("nft is not in PATH"),
            subnet_routes: bad("no gateway"),
        };
        assert_eq!(
            problems(ill),
            [
                "it is not ready: no addresses yet",
                "table inet podnet-node: nft is not in PATH",
                "routes to the pods' subnets: no gateway"
            ]
        );
    }
}
