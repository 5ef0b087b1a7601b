use std::fs;
use std::path::PathBuf;

use kube::core::DynamicObject;
use podnet_fake_apiserver::{ApiServer, Trouble, Where};
use serde_json::json;
use tempfile::TempDir;

use super::*;

const NODE: &str = "/api/v1/nodes/n1";

/// A server with one node, and a way to it.
struct Stage {
    server: ApiServer,
    folder: TempDir,
}

impl Stage {
    fn new() -> Self {
        let server = ApiServer::start().unwrap();
        let folder = tempfile::tempdir().unwrap();
        server
            .put(NODE, json!({"apiVersion": "v1", "kind": "Node", "spec": {"podCIDRs": ["10.244.0.0/24"]}}));
        let stage = Self { server, folder };
        stage.write_kubeconfig();
        stage
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    fn write_kubeconfig(&self) {
        fs::write(self.path(), self.server.kubeconfig()).unwrap();
    }

    fn cluster(&self) -> Cluster {
        let access = config::Kubernetes { kubeconfig: Some(self.path()), node: Some("n1".to_owned()) };
        Cluster::new(access, Traffic::default())
    }

    fn watch(&self) -> Watch<DynamicObject> {
        Watch::start(self.cluster(), nodes())
    }

    fn count(&self, verb: &str) -> usize {
        self.server.requests().iter().filter(|request| request.verb == verb).count()
    }

    /// Until a watch is open, as often as one is wanted.
    async fn watched(&self) {
        while self.server.watching() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn nodes() -> Target {
    Target {
        group: "",
        version: "v1",
        resource: "nodes",
        namespace: None,
        name: Some("n1".to_owned()),
        page: 500,
    }
}

fn range_of(change: &Change<DynamicObject>) -> String {
    let object = match change {
        Change::All(objects) => objects.first().unwrap(),
        Change::Changed(object) | Change::Gone(object) => object,
        Change::Resumed => return "resumed".to_owned(),
    };
    object.data["spec"]["podCIDRs"][0].as_str().unwrap().to_owned()
}

async fn next(watch: &mut Watch<DynamicObject>) -> Result<String, String> {
    let news = timeout(Duration::from_mins(1), watch.next()).await.expect("nothing happened");
    news.map(|change| range_of(&change)).map_err(|error| error.to_string())
}

#[tokio::test]
async fn what_is_there_comes_first_and_then_each_change_of_one_object() {
    let stage = Stage::new();
    stage.server.put("/api/v1/nodes/n2", json!({"kind": "Node", "spec": {"podCIDRs": ["10.244.9.0/24"]}}));
    let mut watch = stage.watch();
    assert_eq!(next(&mut watch).await.unwrap(), "10.244.0.0/24");
    stage.watched().await;
    stage.server.edit("/api/v1/nodes/n2", &json!({"spec": {"podCIDRs": ["10.244.8.0/24"]}}));
    stage.server.edit(NODE, &json!({"spec": {"podCIDRs": ["10.244.1.0/24"]}}));
    assert_eq!(next(&mut watch).await.unwrap(), "10.244.1.0/24");
    assert_eq!((stage.count("list"), stage.count("watch")), (1, 1));
}

#[tokio::test]
async fn a_server_that_was_away_is_told_of_and_nothing_is_missed() {
    let mut stage = Stage::new();
    let mut watch = stage.watch();
    next(&mut watch).await.unwrap();
    stage.watched().await;
    stage.server.stop();
    let error = next(&mut watch).await.unwrap_err();
    assert!(error.starts_with("cannot watch nodes: "), "{error}");
    stage.server.edit(NODE, &json!({"spec": {"podCIDRs": ["10.244.1.0/24"]}}));
    stage.server.resume().unwrap();
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last| last != "10.244.1.0/24") {
        if let Ok(change) = next(&mut watch).await {
            seen.push(change);
        }
    }
    assert_eq!(seen, ["resumed", "10.244.1.0/24"]);
    assert_eq!(stage.count("list"), 1, "it resumed");
}

#[tokio::test]
async fn a_history_that_is_forgotten_is_listed_anew_without_an_error() {
    let stage = Stage::new();
    let mut watch = stage.watch();
    next(&mut watch).await.unwrap();
    stage.watched().await;
    stage.server.edit(NODE, &json!({"spec": {"podCIDRs": ["10.244.1.0/24"]}}));
    next(&mut watch).await.unwrap();
    stage.server.expire();
    assert_eq!(next(&mut watch).await.unwrap(), "10.244.1.0/24");
    assert_eq!(stage.count("list"), 2);
}

#[tokio::test]
async fn a_server_that_is_asked_too_much_is_left_alone_as_long_as_it_says() {
    let stage = Stage::new();
    stage.server.trouble(Trouble::TooMany(2), Where { times: Some(1), ..Where::default() });
    let mut watch = stage.watch();
    assert_eq!(next(&mut watch).await.unwrap_err(), "cannot list nodes: the API server is asked too much");
    next(&mut watch).await.unwrap();
    let lists: Vec<_> = stage.server.requests().iter().map(|request| request.at).collect();
    assert!(lists[1] - lists[0] >= Duration::from_secs(2), "{:?}", lists[1] - lists[0]);
}

#[tokio::test]
async fn an_error_says_which_verb_which_resource_and_what_to_do() {
    for (trouble, expected) in [
        (Trouble::Forbidden, "resources [\"nodes\"], verbs [\"list\"]"),
        (Trouble::Unauthorized, "cannot list nodes: the API server does not know this daemon's token"),
        (Trouble::NoSuchResource, "does not have nodes in version \"v1\" of \"\""),
        (Trouble::Internal, "answers 500: etcdserver: request timed out"),
    ] {
        let stage = Stage::new();
        stage.server.trouble(trouble, Where { times: Some(1), ..Where::default() });
        let mut watch = stage.watch();
        let error = next(&mut watch).await.unwrap_err();
        assert!(error.contains(expected), "{error}");
        assert_eq!(next(&mut watch).await.unwrap(), "10.244.0.0/24", "after {expected}");
    }
}

#[tokio::test]
async fn a_token_that_was_rotated_is_read_again() {
    let stage = Stage::new();
    let mut watch = stage.watch();
    next(&mut watch).await.unwrap();
    stage.server.require_token(Some("new"));
    stage.server.end_watches();
    let error = next(&mut watch).await.unwrap_err();
    assert!(error.contains("token"), "{error}");
    stage.write_kubeconfig();
    while next(&mut watch).await.is_err() {}
}

#[tokio::test]
async fn a_server_that_ends_every_watch_at_once_is_not_asked_without_pause() {
    let stage = Stage::new();
    let mut watch = stage.watch();
    next(&mut watch).await.unwrap();
    let end = std::time::Instant::now() + Duration::from_secs(3);
    while std::time::Instant::now() < end {
        stage.server.end_watches();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Pauses of at least 250, 500, 1,000 and 2,000 ms.
    assert!(stage.count("watch") <= 5, "{} watches", stage.count("watch"));
}

#[tokio::test]
async fn what_cannot_be_a_way_to_a_server_is_named() {
    let access = config::Kubernetes { kubeconfig: Some("/nowhere/kubeconfig".into()), node: None };
    let error = Cluster::new(access, Traffic::default()).client().await.err().unwrap().to_string();
    assert!(error.contains("/nowhere/kubeconfig"), "{error}");
}
