//! What can go wrong, on demand.

use std::time::Duration;

use serde_json::Value;

use crate::address::Address;
use crate::reply::{Reply, status};

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// 401: the token is not known.
    Unauthorized,
    /// 403: no rule allows it.
    Forbidden,
    /// 404 in plain text, as for a resource whose definition is not installed.
    NoSuchResource,
    /// 410: the resource version is too old.
    Gone,
    /// 429, with the seconds of `Retry-After`.
    TooMany(u32),
    /// 500.
    Internal,
    /// The answer comes late.
    Slow(Duration),
    /// No answer comes, and the connection stays open.
    Silent,
}

/// What it goes wrong with; what is absent matches everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Where {
    /// The verb, as in [`Request`](crate::Request).
    pub verb: Option<&'static str>,
    /// The resource, in the plural.
    pub resource: Option<&'static str>,
    /// So many requests; none: until the trouble is over.
    pub times: Option<usize>,
}

impl Where {
    pub(crate) fn matches(&self, verb: &str, address: &Address) -> bool {
        self.verb.is_none_or(|of| of == verb) && self.resource.is_none_or(|of| of == address.resource)
    }
}

impl Trouble {
    /// The answer, where there is one instead of the right one.
    pub(crate) fn reply(&self, verb: &str, address: &Address) -> Option<Reply> {
        let resource = &address.resource;
        Some(match self {
            Self::Unauthorized => status(401, "Unauthorized", "Unauthorized"),
            Self::Forbidden => {
                let of = address.namespace.as_ref();
                let of =
                    of.map_or("at the cluster scope".to_owned(), |of| format!("in the namespace {of:?}"));
                let name = address.name.as_ref().map(|name| format!(" {name:?}")).unwrap_or_default();
                let group = &address.group;
                status(
                    403,
                    "Forbidden",
                    &format!(
                        "{resource}{name} is forbidden: User \"system:serviceaccount:kube-system:podnet-ipamd\" cannot {verb} resource {resource:?} in API group {group:?} {of}"
                    ),
                )
            }
            Self::NoSuchResource => Reply { code: 404, headers: Vec::new(), body: Value::Null },
            Self::Gone => status(410, "Expired", "too old resource version: 1 (2)"),
            Self::TooMany(seconds) => {
                let mut reply = status(429, "TooManyRequests", "Too many requests, please try again later.");
                reply.headers.push(("retry-after", seconds.to_string()));
                reply
            }
            Self::Internal => status(500, "InternalError", "etcdserver: request timed out"),
            Self::Slow(_) | Self::Silent => return None,
        })
    }
}
