//! Mode kubenet on Kubernetes: the list has the node's ranges, and the plugin keeps the addresses itself.

use std::fs;

use podnet_netns_tests::cnitool::Cnitool;
use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::ipamd::Ipamd;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::Pod;
use podnet_netns_tests::tools::{self, CnitoolVersion};
use podnet_netns_tests::{ensure, ensure_eq, probe, wait};
use serde_json::{Value, json};

use super::{NODE, PATIENCE, cluster, node};
use crate::ipamd::folder;

const CONFLIST: &str = "/run/net.d/10-podnet.conflist";

/// The list, once it has these ranges.
fn list(ranges: &Value) -> Result<Value, Failure> {
    wait::until(PATIENCE, "the conflist with the node's ranges", || {
        let Ok(text) = fs::read(CONFLIST) else { return Ok(None) };
        let list: Value = serde_json::from_slice(&text)?;
        Ok((list["plugins"][0]["ipam"]["ranges"] == *ranges).then_some(list))
    })
}

fn tool(list: &Value) -> Result<Cnitool, Failure> {
    let podnet = tools::podnet()?;
    Cnitool::load(CnitoolVersion::V1_3_1, list, podnet.parent().doing("find the plugin's folder")?)
}

fn address(result: &str) -> Result<String, Failure> {
    let result: Value = serde_json::from_str(result)?;
    Ok(result["ips"][0]["address"].as_str().unwrap_or_default().to_owned())
}

pub(super) fn follows() -> Outcome {
    let source = "source: {kind: podCIDR}\nconflist: {path: /run/net.d/10-podnet.conflist, template: kubenet-host-local}\n";
    let (server, config) = cluster(source)?;
    server.put(NODE, node("u1", &[]));
    let daemon = Ipamd::start(&folder()?, &config)?;
    super::trouble(&daemon, "the node has no range yet")?;
    ensure!(!std::path::Path::new(CONFLIST).exists(), "a list without a range");
    server.edit(NODE, &json!({"spec": {"podCIDRs": ["10.244.1.0/24"]}}));
    let first = tool(&list(&json!([[{"subnet": "10.244.1.0/24"}]]))?)?;
    let old = Pod::create("old")?;
    ensure_eq!(address(&first.run("add", &old)?.success()?)?, "10.244.1.2/24", "of the node's range");

    server.edit(NODE, &json!({"spec": {"podCIDRs": ["10.244.7.0/24"]}}));
    let second = tool(&list(&json!([[{"subnet": "10.244.7.0/24"}]]))?)?;
    let new = Pod::create("new")?;
    ensure_eq!(address(&second.run("add", &new)?.success()?)?, "10.244.7.2/24", "of the node's other range");
    // The pods reach each other and the node, both as before.
    for (from, to, address) in [
        (Place::from(&old), Place::Node, "10.244.1.1"),
        (Place::from(&new), Place::Node, "10.244.7.1"),
        (Place::from(&old), Place::from(&new), "10.244.7.2"),
        (Place::from(&new), Place::from(&old), "10.244.1.2"),
    ] {
        probe::reach(from, to, address.parse()?, PATIENCE)?;
    }
    first.run("check", &old)?.success()?;
    second.run("del", &old)?.success()?;
    second.run("del", &new)?.success()?;
    ensure!(
        !std::path::Path::new("/var/lib/cni/networks/kubenet/10.244.1.2").exists(),
        "a reservation is left"
    );
    daemon.ready()
}
