//! Which objects a list or a watch is about.

use serde_json::Value;

use super::Key;
use crate::address::Address;

/// A resource, a namespace, and selectors of equality.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    group: String,
    resource: String,
    namespace: Option<String>,
    /// JSON pointers and what they have to point to.
    fields: Vec<(String, String)>,
    labels: Vec<(String, String)>,
}

impl Selection {
    /// Reads the selectors of a query; `a==b` is `a=b`.
    pub(crate) fn of(address: &Address, fields: &str, labels: &str) -> Self {
        let pairs = |text: &str| -> Vec<(String, String)> {
            let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
            pairs.map(|(name, value)| (name.to_owned(), value.trim_start_matches('=').to_owned())).collect()
        };
        let mut fields = pairs(fields);
        if let Some(name) = &address.name {
            fields.push(("metadata.name".to_owned(), name.clone()));
        }
        let pointer = |(name, value): (String, String)| (format!("/{}", name.replace('.', "/")), value);
        Self {
            group: address.group.clone(),
            resource: address.resource.clone(),
            namespace: address.namespace.clone(),
            fields: fields.into_iter().map(pointer).collect(),
            labels: pairs(labels),
        }
    }

    pub(super) fn has(&self, key: &Key, value: &Value) -> bool {
        let labels = &value["metadata"]["labels"];
        key.group == self.group
            && key.resource == self.resource
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace)
            && self.fields.iter().all(|(pointer, wanted)| {
                value.pointer(pointer).and_then(Value::as_str).unwrap_or_default() == wanted
            })
            && self.labels.iter().all(|(name, wanted)| labels[name] == **wanted)
    }
}
