//! Server-side apply, as far as values go: each manager owns the values that it applied last. Lists are one value.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::merge::merge;

/// Applies `config` for `manager`; without `force`, the path of a value that another manager applied otherwise.
pub(super) fn apply(
    target: &mut Value,
    applied: &mut BTreeMap<String, Value>,
    manager: &str,
    config: &Value,
    force: bool,
) -> Result<(), String> {
    let own = leaves(config);
    for (other, theirs) in applied.iter_mut().filter(|(name, _)| *name != manager) {
        for (path, value) in leaves(theirs) {
            if own.get(&path).is_some_and(|wanted| *wanted != value) {
                if !force {
                    return Err(format!("conflict with {other:?}: {}", path.replace('/', ".")));
                }
                remove(theirs, &path);
            }
        }
    }
    if let Some(before) = applied.get(manager) {
        let others = || applied.iter().filter(|(name, _)| *name != manager);
        for path in leaves(before).keys().filter(|path| !own.contains_key(*path)) {
            if others().all(|(_, theirs)| theirs.pointer(path).is_none()) {
                remove(target, path);
            }
        }
    }
    merge(target, config, false);
    applied.insert(manager.to_owned(), config.clone());
    let managers = applied.keys().map(|name| json!({"manager": name, "operation": "Apply"}));
    target["metadata"]["managedFields"] = managers.collect();
    Ok(())
}

/// Every value that is no map, by its JSON pointer; what names the object is nobody's.
fn leaves(value: &Value) -> BTreeMap<String, Value> {
    fn collect(path: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    collect(&format!("{path}/{}", name.replace('~', "~0").replace('/', "~1")), value, into);
                }
            }
            value => drop(into.insert(path.to_owned(), value.clone())),
        }
    }
    let mut found = BTreeMap::new();
    collect("", value, &mut found);
    let names_it = ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace", "/metadata/uid"];
    found.retain(|path, _| !names_it.contains(&path.as_str()) && path != "/metadata/resourceVersion");
    found
}

fn remove(value: &mut Value, path: &str) {
    if let Some((parent, name)) = path.rsplit_once('/')
        && let Some(members) = value.pointer_mut(parent).and_then(Value::as_object_mut)
    {
        members.remove(&name.replace("~1", "/").replace("~0", "~"));
    }
}
