//! Printing a result in the shape of the configuration's version.
//!
//! Order and omission of members are those of the Go library, so that a plugin of this crate cannot be
//! told from one written with it: versions before 1.0.0 print their members in a fixed order and
//! always `dns`; later ones sort them at every level and omit an empty `dns`.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{AddResult, Dns, Interface, IpConfig, Route, is_ipv4};
use crate::error::{ErrorObject, code};
use crate::json;
use crate::version::Version;

/// A result that a version cannot express.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConversionError {
    /// Versions before 0.3.0 need an address (libcni's text).
    #[error("cannot convert: no valid IP addresses")]
    NoAddress {
        /// The version that was asked for.
        version: Version,
    },
    /// The result has no JSON form.
    #[error("cannot print the result as version {version}")]
    Json {
        /// The version that was asked for.
        version: Version,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl From<ConversionError> for ErrorObject {
    fn from(error: ConversionError) -> Self {
        let object = Self::from_error(code::INVALID_NETWORK_CONFIG, &error);
        match error {
            ConversionError::NoAddress { version } => {
                object.with_details(format!("a result of version {version} must have an address"))
            }
            ConversionError::Json { .. } => object,
        }
    }
}

impl AddResult {
    /// The result as it is printed in `version`, indented by four spaces, no newline at its end.
    ///
    /// What the version has no place for is left out: before 1.0.0 the MTU, socket and PCI address of
    /// interfaces; before 0.3.0 also the interfaces themselves, all but the first address of each
    /// family, the routes of a family without address, and of routes all but destination and gateway.
    pub fn to_json(&self, version: Version) -> Result<String, ConversionError> {
        let json = match version {
            Version::V0_1_0 | Version::V0_2_0 => {
                let shape =
                    FamiliesShape::new(version, self).ok_or(ConversionError::NoAddress { version })?;
                json::pretty(&shape)
            }
            Version::V0_3_0 | Version::V0_3_1 | Version::V0_4_0 => {
                json::pretty(&ListsShape::before_1_0(version, self))
            }
            // serde_json keeps the members of a `Value` sorted.
            Version::V1_0_0 | Version::V1_1_0 => {
                serde_json::to_value(ListsShape::new(version, self)).and_then(|value| json::pretty(&value))
            }
        };
        json.map_err(|source| ConversionError::Json { version, source })
    }

    /// The addresses, each with an index that its list of interfaces has.
    fn indexed_ips(&self) -> impl Iterator<Item = IpConfig> {
        let known = self.interfaces.len();
        self.ips
            .iter()
            .map(move |ip| IpConfig { interface: ip.interface.filter(|index| *index < known), ..ip.clone() })
    }
}

/// The shape of 0.1.0 and 0.2.0.
#[derive(Serialize)]
struct FamiliesShape<'r> {
    #[serde(rename = "cniVersion")]
    cni_version: Version,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip4: Option<OneFamily>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip6: Option<OneFamily>,
    dns: &'r Dns,
}

#[derive(Serialize)]
struct OneFamily {
    ip: IpNet,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<Route>,
}

impl<'r> FamiliesShape<'r> {
    fn new(version: Version, result: &'r AddResult) -> Option<Self> {
        let family = |wanted: fn(IpNet) -> bool| {
            let ip = result.ips.iter().find(|ip| wanted(ip.address))?;
            let routes = result.routes.iter().filter(|route| wanted(route.dst));
            let routes = routes.map(|route| Route::new(route.dst, route.gw)).collect();
            Some(OneFamily { ip: ip.address, gateway: ip.gateway, routes })
        };
        let ip4 = family(is_ipv4);
        let ip6 = family(|net| !is_ipv4(net));
        let has_address = ip4.is_some() || ip6.is_some();
        has_address.then_some(Self { cni_version: version, ip4, ip6, dns: &result.dns })
    }
}

/// The shape since 0.3.0. Its order of members is that of the versions before 1.0.0.
#[derive(Serialize)]
struct ListsShape<'r> {
    #[serde(rename = "cniVersion")]
    cni_version: Version,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    interfaces: Vec<Interface>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ips: Vec<ListedIp>,
    #[serde(skip_serializing_if = "<[Route]>::is_empty")]
    routes: &'r [Route],
    #[serde(skip_serializing_if = "Option::is_none")]
    dns: Option<&'r Dns>,
    #[serde(flatten)]
    extra: &'r Map<String, Value>,
}

/// An address in a list, in the order of the versions before 1.0.0.
#[derive(Serialize)]
struct ListedIp {
    /// The family, which versions before 1.0.0 want.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<usize>,
    address: IpNet,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
}

impl<'r> ListsShape<'r> {
    fn new(version: Version, result: &'r AddResult) -> Self {
        let listed = |IpConfig { address, gateway, interface }| ListedIp {
            version: None,
            interface,
            address,
            gateway,
        };
        Self {
            cni_version: version,
            interfaces: result.interfaces.clone(),
            ips: result.indexed_ips().map(listed).collect(),
            routes: &result.routes,
            dns: Some(&result.dns).filter(|dns| !dns.is_empty()),
            extra: &result.extra,
        }
    }

    fn before_1_0(version: Version, result: &'r AddResult) -> Self {
        let shape = Self::new(version, result);
        let without_news = |interface| Interface { mtu: None, socket_path: None, pci_id: None, ..interface };
        let with_family =
            |ip: ListedIp| ListedIp { version: Some(if is_ipv4(ip.address) { "4" } else { "6" }), ..ip };
        Self {
            interfaces: shape.interfaces.into_iter().map(without_news).collect(),
            ips: shape.ips.into_iter().map(with_family).collect(),
            dns: Some(&result.dns),
            ..shape
        }
    }
}
