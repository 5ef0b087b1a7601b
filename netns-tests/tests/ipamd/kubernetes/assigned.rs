//! Source nodeNetworkConfig, with the test as the control plane.

use std::fs;

use podnet_fake_apiserver::ApiServer;
use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::ipamd::Ipamd;
use podnet_netns_tests::{ensure, ensure_eq, wait};
use serde_json::{Value, json};

use super::{NODE, PATIENCE, cluster, node, status, trouble, well};
use crate::ipamd::folder;

const OBJECT: &str = "/apis/acn.azure.com/v1alpha/namespaces/kube-system/nodenetworkconfigs/n1";

fn address(at: usize) -> Value {
    json!({"name": format!("uuid-{at}"), "ip": format!("10.241.0.{}", at + 10)})
}

/// An object with so many addresses, of the node with this unique ID.
fn object(owner: &str, count: usize) -> Value {
    let owners =
        json!([{"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": owner, "controller": true}]);
    json!({
        "apiVersion": "acn.azure.com/v1alpha", "kind": "NodeNetworkConfig",
        "metadata": {"ownerReferences": owners},
        "spec": {"requestedIPCount": count},
        "status": {
            "assignedIPCount": count, "later": {"members": "are passed over"},
            "scaler": {"batchSize": 4, "requestThresholdPercent": 50, "releaseThresholdPercent": 150, "maxIPCount": 12},
            "networkContainers": [{
                "id": "nc-1", "assignmentMode": "dynamic", "subnetAddressSpace": "10.241.0.0/16",
                "defaultGateway": "10.241.0.1", "nodeIP": "10.240.0.4",
                "ipAssignments": (0..count).map(address).collect::<Vec<_>>(),
            }],
        },
    })
}

/// An API server with node and object, and a daemon that is ready.
fn stage(count: usize) -> Result<(ApiServer, Ipamd, String), Failure> {
    let (server, config) = cluster("source: {kind: nodeNetworkConfig}\n")?;
    server.put(NODE, node("u1", &[]));
    server.put(OBJECT, object("u1", count));
    let daemon = Ipamd::start(&folder()?, &config)?;
    daemon.ready()?;
    Ok((server, daemon, config))
}

/// Replaces the pods' addresses.
fn give(server: &ApiServer, addresses: &[Value]) {
    let mut containers = object("u1", 0)["status"]["networkContainers"].clone();
    containers[0]["ipAssignments"] = addresses.into();
    server.edit(OBJECT, &json!({"status": {"networkContainers": containers}}));
}

fn spec(server: &ApiServer) -> Value {
    server.get(OBJECT).unwrap_or_default()["spec"].clone()
}

pub(super) fn grows() -> Outcome {
    let (server, daemon, _) = stage(4)?;
    for container in ["a", "b", "c"] {
        daemon.request(container)?.address()?;
    }
    wait::until(PATIENCE, "a batch more is asked for", || {
        Ok((spec(&server)["requestedIPCount"] == 8).then_some(()))
    })?;
    let patches = server.requests();
    let patch = patches.iter().rfind(|request| request.verb == "patch");
    let patch = patch.ok_or_else(|| Failure::failed("no patch".to_owned()))?;
    ensure!(patch.query.contains("fieldManager=podnet-ipamd"), "{}", patch.query);
    ensure_eq!(patch.address.subresource, None, "the spec alone");
    let managers = server.get(OBJECT).unwrap_or_default()["metadata"]["managedFields"].clone();
    ensure_eq!(managers[0]["manager"], "podnet-ipamd", "whose the spec is");
    give(&server, &(0..8).map(address).collect::<Vec<_>>());
    wait::until(PATIENCE, "the batch is there", || {
        Ok((status(&daemon)?["pool"][0]["total"] == 8).then_some(()))
    })?;
    let addresses = daemon.post("/debug/ipaddresses", r#"{"IPConfigStateFilter":["Assigned"]}"#)?.json()?;
    ensure_eq!(addresses["IPConfigurationStatus"][0]["ID"], "uuid-0", "the source's own name");
    // Somebody else's number does not stay.
    server.edit(OBJECT, &json!({"spec": {"requestedIPCount": 1}}));
    wait::until(PATIENCE, "the number is put right", || {
        Ok((spec(&server)["requestedIPCount"] == 8).then_some(()))
    })?;
    Ok(())
}

pub(super) fn refused() -> Outcome {
    let (server, config) = cluster("source: {kind: nodeNetworkConfig}\n")?;
    server.put(NODE, node("u2", &[]));
    server.put(OBJECT, object("u1", 4));
    let daemon = Ipamd::start(&folder()?, &config)?;
    trouble(
        &daemon,
        "NodeNetworkConfig kube-system/n1 does not say what addresses there are: \
         metadata.ownerReferences[0].uid is \"u1\": it belongs to an earlier node of this name, this one's is \"u2\"",
    )?;
    ensure!(daemon.get("/readyz")?.status == 503, "ready with another node's addresses");
    std::thread::sleep(std::time::Duration::from_secs(3));
    let gets = server.requests().iter().filter(|request| request.verb == "get").count();
    ensure_eq!(gets, 1, "the node is asked for once, not in a loop");
    let mut two = object("u2", 4)["metadata"]["ownerReferences"].clone();
    let other = json!({"apiVersion": "v1", "kind": "Node", "name": "n2", "uid": "u3"});
    two.as_array_mut().into_iter().for_each(|two| two.push(other.clone()));
    server.edit(OBJECT, &json!({"metadata": {"ownerReferences": two}}));
    trouble(&daemon, "metadata.ownerReferences names two nodes, \"n1\" and \"n2\"")?;
    ensure!(server.requests().iter().all(|request| request.verb != "patch"), "asked in another's name");
    server.edit(
        OBJECT,
        &json!({"metadata": {"ownerReferences": object("u2", 4)["metadata"]["ownerReferences"]}}),
    );
    daemon.ready()?;
    ensure_eq!(daemon.request("a")?.address()?, "10.241.0.10", "its own");
    Ok(())
}

pub(super) fn errs() -> Outcome {
    let (server, daemon, _) = stage(4)?;
    let held = daemon.request("a")?.address()?;
    ensure_eq!(held, "10.241.0.10", "the first");
    give(&server, &(1..4).map(address).collect::<Vec<_>>());
    let gone = "NodeNetworkConfig kube-system/n1: status.networkContainers: 10.241.0.10 is gone, and ns/pod-a has it";
    wait::until(PATIENCE, "the loss is told", || {
        let status = status(&daemon)?;
        let complaint = status["source"]["complaints"][0].as_str().unwrap_or_default();
        Ok(complaint.starts_with(gone).then_some(()))
    })?;
    ensure!(daemon.log()?.contains(gone), "the loss is not logged");
    ensure_eq!(daemon.request("a")?.address()?, held, "the pod keeps it");
    for (addresses, words) in [
        (
            vec![address(1), address(1)],
            "status.networkContainers[0].ipAssignments[1].ip is refused: range 10.241.0.11/32 overlaps",
        ),
        (
            vec![json!({"name": "x", "ip": "10.241.0"})],
            "status.networkContainers[0].ipAssignments[0].ip: \"10.241.0\" is neither",
        ),
        (
            vec![json!({"name": 7, "ip": "10.241.0.12"})],
            "status.networkContainers[0].ipAssignments[0].name: invalid type",
        ),
    ] {
        give(&server, &addresses);
        trouble(&daemon, words)?;
        ensure_eq!(status(&daemon)?["pool"][0]["total"], 4, "the last good addresses stay");
    }
    server.edit(OBJECT, &json!({"status": {"scaler": {"maxIPCount": 1}}}));
    daemon.request("b")?.address()?;
    give(&server, &(0..4).map(address).collect::<Vec<_>>());
    well(&daemon)?;
    wait::until(PATIENCE, "too small a maximum is told", || {
        let complaint = "NodeNetworkConfig kube-system/n1: status.scaler.maxIPCount: 1 is less than the 2 addresses in use: \
                         all are kept";
        Ok((status(&daemon)?["source"]["complaints"][0] == complaint).then_some(()))
    })?;
    server.remove(OBJECT);
    trouble(&daemon, "the API server does not have it")?;
    ensure_eq!(daemon.request("a")?.address()?, held, "without the object, too");
    Ok(())
}

pub(super) fn later() -> Outcome {
    let (server, daemon, _) = stage(4)?;
    let passed_over = |fields: &str| {
        let complaint = format!("NodeNetworkConfig kube-system/n1: unknown fields are passed over: {fields}");
        wait::until(PATIENCE, "the unknown fields are told", || {
            Ok((status(&daemon)?["source"]["complaints"] == json!([complaint])).then_some(()))
        })?;
        ensure_eq!(daemon.log()?.matches(&*complaint).count(), 1, "the log has it once: {complaint}");
        Ok::<_, Failure>(())
    };
    passed_over("status.later")?;
    // Other versions that say nothing new of it.
    for count in [5, 6] {
        give(&server, &(0..count).map(address).collect::<Vec<_>>());
        wait::until(PATIENCE, "the next version", || {
            Ok((status(&daemon)?["pool"][0]["total"] == count).then_some(()))
        })?;
    }
    passed_over("status.later")?;
    let zoned = |at| json!({"name": format!("uuid-{at}"), "ip": format!("10.241.0.{}", at + 10), "zone": at});
    give(&server, &(0..7).map(zoned).collect::<Vec<_>>());
    passed_over("status.later, status.networkContainers[*].ipAssignments[*].zone")?;
    ensure_eq!(status(&daemon)?["pool"][0]["total"], 7, "the addresses beside them");
    ensure_eq!(daemon.request("a")?.address()?, "10.241.0.10", "allocation goes on");
    Ok(())
}

pub(super) fn remembered() -> Outcome {
    let (server, daemon, config) = stage(4)?;
    drop(daemon);
    server.edit(OBJECT, &json!({"spec": {"requestedIPCount": 3, "ipsNotInUse": ["uuid-0"]}}));
    fs::remove_dir_all("/run/ipamd-test/state")?;
    server.forget_requests();
    let daemon = Ipamd::start(std::path::Path::new("/run/ipamd-test"), &config)?;
    daemon.ready()?;
    ensure_eq!(status(&daemon)?["pool"][0]["pendingRelease"], 1, "on its way back");
    ensure_eq!(daemon.request("a")?.address()?, "10.241.0.11", "nobody gets it");
    ensure_eq!(spec(&server), json!({"requestedIPCount": 3, "ipsNotInUse": ["uuid-0"]}), "the spec");
    ensure!(
        server.requests().iter().all(|request| request.verb != "patch"),
        "asked for what is said already"
    );
    Ok(())
}
