//! Reading a result of any version.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{AddResult, Dns, Interface, IpConfig, Route};
use crate::error::{ErrorObject, code};
use crate::json::{self, DecodeError};
use crate::version::Version;

/// A result that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("cannot decode result")]
pub struct ResultError(#[source] DecodeError);

impl ResultError {
    /// The same error, seen from a document that has the result at `path`.
    #[must_use]
    pub fn within(self, path: &str) -> Self {
        Self(self.0.within(path))
    }
}

impl From<ResultError> for ErrorObject {
    fn from(error: ResultError) -> Self {
        Self::new(code::DECODING_FAILURE, format!("{error}: {}", error.0))
    }
}

/// The members of all versions' results, side by side: which are there tells the shape.
#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[derive(Default)]
struct AnyShape {
    cni_version: String,
    ip4: Option<OneFamily>,
    ip6: Option<OneFamily>,
    interfaces: Vec<Interface>,
    ips: Vec<IpConfig>,
    routes: Vec<Route>,
    dns: Dns,
}

/// The names of the members of [`AnyShape`].
const MEMBERS: [&str; 7] = ["cniVersion", "ip4", "ip6", "interfaces", "ips", "routes", "dns"];

/// The address of one family, as results before 0.3.0 have it.
#[derive(Deserialize)]
struct OneFamily {
    ip: IpNet,
    #[serde(default, deserialize_with = "unless_empty")]
    gateway: Option<IpAddr>,
    #[serde(default)]
    routes: Vec<Route>,
}

impl AddResult {
    /// Reads a result of any supported version, whichever version it claims. `null` and an object
    /// without members are the empty result, as for libcni.
    pub fn parse(value: &Value) -> Result<Self, ResultError> {
        if value.is_null() {
            return Ok(Self::default());
        }
        let shape: AnyShape = json::decode(value).map_err(ResultError)?;
        if Version::from_name(&shape.cni_version).is_none() {
            let reason = format!("{:?} is no supported version", shape.cni_version);
            return Err(ResultError(DecodeError::new("cniVersion", reason)));
        }
        let mut result = Self {
            interfaces: shape.interfaces,
            routes: shape.routes,
            dns: shape.dns,
            extra: value.as_object().into_iter().flatten().filter(is_extra).map(owned).collect(),
            ips: Vec::new(),
        };
        for OneFamily { ip, gateway, routes } in shape.ip4.into_iter().chain(shape.ip6) {
            result.ips.push(IpConfig { address: ip, gateway, interface: None });
            result.routes.extend(routes);
        }
        result.ips.extend(shape.ips);
        result.drop_dangling_indices();
        Ok(result)
    }
}

fn is_extra((key, _): &(&String, &Value)) -> bool {
    !MEMBERS.iter().any(|member| member.eq_ignore_ascii_case(key))
}

fn owned((key, value): (&String, &Value)) -> (String, Value) {
    (key.clone(), value.clone())
}

/// A value that Go omits when it is the zero value of its type, and so takes the zero value as absent.
pub(super) fn unless_default<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de> + Default + PartialEq,
    D: Deserializer<'de>,
{
    let value = Option::<T>::deserialize(deserializer)?;
    Ok(value.filter(|value| *value != T::default()))
}

/// An address; Go reads the empty text as none.
pub(super) fn unless_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<IpAddr>, D::Error> {
    let text: Option<String> = unless_default(deserializer)?;
    text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
}

/// An index into the list of interfaces; plugins were seen to send -1 for none.
pub(super) fn index<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    let index = Option::<i64>::deserialize(deserializer)?;
    Ok(index.and_then(|index| usize::try_from(index).ok()))
}
