//! Writes: the same rules for clients and for the test itself.

use serde_json::{Map, Value, json};

use super::merge::merge;
use super::{Key, Object, Store, apply};
use crate::reply::{Reply, status};

/// A patch.
#[derive(Debug, Clone)]
pub(crate) enum Patch {
    /// `application/merge-patch+json`, `application/strategic-merge-patch+json`.
    Merge { strategic: bool },
    /// `application/apply-patch+yaml`; creates what is not there.
    Apply { manager: String, force: bool },
}

impl Store {
    /// A new object.
    pub(crate) fn create(&mut self, mut key: Key, mut value: Value) -> Reply {
        if key.name.is_empty() {
            let metadata = &value["metadata"];
            let name = metadata["name"].as_str().map(ToOwned::to_owned);
            let prefix = metadata["generateName"].as_str().unwrap_or_default().to_owned();
            key.name = name.unwrap_or_else(|| format!("{prefix}{:05}", self.counter));
        }
        if self.objects.contains_key(&key) {
            let message = format!("{} {:?} already exists", key.resource, key.name);
            return status(409, "AlreadyExists", &message);
        }
        let number = self.count();
        let metadata = &mut value["metadata"];
        if !metadata.is_object() {
            *metadata = Value::Object(Map::new());
        }
        metadata["name"] = key.name.clone().into();
        if !key.namespace.is_empty() {
            metadata["namespace"] = key.namespace.clone().into();
        }
        if metadata["uid"].is_null() {
            metadata["uid"] = format!("00000000-0000-4000-8000-{number:012}").into();
        }
        metadata["generation"] = 1.into();
        metadata["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
        self.objects.insert(key.clone(), Object::default());
        Reply::of(201, self.store(&key, value, "ADDED"))
    }

    /// Another value for an object, or for one part of it.
    pub(crate) fn update(&mut self, key: &Key, part: Option<&str>, value: &Value) -> Reply {
        let Some(object) = self.objects.get(key) else { return missing(key) };
        if let Some(conflict) = conflict(key, &object.value, value) {
            return conflict;
        }
        let next = with_part(&object.value, value.clone(), part);
        self.replace(key, next)
    }

    /// A patch of an object, or of one part of it.
    pub(crate) fn patch(&mut self, key: &Key, part: Option<&str>, patch: &Patch, body: &Value) -> Reply {
        let has_precondition =
            !body["metadata"]["uid"].is_null() || !body["metadata"]["resourceVersion"].is_null();
        if let Patch::Apply { .. } = patch
            && part.is_none()
            && !has_precondition
            && !self.objects.contains_key(key)
        {
            let created = self.create(key.clone(), body.clone());
            self.patch(key, part, patch, body);
            return created;
        }
        let Some(object) = self.objects.get_mut(key) else { return missing(key) };
        if let Some(conflict) = conflict(key, &object.value, body) {
            return conflict;
        }
        let mut next = object.value.clone();
        match patch {
            Patch::Merge { strategic } => merge(&mut next, body, *strategic),
            Patch::Apply { manager, force } => {
                if let Err(message) = apply::apply(&mut next, &mut object.applied, manager, body, *force) {
                    return status(409, "Conflict", &format!("Apply failed with 1 conflict: {message}"));
                }
            }
        }
        let next = with_part(&object.value, next, part);
        self.replace(key, next)
    }

    /// Removes an object; one with finalizers is only marked.
    pub(crate) fn delete(&mut self, key: &Key) -> Reply {
        let Some(object) = self.objects.get(key) else { return missing(key) };
        let mut value = object.value.clone();
        let is_held = value["metadata"]["finalizers"].as_array().is_some_and(|holds| !holds.is_empty());
        if is_held {
            value["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
            return self.replace(key, value);
        }
        self.forget(key);
        Reply::of(200, json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}))
    }

    fn forget(&mut self, key: &Key) {
        let revision = self.next_revision();
        if let Some(mut object) = self.objects.remove(key) {
            object.value["metadata"]["resourceVersion"] = revision.to_string().into();
            self.publish(revision, "DELETED", key, &object.value);
        }
    }

    /// Another value, where it is another.
    fn replace(&mut self, key: &Key, mut value: Value) -> Reply {
        let Some(object) = self.objects.get(key) else { return missing(key) };
        let before = &object.value;
        for fixed in ["uid", "name", "namespace", "creationTimestamp", "resourceVersion", "generation"] {
            if !before["metadata"][fixed].is_null() {
                value["metadata"][fixed] = before["metadata"][fixed].clone();
            }
        }
        if value == *before {
            return Reply::of(200, value);
        }
        if value["spec"] != before["spec"] {
            let generation = before["metadata"]["generation"].as_u64().unwrap_or_default();
            value["metadata"]["generation"] = (generation + 1).into();
        }
        let finalizers = value["metadata"]["finalizers"].as_array().map_or(0, Vec::len);
        if finalizers == 0 && !value["metadata"]["deletionTimestamp"].is_null() {
            self.forget(key);
            return Reply::of(200, value);
        }
        Reply::of(200, self.store(key, value, "MODIFIED"))
    }

    fn store(&mut self, key: &Key, mut value: Value, kind: &'static str) -> Value {
        let revision = self.next_revision();
        value["metadata"]["resourceVersion"] = revision.to_string().into();
        if let Some(object) = self.objects.get_mut(key) {
            object.value = value.clone();
        }
        self.publish(revision, kind, key, &value);
        value
    }
}

fn missing(key: &Key) -> Reply {
    status(404, "NotFound", &format!("{} {:?} not found", key.resource, key.name))
}

/// Optimistic concurrency: what a write says of version and identity has to be so.
fn conflict(key: &Key, there: &Value, write: &Value) -> Option<Reply> {
    let differs = |member: &str| {
        let said = write["metadata"][member].as_str().filter(|said| !said.is_empty());
        said.is_some_and(|said| there["metadata"][member] != *said)
    };
    let named = format!("Operation cannot be fulfilled on {} {:?}", key.resource, key.name);
    if differs("resourceVersion") {
        let message = format!(
            "{named}: the object has been modified; please apply your changes to the latest version and try again"
        );
        return Some(status(409, "Conflict", &message));
    }
    differs("uid")
        .then(|| status(409, "Conflict", &format!("{named}: Precondition failed: UID in precondition")))
}

/// The status is written by its own path, and everything else by the object's.
fn with_part(before: &Value, mut next: Value, part: Option<&str>) -> Value {
    let Some(part) = part else {
        if before.get("status").is_some() || is_split(&next) {
            next["status"] = before["status"].clone();
            strip_null(&mut next, "status");
        }
        return next;
    };
    let mut value = before.clone();
    value[part] = next[part].take();
    strip_null(&mut value, part);
    value
}

/// Kinds whose status has a path of its own even before there is one.
fn is_split(value: &Value) -> bool {
    matches!(value["kind"].as_str(), Some("Node" | "Pod" | "NodeNetworkConfig"))
}

fn strip_null(value: &mut Value, member: &str) {
    if value[member].is_null()
        && let Some(members) = value.as_object_mut()
    {
        members.remove(member);
    }
}
