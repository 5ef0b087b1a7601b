//! What the manifests let it do is what it does: no less, no more.

use std::collections::BTreeSet;

use podnet_fake_apiserver::{Request, Right};
use serde_json::{Value, json};

use crate::stage::{OBJECTS, Stage, wait_until};

const ACCESS: &str = include_str!("../../../conf/kubernetes/grant/access.yaml");

fn granted() -> BTreeSet<Right> {
    let objects: Vec<Value> = serde_saphyr::from_multiple(ACCESS).unwrap();
    let rights = |role: &Value| {
        let namespace = role["metadata"]["namespace"].as_str().map(str::to_owned);
        let rules = role["rules"].as_array().cloned().unwrap_or_default();
        rules.into_iter().flat_map(move |rule| Right::of_rule(namespace.as_deref(), &rule))
    };
    objects.iter().flat_map(rights).collect()
}

#[test]
fn it_does_at_the_api_server_exactly_what_its_rules_let_it() {
    let stage = Stage::new(
        "mode: vnet\nleaseDuration: 3s\nrest: 1s\nscaler: {batchSize: 4, maxIPs: 8}\nsubnets: [{name: pods, cidr: 10.241.0.0/27}]\n",
    );
    let granted = granted();
    let used = || stage.server.requests().iter().map(Request::right).collect::<BTreeSet<Right>>();
    stage.boot("n1");
    let _controller = stage.controller("one");
    wait_until("n1 has its first batch", || stage.assigned("n1").len() == 4);
    stage.ask("n1", 8, &[]);
    wait_until("n1 has eight", || stage.assigned("n1").len() == 8);
    let given_back: Vec<String> = stage.assigned("n1").into_values().take(3).collect();
    stage.ask("n1", 5, &given_back);
    wait_until("three are taken back", || stage.assigned("n1").len() == 5);
    // A status that is lost is made again of the ledger, which is read for that.
    stage.server.edit(&format!("{OBJECTS}/n1"), &json!({"status": {"networkContainers": []}}));
    wait_until("n1 has its five again", || stage.assigned("n1").len() == 5);
    stage.remove("n1");
    // What it had is struck out, and so others may have it.
    stage.boot("n2");
    wait_until("n2 has its first batch", || stage.assigned("n2").len() == 4);
    wait_until(&format!("each of {granted:?} is used"), || granted.is_subset(&used()));
    assert_eq!(used(), granted, "used, and granted");
}
