//! `static`: the configuration and the runtime say the addresses.
//!
//! ```text
//!  ipam.addresses + IP of CNI_ARGS, GATEWAY of CNI_ARGS where it fits   unless
//!  args.cni.ips                                                         unless
//!  runtimeConfig.ips
//! ```

use std::net::IpAddr;

use ipnet::IpNet;
use podnet_cni::{AddResult, Args, Dns, IpConfig, Network, RequestedIp, Route, Version};
use serde::Deserialize;

use super::{Gateways, Grant, called_by_name};
use crate::error::Error;
use crate::netconf::{ConfigError, NetConf};

/// The members of `ipam` for the type `static` (<https://www.cni.dev/plugins/current/ipam/static/>).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct FixedConfig {
    /// Looked at before.
    #[serde(rename = "type")]
    _type: String,
    /// The pod's addresses.
    addresses: Vec<AddressConfig>,
    /// Routes for the pod.
    routes: Vec<Route>,
    /// What the pod is told of DNS.
    dns: Dns,
}

/// One address of `ipam.addresses`.
#[derive(Debug, Clone, Deserialize)]
struct AddressConfig {
    address: RequestedIp,
    /// Empty: none.
    #[serde(default)]
    gateway: String,
}

/// Addresses that were found good.
#[derive(Debug)]
pub(crate) struct Fixed {
    grant: Grant,
}

impl Fixed {
    /// Decides which addresses are meant.
    pub(super) fn read(
        config: &FixedConfig,
        conf: &NetConf,
        network: &Network,
        args: &Args,
        gateways: Gateways,
    ) -> Result<Self, Error> {
        let result = result(config, conf, network, args)?;
        if result.ips.is_empty() {
            let rule = "type static gives the addresses that stand there or that the runtime asks for";
            return Err(ConfigError::Missing { member: "ipam.addresses", rule }.into());
        }
        Ok(Self { grant: Grant::new(result, gateways)? })
    }

    /// What the plugin `static`, called by its own name, answers: the addresses as they stand, whether a pod can live
    /// with them or not.
    pub(crate) fn called_by_name(network: &Network, args: &Args) -> Result<AddResult, Error> {
        let (config, conf) = called_by_name(network)?;
        Ok(result(&config, &conf, network, args)?)
    }

    /// What every pod of the request gets.
    pub(super) fn grant(&self) -> &Grant {
        &self.grant
    }
}

fn result(
    config: &FixedConfig,
    conf: &NetConf,
    network: &Network,
    args: &Args,
) -> Result<AddResult, ConfigError> {
    let ips = addresses(config, conf, args)?;
    let ipv4 = ips.iter().filter(|ip| ip.address.addr().is_ipv4()).count();
    if network.version < Version::V0_3_0 && (ipv4 > 1 || ips.len() - ipv4 > 1) {
        let given: Vec<String> = ips.iter().map(|ip| ip.address.to_string()).collect();
        let rule = "CNI versions before 0.3.0 do not support more than 1 address per family";
        return Err(ConfigError::invalid("ipam.addresses", given.join(", "), rule));
    }
    let (routes, dns) = (config.routes.clone(), config.dns.clone());
    Ok(AddResult { ips, routes, dns, ..AddResult::default() })
}

fn addresses(config: &FixedConfig, conf: &NetConf, args: &Args) -> Result<Vec<IpConfig>, ConfigError> {
    let (runtime, cni) = (&conf.runtime_config.ips, &conf.args.cni.ips);
    let mut ips = if !runtime.is_empty() {
        requested("runtimeConfig.ips", runtime)?
    } else if !cni.is_empty() {
        requested("args.cni.ips", cni)?
    } else {
        let configured = config.addresses.iter().map(AddressConfig::read);
        let mut ips = configured.collect::<Result<Vec<_>, _>>()?;
        ips.extend(requested("IP of CNI_ARGS", &args.ips)?);
        for ip in &mut ips {
            let fitting = args.gateways.iter().rfind(|gateway| ip.address.contains(*gateway));
            ip.gateway = fitting.copied().or(ip.gateway);
        }
        ips
    };
    // Whoever configures an address and asks for it too means one.
    let mut seen = Vec::new();
    ips.retain(|ip| {
        let is_new = !seen.contains(&ip.address);
        seen.push(ip.address);
        is_new
    });
    Ok(ips)
}

fn requested(member: &'static str, ips: &[RequestedIp]) -> Result<Vec<IpConfig>, ConfigError> {
    let ip = |ip: &RequestedIp| {
        Ok(IpConfig { address: with_prefix(member, *ip)?, gateway: None, interface: None })
    };
    ips.iter().map(ip).collect()
}

fn with_prefix(member: &'static str, ip: RequestedIp) -> Result<IpNet, ConfigError> {
    match ip {
        RequestedIp::WithPrefix(net) => Ok(net),
        RequestedIp::Address(address) => {
            let rule = "type static needs the prefix length of the network too, as in 10.0.0.5/24";
            Err(ConfigError::invalid(member, address.to_string(), rule))
        }
    }
}

impl AddressConfig {
    fn read(&self) -> Result<IpConfig, ConfigError> {
        let malformed = |_| {
            ConfigError::invalid(
                "ipam.addresses",
                format!("{:?}", self.gateway),
                "a gateway is an IP address",
            )
        };
        let gateway = Some(self.gateway.as_str()).filter(|text| !text.is_empty());
        Ok(IpConfig {
            address: with_prefix("ipam.addresses", self.address)?,
            gateway: gateway.map(|text| text.parse::<IpAddr>().map_err(malformed)).transpose()?,
            interface: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use podnet_cni::json::decode;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::network;

    fn read(config: &Value, args: &str) -> Result<Fixed, Error> {
        let conf: NetConf = decode(config).unwrap();
        let fixed: FixedConfig = decode(&config["ipam"]).unwrap();
        Fixed::read(&fixed, &conf, &network(config), &Args::parse(args).unwrap(), Gateways::Needed)
    }

    fn given(config: &Value, args: &str) -> Vec<String> {
        let fixed = read(config, args).unwrap();
        fixed
            .grant()
            .leases
            .iter()
            .map(|lease| format!("{} via {}", lease.address, lease.gateway.unwrap()))
            .collect()
    }

    fn configured() -> Value {
        json!({"ipam": {"addresses": [{"address": "10.1.0.5/24", "gateway": "10.1.0.254"}, {"Address": "fd00::5/64"}]}})
    }

    #[test]
    fn the_runtime_replaces_args_and_those_what_is_configured() {
        let mut config = configured();
        assert_eq!(given(&config, ""), ["10.1.0.5/24 via 10.1.0.254", "fd00::5/64 via fd00::1"]);
        let args = "IP=10.2.0.5/24,10.1.0.5/24;GATEWAY=10.2.0.9,fd00::9";
        assert_eq!(
            given(&config, args),
            ["10.1.0.5/24 via 10.1.0.254", "fd00::5/64 via fd00::9", "10.2.0.5/24 via 10.2.0.9"],
            "CNI_ARGS add, and say the gateways of the networks that they are in"
        );
        config["args"] = json!({"cni": {"ips": ["10.3.0.5/24"]}});
        assert_eq!(given(&config, args), ["10.3.0.5/24 via 10.3.0.1"]);
        config["runtimeConfig"] = json!({"IPs": ["10.4.0.5/24", "fd04::5/64"]});
        assert_eq!(given(&config, args), ["10.4.0.5/24 via 10.4.0.1", "fd04::5/64 via fd04::1"]);
    }

    #[test]
    fn every_source_must_say_the_prefix_length() {
        for (config, args, words) in [
            (json!({"ipam": {"addresses": [{"address": "10.1.0.5"}]}}), "", "ipam.addresses: 10.1.0.5 "),
            (configured(), "IP=10.1.0.6", "IP of CNI_ARGS: 10.1.0.6 "),
            (json!({"args": {"cni": {"ips": ["10.1.0.6"]}}, "ipam": {}}), "", "args.cni.ips: 10.1.0.6 "),
            (json!({"runtimeConfig": {"ips": ["10.1.0.6"]}, "ipam": {}}), "", "runtimeConfig.ips: 10.1.0.6 "),
            (
                json!({"ipam": {"addresses": [{"address": "10.1.0.5/24", "gateway": "x"}]}}),
                "",
                "ipam.addresses: \"x\" ",
            ),
            (json!({"ipam": {}}), "", "ipam.addresses is missing"),
        ] {
            let error = read(&config, args).unwrap_err().to_string();
            assert!(error.starts_with(words), "{config} {args}: {error}");
        }
    }
}
