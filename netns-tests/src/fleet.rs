//! A cluster of thousands of nodes in memory, and what it takes the daemon to keep the routes to all of them.

use std::path::Path;
use std::time::{Duration, Instant};

use podnet_fake_apiserver::ApiServer;
use serde_json::{Value, json};

use crate::failure::{Context as _, Failure};
use crate::ipamd::Ipamd;
use crate::netns::Place;
use crate::wait;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Changes whose time is measured.
const UPDATES: u32 = 9;

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// From the daemon's start until the kernel has every route.
    pub first: Duration,
    /// Requests to the API server until then.
    pub requests: usize,
    /// Resident bytes after all.
    pub resident: u64,
    /// From a new Node until the kernel has the route to it; the median.
    pub update: Duration,
    /// The daemon's processor time for one change of a Node that changes no route.
    pub heartbeat: Duration,
    /// Requests to the API server for all changes together.
    pub requests_after: usize,
}

/// Measures with so many other nodes, fewer than 30,000. In a sandbox, whose only node this is.
pub fn measure(folder: &Path, nodes: u32) -> Result<Figures, Failure> {
    Place::Node.ip(&["link", "add", "up0", "type", "veth", "peer", "name", "network"])?;
    for link in ["network", "up0"] {
        Place::Node.ip(&["link", "set", link, "up"])?;
    }
    Place::Node.ip(&["addr", "add", "10.0.0.1/16", "dev", "up0"])?;
    let server = ApiServer::start()?;
    server.put(&path("own"), node(1));
    for number in 2..nodes + 2 {
        server.put(&path(&format!("node-{number}")), node(number));
    }
    std::fs::write(folder.join("kubeconfig"), server.kubeconfig())?;

    let begin = Instant::now();
    let daemon = Ipamd::start(
        folder,
        &format!(
            "source: {{kind: static, subnet: 10.128.1.0/24, ranges: [10.128.1.16/28]}}\nroutes: host-gw\n\
             kubernetes: {{kubeconfig: {}/kubeconfig, node: own}}\n",
            folder.display()
        ),
    )?;
    route_to(nodes + 1)?;
    let first = begin.elapsed();
    // The condition is written when the routes are there.
    wait::until(PATIENCE, "the condition NetworkUnavailable is cleared", || {
        let own = server.get(&path("own")).unwrap_or_default();
        Ok((own["status"]["conditions"].as_array().is_some_and(|all| all.len() > 1)).then_some(()))
    })?;
    let requests = server.requests().len();
    let there = Place::Node.ip(&["route", "show", "proto", "112"])?.lines().count();
    crate::ensure_eq!(there, usize::try_from(nodes)?, "routes");
    server.forget_requests();

    let cpu = daemon.cpu()?;
    for number in 2..nodes + 2 {
        server.edit(&path(&format!("node-{number}")), &heartbeat("2026-01-01T00:05:00Z"));
    }
    // What was said before this was heard before this.
    server.put(&path("last"), node(nodes + 2));
    route_to(nodes + 2)?;
    let heartbeat = daemon.cpu()?.saturating_sub(cpu) / nodes;

    let mut updates = Vec::new();
    for number in nodes + 3..nodes + 3 + UPDATES {
        // The rounds of the one before are over.
        std::thread::sleep(Duration::from_millis(300));
        let begin = Instant::now();
        server.put(&path(&format!("node-{number}")), node(number));
        route_to(number)?;
        updates.push(begin.elapsed());
    }
    updates.sort();
    let update = *updates.get(updates.len() / 2).doing("measure an update")?;
    let requests_after = server.requests().len();
    Ok(Figures { first, requests, resident: daemon.resident()?, update, heartbeat, requests_after })
}

fn path(name: &str) -> String {
    format!("/api/v1/nodes/{name}")
}

fn range_of(number: u32) -> String {
    format!("10.{}.{}.0/24", 128 + number / 256, number % 256)
}

/// Waits until the kernel has the route to a node's pods.
fn route_to(number: u32) -> Result<(), Failure> {
    let range = range_of(number);
    wait::until(PATIENCE, format_args!("a route to {range}"), || {
        let shown = Place::Node.ip(&["route", "show", &range])?;
        Ok((!shown.trim().is_empty()).then_some(()))
    })
}

/// A Node of the size that kubelet makes one of.
fn node(number: u32) -> Value {
    let image = |image: u32| {
        let names = [
            format!("registry.example.com/team-{image}/service@sha256:{:064x}", image * 7919 + number),
            format!("registry.example.com/team-{image}/service:v1.{image}.0"),
        ];
        json!({"names": names, "sizeBytes": 40_000_000 + image})
    };
    let mut node = json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "labels": {"kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux",
                "node.kubernetes.io/instance-type": "Standard_D4s_v5", "topology.kubernetes.io/zone": "1"},
            "annotations": {"node.alpha.kubernetes.io/ttl": "300"},
        },
        "spec": {"podCIDR": range_of(number), "podCIDRs": [range_of(number)]},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": format!("10.0.{}.{}", number / 256, number % 256)},
                {"type": "Hostname", "address": format!("node-{number}")},
            ],
            "capacity": {"cpu": "4", "memory": "16393244Ki", "pods": "110"},
            "images": (0..10).map(image).collect::<Vec<_>>(),
        },
    });
    if let (Some(status), Value::Object(fresh)) =
        (node["status"].as_object_mut(), heartbeat("2026-01-01T00:00:00Z")["status"].take())
    {
        status.extend(fresh);
    }
    node
}

/// What kubelet changes of its Node every five minutes.
fn heartbeat(at: &str) -> Value {
    let condition = json!({"type": "Ready", "status": "True", "reason": "KubeletReady",
        "message": "kubelet is posting ready status", "lastHeartbeatTime": at});
    json!({"status": {"conditions": [condition]}})
}
