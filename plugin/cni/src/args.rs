//! `CNI_ARGS`: what the runtime adds to a request, as `KEY=VALUE` pairs with `;` between them.
//!
//! Kubernetes sends the pod's names there, in any order; podman sends `IP` and `MAC`. A pair that
//! podnet does not know never fails, however it looks: the specification's own library would fail, and
//! runtimes had to add `IgnoreUnknown=1` for it, which therefore needs no attention here.

use std::net::IpAddr;
use std::str::FromStr;

use crate::address::{MacAddr, RequestedIp};
use crate::error::{ErrorObject, code};

/// The pairs of `CNI_ARGS` that podnet knows (CNI conventions, `CNI_ARGS`). Absent and empty are one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Args {
    /// `IP`: the addresses to give, separated by commas.
    pub ips: Vec<RequestedIp>,
    /// `GATEWAY`: the gateways of the subnets that they lie in, separated by commas; for `static` alone.
    pub gateways: Vec<IpAddr>,
    /// `MAC`: the hardware address of the container's interface.
    pub mac: Option<MacAddr>,
    /// `K8S_POD_NAMESPACE`: the pod's namespace, for people to read.
    pub pod_namespace: Option<String>,
    /// `K8S_POD_NAME`: the pod's name, for people to read. Names come back: it identifies nothing.
    pub pod_name: Option<String>,
}

/// A pair whose key podnet knows and whose value it cannot use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {key} in CNI_ARGS: {value:?}")]
pub struct ArgsError {
    /// The key: `IP`, `GATEWAY` or `MAC`.
    pub key: &'static str,
    /// What stands after it.
    pub value: String,
}

impl From<ArgsError> for ErrorObject {
    fn from(error: ArgsError) -> Self {
        Self::new(code::INVALID_ENVIRONMENT, error.to_string())
    }
}

impl Args {
    /// Reads the value of `CNI_ARGS`. Of a repeated key the last value counts.
    pub fn parse(text: &str) -> Result<Self, ArgsError> {
        let mut args = Self::default();
        for pair in text.split(';') {
            let (key, value) = pair.split_once('=').map_or((pair, None), |(key, value)| (key, Some(value)));
            match key {
                "IP" => args.ips = known("IP", value, list)?,
                "GATEWAY" => args.gateways = known("GATEWAY", value, list)?,
                "MAC" => args.mac = known("MAC", value, |mac| mac.parse().ok().map(Some))?,
                "K8S_POD_NAMESPACE" => args.pod_namespace = text_of(value),
                "K8S_POD_NAME" => args.pod_name = text_of(value),
                _ => {}
            }
        }
        Ok(args)
    }
}

fn text_of(value: Option<&str>) -> Option<String> {
    value.filter(|value| !value.is_empty()).map(ToOwned::to_owned)
}

/// What `read` makes of the value of `key`; an empty value counts as none. A key that podnet knows and
/// that has no `=` is malformed.
fn known<T: Default>(
    key: &'static str,
    value: Option<&str>,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, ArgsError> {
    match value {
        Some("") => Ok(T::default()),
        _ => {
            value.and_then(read).ok_or_else(|| ArgsError { key, value: value.unwrap_or_default().to_owned() })
        }
    }
}

/// The values in a list separated by commas.
fn list<T: FromStr>(values: &str) -> Option<Vec<T>> {
    values.split(',').map(|value| value.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubernetes_pairs_in_any_order() {
        let args = Args::parse("K8S_POD_NAME=spy;K8S_POD_INFRA_CONTAINER_ID=;K8S_POD_UID=043f;IgnoreUnknown=1;K8S_POD_NAMESPACE=default")
            .unwrap();
        assert_eq!(args.pod_name.as_deref(), Some("spy"));
        assert_eq!(args.pod_namespace.as_deref(), Some("default"));
        assert_eq!(Args::parse("K8S_POD_NAME=;K8S_POD_NAMESPACE"), Ok(Args::default()));
    }

    #[test]
    fn podmans_address_and_mac() {
        let args = Args::parse("IgnoreUnknown=1;K8S_POD_NAME=z;MAC=02:11:22:33:44:55;IP=10.77.0.9").unwrap();
        assert_eq!(args.mac.unwrap().to_string(), "02:11:22:33:44:55");
        assert_eq!(args.ips, ["10.77.0.9".parse().unwrap()]);
    }

    #[test]
    fn lists_and_repetitions() {
        let args = Args::parse("IP=10.0.0.1;IP=10.0.0.2/24, 2001:db8::1;MAC=").unwrap();
        assert_eq!(args.ips, ["10.0.0.2/24".parse().unwrap(), "2001:db8::1".parse().unwrap()]);
        assert_eq!(args.mac, None);
        let args = Args::parse("GATEWAY=10.0.0.1,fd00::1").unwrap();
        assert_eq!(args.gateways, ["10.0.0.1".parse::<IpAddr>().unwrap(), "fd00::1".parse().unwrap()]);
    }

    #[test]
    fn what_is_not_known_never_fails() {
        for text in ["", ";", ";;a=b;", "nonsense", "=", "a=b=c", "ip=x", "mac=zz", "X=\u{fffd}"] {
            assert_eq!(Args::parse(text), Ok(Args::default()), "{text}");
        }
    }

    #[test]
    fn malformed_known_pairs_are_named() {
        let cases = [
            ("IP", "IP", ""),
            ("IP=10.0.0", "IP", "10.0.0"),
            ("IP=a=b", "IP", "a=b"),
            ("IP=10.0.0.1,", "IP", "10.0.0.1,"),
            ("GATEWAY=10.0.0.1/24", "GATEWAY", "10.0.0.1/24"),
            ("MAC=0", "MAC", "0"),
            ("MAC=02:11:22:33:44:55,x", "MAC", "02:11:22:33:44:55,x"),
        ];
        for (text, key, value) in cases {
            let error = Args::parse(text).unwrap_err();
            assert_eq!(error, ArgsError { key, value: value.to_owned() });
            let object = ErrorObject::from(error);
            assert_eq!((object.code, object.msg.contains(key)), (4, true));
        }
    }
}
