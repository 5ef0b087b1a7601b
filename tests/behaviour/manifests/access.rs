//! What each overlay lets the daemon do at the API server is what the daemon does there with that overlay's configuration: no less,
//! no more. And README says it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use podnet_fake_apiserver::{ApiServer, Request, Right};
use podnet_tests::{Ipamd, workspace};
use serde_json::{Value, json};

use super::{OVERLAYS, documents, folder, objects, of_kind, texts};

/// Far more than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

const NODE: &str = "/api/v1/nodes/n1";
const OBJECT: &str = "/apis/acn.azure.com/v1alpha/namespaces/kube-system/nodenetworkconfigs/n1";

/// The rules of the roles that are bound to the daemon's account, each with its role's namespace.
fn rules(objects: &[Value]) -> Vec<(Option<String>, Value)> {
    let mut rules = Vec::new();
    for (binding, role) in [("ClusterRoleBinding", "ClusterRole"), ("RoleBinding", "Role")] {
        for binding in of_kind(objects, binding) {
            assert_eq!(binding["subjects"][0]["name"], "podnet-ipamd");
            let mut bound = of_kind(objects, role);
            bound.retain(|role| role["metadata"]["name"] == binding["roleRef"]["name"]);
            assert_eq!(bound.len(), 1, "{binding}");
            let namespace = binding["metadata"]["namespace"].as_str().map(str::to_owned);
            let of_role = bound[0]["rules"].as_array().unwrap().iter();
            rules.extend(of_role.map(|rule| (namespace.clone(), rule.clone())));
        }
    }
    rules
}

fn used(server: &ApiServer) -> BTreeSet<Right> {
    server.requests().iter().map(Request::right).collect()
}

/// A cluster of this one node, which has a range, a `NodeNetworkConfig` that can grow, and a condition that wants to be cleared.
fn cluster() -> ApiServer {
    let server = ApiServer::start().unwrap();
    server.put(
        NODE,
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "uid": "u1"},
            "spec": {"podCIDRs": ["198.51.100.0/24"]},
            "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.4"}],
                "conditions": [{"type": "NetworkUnavailable", "status": "True"}]}}),
    );
    server.put(
        OBJECT,
        json!({"apiVersion": "acn.azure.com/v1alpha", "kind": "NodeNetworkConfig",
            "metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "u1"}]},
            "status": {"scaler": {"batchSize": 4, "maxIPCount": 12}, "networkContainers": [
                {"id": "nc", "subnetAddressSpace": "198.51.100.0/24", "nodeIP": "192.0.2.4"}]}}),
    );
    server
}

/// Waits for it; whether it came.
fn in_time(is_so: impl Fn() -> bool) -> bool {
    let begin = Instant::now();
    while !is_so() {
        if begin.elapsed() > PATIENCE {
            return false;
        }
        sleep(Duration::from_millis(20));
    }
    true
}

#[test]
fn the_daemon_does_at_the_api_server_exactly_what_its_overlay_lets_it() {
    for overlay in OVERLAYS {
        let overlay_folder = folder("overlays").join(overlay);
        let rules = rules(&objects(&overlay_folder));
        let granted: BTreeSet<Right> =
            rules.iter().flat_map(|(namespace, rule)| Right::of_rule(namespace.as_deref(), rule)).collect();
        let mut config = documents(&overlay_folder.join("ipamd.yaml")).remove(0);
        // The machine's own folder, which is none of the API server's business.
        config.as_object_mut().unwrap().remove("conflist");
        let server = cluster();
        let daemon = Ipamd::in_cluster(config, &server.kubeconfig()).unwrap();
        let is_all_used = in_time(|| granted.is_subset(&used(&server)));
        assert!(is_all_used, "{overlay}: of {granted:?} only {:?} are used", used(&server));
        // And after a watch that cannot go on.
        let lists = || server.requests().iter().filter(|request| request.verb == "list").count();
        let before = lists();
        server.expire();
        server.end_watches();
        assert!(in_time(|| lists() > before), "{overlay}: no list after 410");
        assert_eq!(used(&server), granted, "{overlay}: used, and granted");
        drop(daemon);
    }
}

#[test]
fn readme_says_what_each_overlay_lets_the_daemon_do() {
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
    for overlay in OVERLAYS {
        let mut rights = String::new();
        for (_, rule) in rules(&objects(&folder("overlays").join(overlay))) {
            let separator = if rights.is_empty() { "" } else { "; " };
            let (resources, verbs) =
                (texts(&rule["resources"]).join("`, `"), texts(&rule["verbs"]).join(", "));
            write!(rights, "{separator}`{resources}`: {verbs}").unwrap();
        }
        let row = readme
            .lines()
            .find(|line| line.starts_with(&format!("| `{overlay}` |")) && line.contains("| mode "));
        assert!(row.unwrap().ends_with(&format!("| {rights} |")), "{overlay}: {rights}");
    }
}
