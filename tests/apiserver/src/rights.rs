//! Access rules (RBAC), as far as they are about what was asked.

use serde_json::Value;

use crate::log::Request;

/// One verb on one resource. Whether a rule names objects is not looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// The namespace of the role, and of the request; none: cluster-wide.
    pub namespace: Option<String>,
    /// The API group; empty: the core group.
    pub group: String,
    /// The resource, in the plural, and its part, as in `nodes/status`.
    pub resource: String,
    /// As in [`Request::verb`].
    pub verb: String,
}

impl Right {
    /// All that a rule gives (`rules[]` of a Role or a `ClusterRole`).
    ///
    /// # Arguments
    /// `namespace`: the Role's; none: it is a `ClusterRole`.
    pub fn of_rule(namespace: Option<&str>, rule: &Value) -> Vec<Self> {
        let texts = |member: &str| rule[member].as_array().into_iter().flatten().filter_map(Value::as_str);
        let mut rights = Vec::new();
        for group in texts("apiGroups") {
            for resource in texts("resources") {
                rights.extend(texts("verbs").map(|verb| Self {
                    namespace: namespace.map(str::to_owned),
                    group: group.to_owned(),
                    resource: resource.to_owned(),
                    verb: verb.to_owned(),
                }));
            }
        }
        rights
    }
}

impl Request {
    /// What has to be granted for it.
    pub fn right(&self) -> Right {
        let address = &self.address;
        let part = address.subresource.iter().flat_map(|part| ["/", part.as_str()]);
        Right {
            namespace: address.namespace.clone(),
            group: address.group.clone(),
            resource: [address.resource.as_str()].into_iter().chain(part).collect(),
            verb: self.verb.to_owned(),
        }
    }
}
