//! What leaves with the node's address: the ip-masq agent's lists, and what else of conf/ they have to agree with.

use std::fs;
use std::net::IpAddr;

use ipnet::IpNet;
use podnet_tests::{Program, Reply, Run, workspace};
use serde_json::Value;

use super::{documents, folder, kustomization, objects, pods, texts};

const USERS: &str = "azure-ip-masq-agent-config";
const CLUSTERS: &str = "azure-ip-masq-agent-config-reconciled";

/// The agent's objects.
fn agent() -> Vec<Value> {
    objects(&folder("masq-agent"))
}

/// The same in a cluster of both families.
fn dual_stack_agent() -> Vec<Value> {
    let component = folder("dual-stack");
    let mut objects = agent();
    for entry in kustomization(&component)["patches"].as_array().unwrap() {
        for patch in documents(&component.join(entry["path"].as_str().unwrap())) {
            if let Some(operations) = patch.as_array() {
                let object = find(&mut objects, &entry["target"]["kind"], &entry["target"]["name"]);
                for operation in operations {
                    append(object, operation);
                }
            } else {
                let object = find(&mut objects, &patch["kind"], &patch["metadata"]["name"]);
                merge(object, &patch["data"]);
            }
        }
    }
    objects
}

fn find<'o>(objects: &'o mut [Value], kind: &Value, name: &Value) -> &'o mut Value {
    objects.iter_mut().find(|object| object["kind"] == *kind && object["metadata"]["name"] == *name).unwrap()
}

/// The one operation of JSON patches that is used.
fn append(object: &mut Value, operation: &Value) {
    assert_eq!(operation["op"], "add");
    let list = operation["path"].as_str().unwrap().strip_suffix("/-").unwrap();
    object.pointer_mut(list).unwrap().as_array_mut().unwrap().push(operation["value"].clone());
}

/// Of strategic merges, that of a `ConfigMap`.
fn merge(map: &mut Value, data: &Value) {
    for (key, value) in data.as_object().unwrap() {
        assert!(!map["data"][key].is_null(), "{key} is nothing that the agent reads");
        map["data"][key] = value.clone();
    }
}

/// The text of a list.
fn list<'o>(objects: &'o [Value], name: &str) -> &'o str {
    let map =
        objects.iter().find(|object| object["kind"] == "ConfigMap" && object["metadata"]["name"] == name);
    let mut data = map.unwrap()["data"].as_object().unwrap().values();
    data.next().and_then(Value::as_str).unwrap()
}

/// The cluster's ranges.
fn exempt(objects: &[Value]) -> Vec<IpNet> {
    let list: Value = serde_saphyr::from_str(list(objects, CLUSTERS)).unwrap();
    texts(&list["nonMasqueradeCIDRs"]).into_iter().map(|range| range.parse().unwrap()).collect()
}

/// What the agent says of its lists, started as its DaemonSet starts it.
fn checked(objects: &[Value]) -> Reply {
    let files = [USERS, CLUSTERS].map(|name| {
        let file = tempfile::Builder::new().permissions(readable()).tempfile().unwrap();
        fs::write(file.path(), list(objects, name)).unwrap();
        file
    });
    let program = Program::masq_agent().unwrap();
    let flags = texts(&pods(objects)[0].1["containers"][0]["args"]);
    let run = flags.into_iter().fold(Run::of(&program).arg("check-config"), Run::arg);
    files.iter().fold(run, |run, file| run.arg(file.path())).reply().unwrap()
}

/// By whoever the agent runs as.
fn readable() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}

#[test]
fn the_ip_masq_lists_have_their_names_labels_and_places() {
    let objects = agent();
    for (name, key, mode) in
        [(USERS, "ip-masq-agent", "EnsureExists"), (CLUSTERS, "ip-masq-agent-reconciled", "Reconcile")]
    {
        let map = objects.iter().find(|object| object["metadata"]["name"] == name).unwrap();
        assert_eq!(map["metadata"]["labels"]["addonmanager.kubernetes.io/mode"], mode, "{name}");
        let list: Value = serde_saphyr::from_str(map["data"][key].as_str().unwrap()).unwrap();
        assert!(list["nonMasqueradeCIDRs"].is_array(), "{name}");
        let sources = &pods(&objects)[0].1["volumes"][0]["projected"]["sources"];
        let is_mounted = |source: &Value| {
            let map = &source["configMap"];
            map["name"] == name && map["items"][0]["key"] == key && map["optional"] == true
        };
        assert!(sources.as_array().unwrap().iter().any(is_mounted), "{name} is not mounted");
    }
}

#[test]
fn the_agent_accepts_its_lists_with_the_flags_of_its_daemonset() {
    for objects in [agent(), dual_stack_agent()] {
        let reply = checked(&objects);
        assert_eq!(reply.code, Some(0), "{reply:?}");
    }
}

#[test]
fn a_cluster_of_both_families_has_the_ranges_of_one_and_those_of_the_other() {
    let (single, dual) = (exempt(&agent()), exempt(&dual_stack_agent()));
    let (fourth, sixth): (Vec<IpNet>, Vec<IpNet>) =
        dual.into_iter().partition(|range| range.addr().is_ipv4());
    assert_eq!(fourth, single);
    assert!(!sixth.is_empty());
    let mut without_flag = dual_stack_agent();
    let daemon = without_flag.iter_mut().find(|object| object["kind"] == "DaemonSet").unwrap();
    let arguments = daemon.pointer_mut("/spec/template/spec/containers/0/args").unwrap();
    arguments.as_array_mut().unwrap().retain(|argument| argument != "--enable-ipv6");
    assert_eq!(checked(&without_flag).code, Some(3), "the flag and the ranges belong together");
}

/// Addresses that `podnet-ipamd grant` hands out as shipped reach each other unchanged, and are not the nodes'.
#[test]
fn what_is_granted_is_exempt_and_apart_from_the_nodes() {
    let exempt = exempt(&dual_stack_agent());
    let example = documents(&workspace().join("conf/ipamd/static.yaml")).remove(0);
    let node: IpAddr = example["source"]["nodeIP"].as_str().unwrap().parse().unwrap();
    let nodes: IpNet = example["source"]["subnet"].as_str().unwrap().parse().unwrap();
    assert!(nodes.contains(&node));
    for file in ["conf/kubernetes/grant/grant.yaml", "conf/ipamd/grant.yaml"] {
        let text = fs::read_to_string(workspace().join(file)).unwrap();
        // What is only proposed counts.
        let text: String = text.lines().map(|line| line.replacen("# - ", "- ", 1) + "\n").collect();
        let config: Value = serde_saphyr::from_str(&text).unwrap();
        for subnet in config["subnets"].as_array().unwrap() {
            let range: IpNet = subnet["cidr"].as_str().unwrap().parse().unwrap();
            assert!(exempt.iter().any(|known| known.contains(&range)), "{file}: {range} is masqueraded");
            assert!(!range.contains(&nodes) && !nodes.contains(&range), "{file}: {range} has nodes in it");
        }
    }
}
