//! Patches that are merged in (RFC 7396), and Kubernetes' own kind, which knows some lists by a key.

use serde_json::{Map, Value};

/// Merges a patch in. `strategic`: conditions and addresses are merged by their type instead of replaced.
pub(super) fn merge(target: &mut Value, patch: &Value, strategic: bool) {
    let Value::Object(members) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(own) = target.as_object_mut() else { return };
    for (name, value) in members {
        match value {
            Value::Null => drop(own.remove(name)),
            Value::Array(items) if strategic && is_keyed(items) => {
                merge_by_type(own.entry(name.clone()).or_insert_with(|| Value::Array(Vec::new())), items);
            }
            value => merge(own.entry(name.clone()).or_insert(Value::Null), value, strategic),
        }
    }
}

fn is_keyed(items: &[Value]) -> bool {
    !items.is_empty() && items.iter().all(|item| item["type"].is_string())
}

fn merge_by_type(target: &mut Value, items: &[Value]) {
    let Some(own) = target.as_array_mut() else { return };
    for item in items {
        match own.iter_mut().find(|there| there["type"] == item["type"]) {
            Some(there) => merge(there, item, true),
            None => own.push(item.clone()),
        }
    }
}
