//! What a path names.

/// A resource, and perhaps one object of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Address {
    /// The API group; empty: the core group.
    pub group: String,
    /// The version.
    pub version: String,
    /// The namespace; none: cluster-wide, or all of them.
    pub namespace: Option<String>,
    /// The resource, in the plural.
    pub resource: String,
    /// The object's name.
    pub name: Option<String>,
    /// `status` or another part of the object.
    pub subresource: Option<String>,
}

impl Address {
    /// Reads `/api/v1/…` and `/apis/GROUP/VERSION/…`.
    pub fn parse(path: &str) -> Option<Self> {
        let mut parts = path.trim_matches('/').split('/').peekable();
        let group = match parts.next()? {
            "api" => "",
            "apis" => parts.next()?,
            _ => return None,
        };
        let version = parts.next()?.to_owned();
        let mut namespace = None;
        let mut resource = parts.next()?;
        // `/api/v1/namespaces/NAME` is the namespace itself.
        let rest: Vec<&str> = parts.collect();
        let mut rest = rest.as_slice();
        if let ("namespaces", [of, then, more @ ..]) = (resource, rest)
            && !matches!(*then, "status" | "finalize")
        {
            namespace = Some((*of).to_owned());
            resource = then;
            rest = more;
        }
        let mut rest = rest.iter().map(|part| (*part).to_owned());
        let (name, subresource) = (rest.next(), rest.next());
        Some(Self {
            group: group.to_owned(),
            version,
            namespace,
            resource: resource.to_owned(),
            name,
            subresource,
        })
    }

    /// As `apiVersion` says it.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_resources_and_objects() {
        let node = Address::parse("/api/v1/nodes/n1/status").unwrap();
        assert_eq!((node.resource.as_str(), node.name.as_deref()), ("nodes", Some("n1")));
        assert_eq!(node.subresource.as_deref(), Some("status"));
        let nnc =
            Address::parse("/apis/acn.azure.com/v1alpha/namespaces/kube-system/nodenetworkconfigs").unwrap();
        assert_eq!((nnc.namespace.as_deref(), nnc.name.as_deref()), (Some("kube-system"), None));
        assert_eq!(
            (nnc.resource.as_str(), nnc.api_version().as_str()),
            ("nodenetworkconfigs", "acn.azure.com/v1alpha")
        );
        let namespace = Address::parse("/api/v1/namespaces/kube-system").unwrap();
        assert_eq!((namespace.resource.as_str(), namespace.namespace), ("namespaces", None));
        assert_eq!(Address::parse("/version"), None);
    }
}
