//! What nodes get from it, whatever happens to it.

use std::time::{Duration, Instant};

use podnet_fake_apiserver::{Trouble, Where};
use serde_json::json;

use crate::stage::{OBJECTS, Stage, wait_until};

const VNET: &str = "
mode: vnet
leaseDuration: 3s
rest: 1s
scaler: {batchSize: 4, maxIPs: 8}
subnets: [{name: pods, cidr: 10.241.0.0/27, gateway: 10.241.0.1, excluded: [10.241.0.2/31]}]
";

#[test]
fn a_node_gets_what_it_asks_for_and_others_what_it_gives_back() {
    let stage = Stage::new(VNET);
    stage.boot("n1");
    let mut controller = stage.controller("one");
    wait_until("n1 has its first batch", || stage.assigned("n1").len() == 4);
    let object = stage.object("n1");
    let owner = &object["metadata"]["ownerReferences"][0];
    assert_eq!(
        (&owner["kind"], &owner["name"], &owner["controller"]),
        (&json!("Node"), &json!("n1"), &json!(true))
    );
    assert_eq!(object["spec"]["requestedIPCount"], 4);
    let status = &object["status"];
    assert_eq!((&status["status"], &status["assignedIPCount"]), (&json!("Updated"), &json!(4)));
    assert_eq!(status["scaler"]["maxIPCount"], 8);
    let container = stage.container("n1");
    for (member, value) in [
        ("assignmentMode", "dynamic"),
        ("type", "vnet"),
        ("primaryIP", "10.241.0.4"),
        ("subnetName", "pods"),
        ("subnetAddressSpace", "10.241.0.0/27"),
        ("defaultGateway", "10.241.0.1"),
        ("nodeIP", "10.240.0.4"),
        ("status", "NCUpdateSuccess"),
    ] {
        assert_eq!(container[member], value, "{member}");
    }
    assert_eq!(container["version"], 1);

    stage.ask("n1", 7, &[]);
    wait_until("n1 has three more", || stage.assigned("n1").len() == 7);
    assert_eq!(stage.container("n1")["version"], 2);
    let given_back: Vec<String> = stage.assigned("n1").into_values().take(2).collect();
    let addresses: Vec<String> = stage.assigned("n1").into_keys().take(2).collect();
    stage.ask("n1", 5, &given_back);
    wait_until("two are taken back", || stage.assigned("n1").len() == 5);

    stage.boot("n2");
    wait_until("n2 has its first batch", || stage.assigned("n2").len() == 4);
    stage.ask("n2", 300, &[]);
    controller.wait_for_log("spec.requestedIPCount: 300 is more than the maximum, 8");
    wait_until("n2 has the most", || stage.assigned("n2").len() == 8);
    stage.boot("n3");
    wait_until("n3 has its first batch", || stage.assigned("n3").len() == 4);
    stage.ask("n3", 8, &[]);
    wait_until("n3 has all that is left", || stage.assigned("n3").len() == 8);
    let all = ["n1", "n2", "n3"];
    stage.assert_nobody_shares(&all);
    assert!(addresses.iter().all(|address| !stage.assigned("n1").contains_key(address)));

    stage.boot("n4");
    wait_until("n4 is told that the subnet is full", || {
        stage.container("n4")["status"] == "NCUpdateSubnetFullError"
    });
    assert_eq!(stage.object("n4")["status"]["status"], "Error");
    stage.remove("n2");
    wait_until("n4 has what n2 had", || stage.assigned("n4").len() == 4);
    assert_eq!(stage.object("n4")["status"]["status"], "Updated");
    stage.assert_nobody_shares(&["n1", "n3", "n4"]);

    controller.signal("TERM");
    assert!(controller.ends_well());
    let lease =
        stage.server.get("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/podnet-grant").unwrap();
    assert_eq!(lease["spec"]["holderIdentity"], "", "another may lead at once");
}

#[test]
fn whoever_leads_no_address_is_two_nodes() {
    let stage = Stage::new(VNET);
    stage.boot("n1");
    let mut controllers = vec![stage.controller("first")];
    wait_until("n1 has its first batch", || stage.assigned("n1").len() == 4);
    controllers.push(stage.controller("second"));
    let nodes = ["n1", "n2", "n3"];
    // The leader is frozen in the middle, another takes over, and the first one wakes up, still sure to lead.
    stage.server.trouble(
        Trouble::Slow(Duration::from_millis(300)),
        Where { resource: Some("configmaps"), ..Where::default() },
    );
    stage.boot("n2");
    wait_until("the first one works on n2", || !stage.object("n2").is_null());
    controllers[0].signal("STOP");
    controllers[1].wait_for_log("leading");
    stage.boot("n3");
    wait_until("n3 has its first batch", || stage.assigned("n3").len() == 4);
    controllers[0].signal("CONT");
    stage.ask("n1", 6, &[]);
    wait_until("all have what they asked for", || {
        nodes.map(|name| stage.assigned(name).len()).iter().sum::<usize>() == 14
    });
    controllers[0].wait_for_log("another controller leads");
    stage.assert_nobody_shares(&nodes);
    // Killed, not asked to end.
    controllers[1].signal("KILL");
    stage.server.calm();
    stage.ask("n2", 8, &[]);
    wait_until("n2 has eight", || stage.assigned("n2").len() == 8);
    stage.assert_nobody_shares(&nodes);
}

#[test]
fn an_api_server_in_trouble_is_waited_for() {
    let stage = Stage::new(VNET);
    let forbidden = Where { verb: Some("list"), resource: Some("nodenetworkconfigs"), ..Where::default() };
    stage.server.trouble(Trouble::Forbidden, forbidden);
    stage.boot("n1");
    let controller = stage.controller("one");
    controller.wait_for_log("cannot list nodenetworkconfigs: the API server forbids it");
    stage.server.calm();
    wait_until("n1 has its first batch", || stage.assigned("n1").len() == 4);
    for verb in ["create", "update", "get"] {
        for trouble in [Trouble::Internal, Trouble::TooMany(1), Trouble::Gone] {
            stage.server.trouble(trouble, Where { verb: Some(verb), times: Some(1), ..Where::default() });
        }
    }
    stage.boot("n2");
    wait_until("n2 has its first batch", || stage.assigned("n2").len() == 4);
    stage.server.expire();
    stage.boot("n3");
    wait_until("n3 has its first batch", || stage.assigned("n3").len() == 4);
    stage.assert_nobody_shares(&["n1", "n2", "n3"]);
}

#[test]
fn what_is_wrong_is_named_and_left_as_it_is() {
    let stage = Stage::new(VNET);
    for name in ["a", "b", "c", "d"] {
        stage.boot(name);
        let uid = stage.server.get(&format!("/api/v1/nodes/{name}")).unwrap()["metadata"]["uid"].clone();
        let address = match name {
            "c" => "10.250.0.9",
            "d" => "10.241.0.300",
            _ => "10.241.0.9",
        };
        stage.server.put(
            &format!("{OBJECTS}/{name}"),
            json!({
                "apiVersion": "acn.azure.com/v1alpha", "kind": "NodeNetworkConfig",
                "metadata": {"ownerReferences": [
                    {"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid, "controller": true}]},
                "spec": {"requestedIPCount": 4},
                "status": {"networkContainers": [{
                    "id": name, "type": "vnet", "assignmentMode": "dynamic",
                    "ipAssignments": [{"name": format!("of-{name}"), "ip": address}]}]},
            }),
        );
    }
    let before = ["a", "b", "c", "d"].map(|name| stage.object(name));
    stage.boot("e");
    let controller = stage.controller("one");
    for text in [
        "kube-system/a\" status.networkContainers: 10.241.0.9/32 is in the status of b too",
        "kube-system/b\" status.networkContainers: 10.241.0.9/32 is in the status of a too",
        "kube-system/c\" status.networkContainers[0].ipAssignments[0].ip: 10.250.0.9/32 is no unit of a subnet that is configured",
        "kube-system/d\" status.networkContainers[0].ipAssignments[0].ip: \"10.241.0.300\" is neither an address nor a block",
    ] {
        let (object, text) = text.split_once("\" ").unwrap();
        controller.wait_for_log(text);
        assert!(controller.log().contains(object), "{object}");
    }
    wait_until("e has its first batch", || stage.assigned("e").len() == 4);
    assert!(!stage.addresses(&["e"]).contains(&"10.241.0.9".to_owned()));
    assert_eq!(["a", "b", "c", "d"].map(|name| stage.object(name)), before);
    stage.server.edit(&format!("{OBJECTS}/b"), &json!({"status": {"networkContainers": []}}));
    wait_until("a keeps the address and has more", || stage.assigned("a").len() == 4);
    wait_until("b has others", || stage.assigned("b").len() == 4);
    assert_eq!(stage.assigned("a")["10.241.0.9"], "of-a");
    stage.assert_nobody_shares(&["a", "b", "e"]);
}

#[test]
fn five_thousand_nodes_have_a_block_of_each_family() {
    const NODES: usize = 5_000;
    let stage = Stage::new(
        "mode: overlay\nsubnets: [{name: v4, cidr: 10.0.0.0/11}, {name: v6, cidr: 'fd00::/48'}]\n",
    );
    for node in 0..NODES {
        stage.boot(&format!("n{node}"));
    }
    let begin = Instant::now();
    let controller = stage.controller("one");
    let writes = |resource: &str| {
        let requests = stage.server.requests();
        let is_write = |verb| verb == "create" || verb == "update";
        requests
            .iter()
            .filter(|request| is_write(request.verb) && request.address.resource == resource)
            .count()
    };
    let names: Vec<String> = (0..NODES).map(|node| format!("n{node}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let is_served = |name: &&str| !stage.container(name)["primaryIPV6"].is_null();
    // Looking must not take longer than granting.
    for part in names.rchunks(500) {
        wait_until("all have their blocks", || part.iter().all(is_served));
    }
    let took = begin.elapsed();
    stage.assert_nobody_shares(&names);
    assert_eq!(stage.addresses(&names).len(), NODES);
    let (pages, peak) = (writes("configmaps"), controller.peak());
    let figures = format!("{took:?}, {pages} writes of the ledger, {peak} KiB at most");
    assert!(pages < 400, "{figures}");
    assert!(peak < 160 * 1024, "{figures}");
    assert_eq!(writes("nodenetworkconfigs"), 2 * NODES, "each is created and written once: {figures}");
}
