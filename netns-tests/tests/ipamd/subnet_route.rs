//! The route to the pods' subnet by the gateway of the node's: kept, its own only, and gone when nobody asks for it.

use std::path::Path;
use std::time::Duration;

use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::ipamd::Ipamd;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::process::{command, run};
use podnet_netns_tests::{ensure, ensure_eq, tools, wait};
use serde_json::{Value, json};

use super::{Test, folder};

pub(super) const TESTS: &[Test] = &[
    ("subnet_route::is_azures_and_kept", kept),
    ("subnet_route::outlives_the_daemon_until_cleanup", outlives),
    ("subnet_route::a_route_of_others_stays", others),
];

/// The daemon looks every ten seconds.
const PATIENCE: Duration = Duration::from_secs(30);

const SUBNET: &str = "10.241.0.0/16";

/// The node's link, with a default route by its gateway.
fn node() -> Outcome {
    for words in [
        &["link", "add", "eth0", "type", "bridge"][..],
        &["addr", "add", "10.224.0.4/16", "dev", "eth0"],
        &["link", "set", "eth0", "up"],
        &["route", "add", "default", "via", "10.224.0.1"],
    ] {
        Place::Node.ip(words)?;
    }
    Ok(())
}

fn config(is_asked: bool) -> String {
    format!(
        "source: {{kind: static, subnet: {SUBNET}, nodeIP: 10.224.0.4, ranges: [10.241.1.0/24]}}\n\
         nodeRules: {{subnetRoute: {is_asked}}}\n"
    )
}

/// The routes to the subnet, without flags.
fn routes() -> Result<Value, Failure> {
    let mut routes = Place::Node.ip_json(&["route", "show", SUBNET])?;
    for route in routes.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        route.remove("flags");
    }
    Ok(routes)
}

fn until(expected: &Value, after: &str) -> Outcome {
    wait::until(PATIENCE, format!("routes {expected} after {after}"), || {
        Ok((routes()? == *expected).then_some(()))
    })
}

/// As azure.md's state after ADD has it.
fn ours() -> Value {
    json!([{"dst": SUBNET, "gateway": "10.224.0.1", "dev": "eth0", "protocol": "static"}])
}

fn kept() -> Outcome {
    node()?;
    let folder = folder()?;
    let daemon = Ipamd::start(&folder, &config(true))?;
    until(&ours(), "the start")?;
    wait::until(PATIENCE, "the status", || {
        Ok((daemon.get("/debug/status")?.json()?["subnetRoutes"]["inForce"] == true).then_some(()))
    })?;
    Place::Node.ip(&["route", "del", SUBNET])?;
    until(&ours(), "its deletion")?;
    Ipamd::configure(&folder, &config(false))?;
    until(&json!([]), "the configuration")
}

fn outlives() -> Outcome {
    node()?;
    let folder = folder()?;
    let daemon = Ipamd::start(&folder, &config(true))?;
    until(&ours(), "the start")?;
    daemon.stop()?;
    ensure_eq!(routes()?, ours(), "routes after the daemon's end");
    ensure_eq!(cleanup(&folder)?, "removed 1 routes to the pods' subnets\n", "what cleanup says");
    ensure_eq!(routes()?, json!([]), "routes after cleanup");
    Ok(())
}

fn cleanup(folder: &Path) -> Result<String, Failure> {
    let file = folder.join("ipamd.yaml").display().to_string();
    run(&mut command(tools::ipamd()?, ["cleanup", "--config", &file]), b"")?.success()
}

/// Another one is named in the status; the very same one is used, and stays when ours would go.
fn others() -> Outcome {
    node()?;
    let folder = folder()?;
    let another = ["via", "10.224.0.9", "dev", "eth0"];
    Place::Node.ip(&[&["route", "add", SUBNET], &another[..]].concat())?;
    let before = routes()?;
    let daemon = Ipamd::start(&folder, &config(true))?;
    let said = wait::until(PATIENCE, "an error about the route", || {
        let status = daemon.get("/debug/status")?.json()?;
        Ok(status["subnetRoutes"]["error"].as_str().map(str::to_owned))
    })?;
    ensure!(said.contains(SUBNET), "{said}");
    ensure_eq!(routes()?, before, "the route of others");
    daemon.stop()?;
    Place::Node.ip(&["route", "replace", SUBNET, "via", "10.224.0.1", "proto", "static"])?;
    let daemon = Ipamd::start(&folder, &config(true))?;
    wait::until(PATIENCE, "the status", || {
        Ok((daemon.get("/debug/status")?.json()?["subnetRoutes"]["inForce"] == true).then_some(()))
    })?;
    daemon.stop()?;
    ensure_eq!(cleanup(&folder)?, "nothing to remove\n", "what cleanup says");
    ensure_eq!(routes()?, ours(), "the administrator's route");
    Ok(())
}
