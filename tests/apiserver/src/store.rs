//! The objects, their history, and who watches them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use crate::address::Address;
use crate::reply::{Reply, status};

mod apply;
mod merge;
mod selection;
mod write;

pub(crate) use selection::Selection;
pub(crate) use write::Patch;

/// So many changes are remembered.
const HISTORY: usize = 20_000;

/// Which object: group, resource, namespace, name; in this order, so that a list is a range.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) group: String,
    pub(crate) resource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    /// The object at an address; none where that names none.
    pub(crate) fn of(address: &Address) -> Option<Self> {
        Some(Self {
            group: address.group.clone(),
            resource: address.resource.clone(),
            namespace: address.namespace.clone().unwrap_or_default(),
            name: address.name.clone()?,
        })
    }
}

#[derive(Debug, Default)]
struct Object {
    value: Value,
    /// What each field manager applied last.
    applied: BTreeMap<String, Value>,
}

#[derive(Debug)]
struct Change {
    revision: u64,
    kind: &'static str,
    key: Key,
    value: Arc<Value>,
}

#[derive(Debug)]
struct Watch {
    id: u64,
    selection: Selection,
    bookmarks: bool,
    api_version: String,
    lines: UnboundedSender<Bytes>,
}

/// The whole state.
#[derive(Debug, Default)]
pub(crate) struct Store {
    revision: u64,
    /// Watches can resume from here on.
    oldest: u64,
    objects: BTreeMap<Key, Object>,
    history: VecDeque<Change>,
    watches: Vec<Watch>,
    /// For uids, names and watches.
    counter: u64,
}

impl Store {
    fn count(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// An object as it is.
    pub(crate) fn get(&self, key: &Key) -> Option<&Value> {
        self.objects.get(key).map(|object| &object.value)
    }

    /// The objects selected, from the one after `after` on, at most `limit`; and whether there are more.
    pub(crate) fn list(&self, selection: &Selection, after: Option<&str>, limit: usize) -> Value {
        let selected = self.objects.iter().filter(|(key, object)| selection.has(key, &object.value));
        let place = |key: &Key| format!("{}/{}", key.namespace, key.name);
        let mut rest = selected.skip_while(|(key, _)| after.is_some_and(|after| *place(key) <= *after));
        let page: Vec<(&Key, &Object)> = rest.by_ref().take(limit).collect();
        let mut metadata = json!({"resourceVersion": self.revision.to_string()});
        if rest.next().is_some()
            && let Some((last, _)) = page.last()
        {
            metadata["continue"] = place(last).into();
        }
        let kind = page.first().and_then(|(_, object)| object.value["kind"].as_str()).unwrap_or_default();
        let items: Vec<Value> = page.iter().map(|(key, object)| as_item(key, object.value.clone())).collect();
        json!({"kind": format!("{kind}List"), "metadata": metadata, "items": items})
    }

    /// Begins a watch; an answer instead where it cannot resume from there.
    pub(crate) fn watch(
        &mut self,
        selection: Selection,
        from: Option<u64>,
        bookmarks: bool,
        api_version: String,
        lines: UnboundedSender<Bytes>,
    ) -> Result<u64, Reply> {
        if from.is_some_and(|from| from < self.oldest) {
            let oldest = self.oldest;
            let message = format!("too old resource version: {} ({oldest})", from.unwrap_or_default());
            return Err(status(410, "Expired", &message));
        }
        match from {
            Some(from) => {
                for change in self.history.iter().filter(|change| change.revision > from) {
                    if selection.has(&change.key, &change.value) {
                        lines.send(line(change.kind, &change.value)).ok();
                    }
                }
            }
            None => {
                for (key, object) in &self.objects {
                    if selection.has(key, &object.value) {
                        lines.send(line("ADDED", &object.value)).ok();
                    }
                }
            }
        }
        let id = self.count();
        self.watches.push(Watch { id, selection, bookmarks, api_version, lines });
        Ok(id)
    }

    /// Ends one watch, or all.
    pub(crate) fn unwatch(&mut self, id: Option<u64>) {
        self.watches.retain(|watch| id.is_some_and(|id| id != watch.id));
    }

    /// Open watches.
    pub(crate) fn watching(&mut self) -> usize {
        self.watches.retain(|watch| !watch.lines.is_closed());
        self.watches.len()
    }

    /// Sends every watch that wants one a bookmark.
    pub(crate) fn bookmark(&self) {
        for watch in self.watches.iter().filter(|watch| watch.bookmarks) {
            let object = json!({"apiVersion": watch.api_version, "kind": "Bookmark",
                                "metadata": {"resourceVersion": self.revision.to_string()}});
            watch.lines.send(line("BOOKMARK", &object)).ok();
        }
    }

    /// Forgets the history, so that nothing resumes from before now; open watches are told so and end.
    pub(crate) fn expire(&mut self) {
        // A revision that nobody has seen: whoever is up to date is too old now, too.
        self.revision += 1;
        self.oldest = self.revision;
        self.history.clear();
        let gone = status(410, "Expired", "The resourceVersion for the provided watch is too old.");
        for watch in self.watches.drain(..) {
            watch.lines.send(line("ERROR", &gone.body)).ok();
        }
    }

    fn next_revision(&mut self) -> u64 {
        self.revision += 1;
        self.revision
    }

    /// Remembers a change and tells the watches.
    fn publish(&mut self, revision: u64, kind: &'static str, key: &Key, value: &Value) {
        let text = line(kind, value);
        self.watches
            .retain(|watch| !watch.selection.has(key, value) || watch.lines.send(text.clone()).is_ok());
        self.history.push_back(Change { revision, kind, key: key.clone(), value: Arc::new(value.clone()) });
        if self.history.len() > HISTORY
            && let Some(change) = self.history.pop_front()
        {
            self.oldest = change.revision;
        }
    }
}

/// An event of a watch.
fn line(kind: &str, object: &Value) -> Bytes {
    format!("{}\n", json!({"type": kind, "object": object})).into()
}

/// In lists of the API server's own resources, items do not say their kind.
fn as_item(key: &Key, mut value: Value) -> Value {
    let is_own = !key.group.contains('.') || key.group.ends_with(".k8s.io");
    if is_own && let Some(members) = value.as_object_mut() {
        members.remove("kind");
        members.remove("apiVersion");
    }
    value
}

#[cfg(test)]
mod tests;
