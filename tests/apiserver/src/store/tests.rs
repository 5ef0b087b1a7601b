use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;

fn key(name: &str) -> Key {
    let path = format!("/apis/acn.azure.com/v1alpha/namespaces/kube-system/nodenetworkconfigs/{name}");
    Key::of(&Address::parse(&path).unwrap()).unwrap()
}

fn all() -> Selection {
    Selection::of(&Address::parse("/apis/acn.azure.com/v1alpha/nodenetworkconfigs").unwrap(), "", "")
}

fn lines(receiver: &mut UnboundedReceiver<Bytes>) -> Vec<Value> {
    std::iter::from_fn(|| receiver.try_recv().ok())
        .map(|line| serde_json::from_slice(&line).unwrap())
        .collect()
}

#[test]
fn a_write_against_an_old_version_or_another_object_is_a_conflict() {
    let mut store = Store::default();
    let created = store.create(key("n1"), json!({"spec": {"a": 1}})).body;
    let mut next = created.clone();
    next["spec"]["a"] = 2.into();
    assert_eq!(store.update(&key("n1"), None, &next).code, 200);
    assert_eq!(store.update(&key("n1"), None, &next).code, 409, "of the old version");
    let other = json!({"metadata": {"uid": "another"}, "spec": {"a": 3}});
    let merge = Patch::Merge { strategic: false };
    assert_eq!(store.patch(&key("n1"), None, &merge, &other).code, 409);
    assert_eq!(store.get(&key("n1")).unwrap()["spec"]["a"], 2);
    assert_eq!(store.get(&key("n1")).unwrap()["metadata"]["generation"], 2);
}

#[test]
fn status_and_the_rest_are_written_apart() {
    let mut store = Store::default();
    store.create(key("n1"), json!({"kind": "NodeNetworkConfig", "spec": {"a": 1}, "status": {"b": 1}}));
    let both = json!({"spec": {"a": 2}, "status": {"b": 2}});
    let merge = Patch::Merge { strategic: false };
    let seen = |store: &Store| {
        let value = store.get(&key("n1")).unwrap();
        (value["spec"]["a"].clone(), value["status"]["b"].clone())
    };
    store.patch(&key("n1"), None, &merge, &both);
    assert_eq!(seen(&store), (2.into(), 1.into()));
    store.patch(&key("n1"), Some("status"), &merge, &json!({"spec": {"a": 3}, "status": {"b": 3}}));
    assert_eq!(seen(&store), (2.into(), 3.into()));
}

#[test]
fn what_a_manager_applies_no_more_goes_and_what_others_own_stays() {
    let mut store = Store::default();
    store.create(key("n1"), json!({"spec": {"theirs": 1}}));
    let apply = |store: &mut Store, manager: &str, force, spec: Value| {
        let patch = Patch::Apply { manager: manager.to_owned(), force };
        store.patch(&key("n1"), None, &patch, &json!({"spec": spec})).code
    };
    assert_eq!(apply(&mut store, "a", false, json!({"x": 1, "list": [1, 2]})), 200);
    assert_eq!(apply(&mut store, "b", false, json!({"x": 2})), 409);
    assert_eq!(apply(&mut store, "b", true, json!({"x": 2})), 200);
    assert_eq!(apply(&mut store, "a", false, json!({"list": []})), 200);
    assert_eq!(store.get(&key("n1")).unwrap()["spec"], json!({"theirs": 1, "x": 2, "list": []}));
    assert_eq!(apply(&mut store, "b", false, json!({})), 200);
    assert_eq!(store.get(&key("n1")).unwrap()["spec"], json!({"theirs": 1, "list": []}));
}

#[test]
fn a_watch_resumes_from_a_version_until_that_is_forgotten() {
    let mut store = Store::default();
    let first = store.create(key("n1"), json!({})).body;
    let version: u64 = first["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
    store.create(key("n2"), json!({}));
    let (sender, mut receiver) = unbounded_channel();
    store.watch(all(), Some(version), true, "v1".to_owned(), sender.clone()).unwrap();
    store.delete(&key("n1"));
    let seen: Vec<_> = lines(&mut receiver)
        .iter()
        .map(|line| (line["type"].clone(), line["object"]["metadata"]["name"].clone()))
        .collect();
    assert_eq!(seen, [("ADDED".into(), "n2".into()), ("DELETED".into(), "n1".into())]);
    store.expire();
    assert_eq!(lines(&mut receiver)[0]["object"]["code"], 410);
    assert_eq!(store.watch(all(), Some(version), true, "v1".to_owned(), sender).unwrap_err().code, 410);
}

#[test]
fn an_object_with_finalizers_stays_until_they_are_gone() {
    let mut store = Store::default();
    store.create(key("n1"), json!({"metadata": {"finalizers": ["a/b"]}}));
    store.delete(&key("n1"));
    assert!(!store.get(&key("n1")).unwrap()["metadata"]["deletionTimestamp"].is_null());
    let merge = Patch::Merge { strategic: false };
    store.patch(&key("n1"), None, &merge, &json!({"metadata": {"finalizers": []}}));
    assert!(store.get(&key("n1")).is_none());
}

#[test]
fn a_list_comes_in_pages_and_only_what_is_selected() {
    let mut store = Store::default();
    for number in 0..5 {
        store.create(key(&format!("n{number}")), json!({"kind": "NodeNetworkConfig"}));
    }
    let first = store.list(&all(), None, 3);
    let rest = store.list(&all(), first["metadata"]["continue"].as_str(), 3);
    let names = |list: &Value| list["items"].as_array().unwrap().len();
    assert_eq!((names(&first), names(&rest), &rest["metadata"]["continue"]), (3, 2, &Value::Null));
    let address = Address::parse("/apis/acn.azure.com/v1alpha/nodenetworkconfigs").unwrap();
    let one = Selection::of(&address, "metadata.name=n3", "");
    assert_eq!(store.list(&one, None, 9)["items"][0]["metadata"]["name"], "n3");
}
