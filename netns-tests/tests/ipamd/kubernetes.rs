//! The daemon on Kubernetes: its sources at an API server that is there, away, slow, and wrong.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use podnet_fake_apiserver::{ApiServer, Trouble, Where};
use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::ipamd::Ipamd;
use podnet_netns_tests::{ensure, ensure_eq, wait};
use serde_json::{Value, json};

use super::{Test, folder};

mod assigned;
mod conflist;

pub(super) const TESTS: &[Test] = &[
    ("kubernetes::the_nodes_ranges_are_waited_for", waited_for),
    ("kubernetes::an_api_server_that_ails_stops_nothing", ailing),
    ("kubernetes::a_restart_without_api_server_serves_the_recovered_pool", restart_without),
    ("kubernetes::nothing_is_asked_while_nothing_changes", idle),
    ("kubernetes::missing_rights_are_named", forbidden),
    ("kubernetes::a_node_network_config_grows_as_pods_come", assigned::grows),
    ("kubernetes::a_node_network_config_of_another_node_is_refused", assigned::refused),
    ("kubernetes::a_node_network_config_that_errs_harms_no_pod", assigned::errs),
    ("kubernetes::a_node_network_config_with_unknown_fields_serves", assigned::later),
    ("kubernetes::what_was_on_its_way_back_is_remembered_by_the_network", assigned::remembered),
    ("kubernetes::the_kubenet_list_follows_the_nodes_ranges", conflist::follows),
];

const METRICS: &str = "127.0.0.1:10092";

/// Far more than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

const NODE: &str = "/api/v1/nodes/n1";

/// A Node object.
fn node(uid: &str, ranges: &[&str]) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "uid": uid}, "spec": {"podCIDRs": ranges},
           "status": {"addresses": [{"type": "InternalIP", "address": "10.240.0.4"}]}})
}

/// An API server, and the daemon's configuration for it.
fn cluster(source: &str) -> Result<(ApiServer, String), Failure> {
    let server = ApiServer::start().doing("start an API server")?;
    fs::write("/run/kubeconfig", server.kubeconfig())?;
    let access = "kubernetes: {kubeconfig: /run/kubeconfig, node: n1}\nmetrics: '127.0.0.1:10092'\n";
    Ok((server, format!("{access}{source}pool: {{coolDown: 0s}}\n")))
}

fn status(daemon: &Ipamd) -> Result<Value, Failure> {
    daemon.get("/debug/status")?.json()
}

/// Waits until the source's trouble says so.
fn trouble(daemon: &Ipamd, words: &str) -> Outcome {
    let what = format!("the source's error says {words:?}");
    wait::until(PATIENCE, &what, || {
        let status = status(daemon)?;
        let error = status["source"]["error"].as_str().unwrap_or_default();
        Ok(error.contains(words).then_some(()))
    })
}

fn well(daemon: &Ipamd) -> Outcome {
    wait::until(PATIENCE, "the source is well", || {
        Ok(status(daemon)?["source"]["error"].is_null().then_some(()))
    })
}

fn waited_for() -> Outcome {
    let (server, config) = cluster("source: {kind: podCIDR}\n")?;
    let daemon = Ipamd::start(&folder()?, &config)?;
    trouble(&daemon, "Node n1 does not say what addresses there are: the API server does not have it")?;
    server.put(NODE, node("u1", &[]));
    trouble(&daemon, "the node has no range yet")?;
    let waiting = daemon.get("/readyz")?;
    ensure!(waiting.status == 503 && waiting.body.contains("the node has no range yet"), "{waiting:?}");
    server.edit(NODE, &json!({"spec": {"podCIDRs": ["10.244.1.0/24", "fd00:1::/120"]}}));
    daemon.ready()?;
    let grant = daemon.request("a")?.json()?;
    let addresses: Vec<_> = grant["podIPInfo"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|info| &info["PodIPConfig"]["IPAddress"])
        .collect();
    ensure_eq!(addresses, ["10.244.1.2", "fd00:1::2"], "one of each family");
    ensure_eq!(
        grant["podIPInfo"][0]["HostPrimaryIPInfo"]["PrimaryIP"],
        "10.240.0.4",
        "the node's own address"
    );
    Ok(())
}

fn ailing() -> Outcome {
    let (mut server, config) = cluster("source: {kind: podCIDR}\n")?;
    server.put(NODE, node("u1", &["10.244.1.0/24"]));
    let daemon = Ipamd::start(&folder()?, &config)?;
    daemon.ready()?;
    let pid = daemon.pid();
    let mut pods = 0;
    let mut pod = |daemon: &Ipamd| -> Outcome {
        pods += 1;
        daemon.request(&format!("pod-{pods}"))?.address().map(drop)
    };
    for (ill, words) in [
        (Trouble::Forbidden, "verbs [\"watch\"]"),
        (Trouble::Internal, "answers 500"),
        (Trouble::TooMany(1), "asked too much"),
    ] {
        server.trouble(ill, Where::default());
        server.end_watches();
        trouble(&daemon, words)?;
        pod(&daemon)?;
        server.calm();
        well(&daemon)?;
        // What the watch hears ends its pauses.
        server.edit(NODE, &json!({"metadata": {"labels": {"after": words}}}));
    }
    server.trouble(Trouble::Silent, Where::default());
    server.end_watches();
    pod(&daemon)?;
    server.calm();
    server.stop();
    trouble(&daemon, "no answer from the API server")?;
    pod(&daemon)?;
    ensure!(daemon.get("/readyz")?.status == 200, "ready without the API server");
    server.resume()?;
    well(&daemon)?;
    server.expire();
    server.edit(NODE, &json!({"spec": {"podCIDRs": ["10.244.1.0/24", "fd00:1::/120"]}}));
    wait::until(PATIENCE, "the second range", || {
        Ok((status(&daemon)?["pool"][1]["total"] == 254).then_some(()))
    })?;
    let metrics = podnet_netns_tests::ipamd::over_tcp(METRICS, METRICS, "GET", "/metrics", "")?.body;
    for expected in [
        "podnet_ipamd_kubernetes_requests_total{verb=\"watch\",resource=\"nodes\",outcome=\"403\"}",
        "outcome=\"429\"}",
        "outcome=\"none\"}",
        "podnet_ipamd_kubernetes_watch_age_seconds{resource=\"nodes\"}",
    ] {
        ensure!(metrics.contains(expected), "no {expected} among the metrics");
    }
    ensure_eq!(daemon.pid(), pid, "one process all the time");
    Ok(())
}

fn restart_without() -> Outcome {
    let (mut server, config) = cluster("source: {kind: podCIDR}\n")?;
    server.put(NODE, node("u1", &["10.244.1.0/24"]));
    let folder = folder()?;
    let daemon = Ipamd::start(&folder, &config)?;
    daemon.ready()?;
    let first = daemon.request("a")?;
    drop(daemon);
    server.stop();
    let daemon = Ipamd::start(&folder, &config)?;
    ensure_eq!(daemon.get("/readyz")?.status, 200, "ready from what it remembers");
    ensure_eq!(daemon.request("a")?.body, first.body, "the same answer, subnet and gateway too");
    let info = daemon.request("b")?.json()?["podIPInfo"][0].clone();
    ensure_eq!(info["PodIPConfig"]["PrefixLength"], 24, "the subnet of a new pod: {info}");
    ensure_eq!(info["NetworkContainerPrimaryIPConfig"]["GatewayIPAddress"], "10.244.1.1", "its gateway");
    trouble(&daemon, "cannot list nodes: no answer from the API server")?;
    server.resume()?;
    well(&daemon)?;
    ensure_eq!(status(&daemon)?["pool"][0]["assigned"], 2, "nothing lost");
    Ok(())
}

/// Also how soon it is ready, and what it takes.
fn idle() -> Outcome {
    let (server, config) = cluster("source: {kind: podCIDR}\n")?;
    server.put(NODE, node("u1", &["10.244.1.0/24"]));
    let begin = Instant::now();
    let daemon = Ipamd::start(&folder()?, &config)?;
    daemon.ready()?;
    let took = begin.elapsed();
    // A second on a quiet machine, with much to spare; this one may be busy.
    ensure!(took < Duration::from_secs(5), "ready after {took:?}");
    wait::until(PATIENCE, "the watch", || Ok((server.watching() == 1).then_some(())))?;
    server.forget_requests();
    std::thread::sleep(Duration::from_secs(8));
    let asked: Vec<_> =
        server.requests().iter().map(|request| (request.verb, request.query.clone())).collect();
    ensure!(asked.is_empty(), "asked while nothing happened: {asked:?}");
    let resident = daemon.resident()?;
    ensure!(resident <= 32 << 20, "{resident} bytes resident");
    Ok(())
}

fn forbidden() -> Outcome {
    let (server, config) = cluster("source: {kind: nodeNetworkConfig}\n")?;
    server.trouble(Trouble::Forbidden, Where::default());
    let daemon = Ipamd::start(&folder()?, &config)?;
    trouble(&daemon, "apiGroups [\"acn.azure.com\"], resources [\"nodenetworkconfigs\"], verbs [\"list\"]")?;
    server.calm();
    server.trouble(Trouble::NoSuchResource, Where::default());
    trouble(&daemon, "does not have nodenetworkconfigs in version \"v1alpha\" of \"acn.azure.com\"")?;
    let waiting = daemon.get("/readyz")?;
    ensure!(waiting.body.contains("CustomResourceDefinition"), "{waiting:?}");
    ensure!(!Path::new("/run/ipamd-test/state/conflist").exists(), "nothing else is made");
    Ok(())
}
