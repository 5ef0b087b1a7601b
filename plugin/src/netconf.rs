//! The network configuration of `type: podnet`, from JSON to checked values.
//!
//! Two steps: [`NetConf`] is the text's shape (member names in any case, wrong types refused by name);
//! [`NetConf::check`] decides what it means and names the member that is wrong. Both are pure.

mod vnet;

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use podnet_cni::{Dns, RequestedIp};
use podnet_datapath::{Guard, LinkName, MacAddr, OtherGateways};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::bandwidth::{Annotations, Bandwidth, Members};
use crate::host_ports::{self, PortMappings, Translator};
use crate::logging::Level;
use crate::mode::Mode;
pub(crate) use vnet::Vnet;

/// The bridge of mode kubenet, by kubenet's own name.
const DEFAULT_BRIDGE: &str = "cbr0";

/// The smallest MTU that IPv4 (RFC 791) and IPv6 (RFC 8200 section 5) allow, and the largest that a veth takes.
const MTU_IPV4: u32 = 68;
const MTU_IPV6: u32 = 1280;
const MTU_LARGEST: u32 = 65535;

/// The members of a plugin entry that podnet knows. Unknown ones are tolerated, as the specification asks.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct NetConf {
    /// For the protocol; listed so that `podnet conf` knows them.
    pub(crate) cni_version: Option<Value>,
    pub(crate) name: Option<Value>,
    pub(crate) r#type: Option<String>,
    pub(crate) capabilities: Option<Value>,
    pub(crate) prev_result: Option<Value>,
    #[serde(rename = "cni.dev/valid-attachments")]
    pub(crate) valid_attachments: Option<Value>,
    #[serde(rename = "cni.dev/attachments")]
    pub(crate) attachments: Option<Value>,

    /// Which mode; `kubenet`, `vnet`.
    pub(crate) mode: Option<String>,
    /// Mode vnet: how the pod is connected; `transparent`.
    pub(crate) datapath: Option<String>,
    /// Mode vnet: the node's link to its network; absent: the one of the default route.
    pub(crate) master: Option<String>,
    /// The bridge's name.
    pub(crate) bridge: Option<String>,
    /// Bytes; 0: that of the bridge, or of the default route's link where the bridge is made or there is none.
    pub(crate) mtu: Option<u32>,
    /// `hairpin-veth`, `promiscuous-bridge`, `none`, or the reference bridge's boolean.
    pub(crate) hairpin_mode: Option<Value>,
    /// The reference bridge's word for `promiscuous-bridge`.
    pub(crate) promisc_mode: Option<bool>,
    /// The bridge holds the gateway's address; true.
    pub(crate) is_gateway: Option<bool>,
    /// Default routes through the gateway where `ipam.routes` has none; as `isGateway`.
    pub(crate) is_default_gateway: Option<bool>,
    /// Replace a differing gateway address of the bridge; false.
    pub(crate) force_address: Option<bool>,
    /// Keep a differing gateway address of the bridge, for the pods that it has; false.
    pub(crate) keep_subnets: Option<bool>,
    /// Masquerade what pods send out of their subnet; false.
    pub(crate) ip_masq: Option<bool>,
    /// How host ports are made: `nftables`, `iptables`; absent: nftables, or iptables on a kernel without.
    pub(crate) portmap_backend: Option<String>,
    /// Whether host ports work from the node itself and from the pod's own subnet; true.
    pub(crate) snat: Option<bool>,
    /// Bits a second that the pod may receive, and bits at once; 0: as many as it likes.
    pub(crate) ingress_rate: Option<u64>,
    pub(crate) ingress_burst: Option<u64>,
    /// The same for what it sends.
    pub(crate) egress_rate: Option<u64>,
    pub(crate) egress_burst: Option<u64>,
    /// Subnets with which alone the pod's traffic is limited, or with which it is not; one of both.
    pub(crate) shaped_subnets: Vec<String>,
    pub(crate) unshaped_subnets: Vec<String>,
    /// Its type decides who reads it.
    pub(crate) ipam: Option<IgnoredAny>,
    /// Seconds that one call of an executed IPAM plugin may take, 90, or of an address daemon, about one.
    pub(crate) ipam_timeout: Option<u64>,
    /// azure-vnet's word for `ipam.url`.
    #[serde(rename = "cnsurl")]
    pub(crate) cns_url: Option<String>,
    /// Takes the place of what IPAM says.
    pub(crate) dns: Option<Dns>,
    pub(crate) runtime_config: RuntimeConfig,
    pub(crate) args: Args,
    pub(crate) log_level: Option<Level>,
    /// Where logs go instead of stderr.
    pub(crate) log_file: Option<PathBuf>,

    /// What pods are kept from; see [`Guard`].
    pub(crate) anti_spoofing: Option<bool>,
    pub(crate) block_wireserver: Option<bool>,
    #[serde(rename = "blockIMDS")]
    pub(crate) block_imds: Option<bool>,
}

/// What the runtime passes for capabilities.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct RuntimeConfig {
    pub(crate) mac: Option<podnet_cni::MacAddr>,
    pub(crate) ips: Vec<RequestedIp>,
    pub(crate) ip_ranges: Vec<Vec<podnet_host_local::RangeConfig>>,
    pub(crate) port_mappings: Vec<host_ports::Entry>,
    pub(crate) bandwidth: Option<Members>,
    /// All of the pod's, where the runtime passes nothing more exact.
    #[serde(rename = "io.kubernetes.cri.pod-annotations")]
    pub(crate) pod_annotations: Annotations,
    pub(crate) dns: RuntimeDns,
}

/// What the runtime passes for the capability `dns`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RuntimeDns {
    pub(crate) servers: Vec<String>,
    pub(crate) searches: Vec<String>,
    pub(crate) options: Vec<String>,
}

/// The `args` member.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Args {
    pub(crate) cni: CniArgs,
}

/// Conventional arguments: `args.cni`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CniArgs {
    pub(crate) mac: Option<podnet_cni::MacAddr>,
    pub(crate) ips: Vec<RequestedIp>,
    /// For other plugins; listed so that `podnet conf` knows them.
    pub(crate) labels: Option<IgnoredAny>,
}

/// What is wrong with a member.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// A value outside what the member may hold.
    #[error("{member}: {value} is not valid: {rule}")]
    Invalid {
        /// The member's path.
        member: Cow<'static, str>,
        /// What was given.
        value: String,
        /// What it may be.
        rule: String,
    },
    /// A value that this version or mode cannot honour; the specification's code 2.
    #[error("unsupported field {member}: {value}")]
    Unsupported {
        /// The member's path.
        member: &'static str,
        /// What was given.
        value: String,
    },
    /// A member that must be there.
    #[error("{member} is missing: {rule}")]
    Missing {
        /// The member's path.
        member: &'static str,
        /// What belongs there.
        rule: &'static str,
    },
}

impl ConfigError {
    pub(crate) fn invalid(
        member: impl Into<Cow<'static, str>>,
        value: impl Into<String>,
        rule: impl Into<String>,
    ) -> Self {
        Self::Invalid { member: member.into(), value: value.into(), rule: rule.into() }
    }

    fn unsupported(member: &'static str, value: impl Into<String>) -> Self {
        Self::Unsupported { member, value: value.into() }
    }
}

/// How a pod reaches itself through a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hairpin {
    /// As far as the node's routing does it.
    None,
    /// The bridge sends frames back to the port that they came from.
    Veth,
    /// kubenet's way: the bridge is promiscuous, and what comes of it twice is dropped.
    Promiscuous,
}

/// The configuration of mode kubenet, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kubenet {
    pub(crate) bridge: LinkName,
    pub(crate) hairpin: Hairpin,
    pub(crate) is_gateway: bool,
    pub(crate) is_default_gateway: bool,
    pub(crate) others: OtherGateways,
    pub(crate) pod: PodOptions,
    /// Nobody else has an address in the pods' networks: a matter of where they come from.
    pub(crate) owns_subnets: bool,
}

/// What pods of every mode may have, checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct PodOptions {
    /// `None`: see [`NetConf::mtu`].
    pub(crate) mtu: Option<u32>,
    pub(crate) ip_masq: bool,
    pub(crate) host_ports: PortMappings,
    pub(crate) bandwidth: Bandwidth,
    /// What pods are kept from doing.
    pub(crate) guard: Guard,
    /// The pod's MAC where the caller names one.
    pub(crate) mac: Option<MacAddr>,
}

impl PodOptions {
    /// Checks what depends on the pods' addresses.
    pub(crate) fn check_families(&self, has_ipv6: bool) -> Result<(), ConfigError> {
        match self.mtu {
            Some(mtu) if has_ipv6 && mtu < MTU_IPV6 => {
                Err(ConfigError::invalid("mtu", mtu.to_string(), format!("IPv6 needs {MTU_IPV6} or more")))
            }
            _ => Ok(()),
        }
    }
}

impl NetConf {
    /// Decides what the configuration means.
    ///
    /// # Arguments
    /// `args`: CNI_ARGS, whose `MAC` `args.cni.mac` overrules, and that `runtimeConfig.mac`.
    pub(crate) fn check(&self, args: &podnet_cni::Args) -> Result<Mode, ConfigError> {
        const RULE: &str = "modes are \"kubenet\" and \"vnet\"";
        match self.mode.as_deref() {
            Some("kubenet") => Ok(Mode::Kubenet(self.check_kubenet(args)?)),
            Some("vnet") => Ok(Mode::Vnet(self.check_vnet(args)?)),
            Some(other) => Err(ConfigError::invalid("mode", format!("{other:?}"), RULE)),
            None => Err(ConfigError::Missing { member: "mode", rule: RULE }),
        }
    }

    fn check_kubenet(&self, args: &podnet_cni::Args) -> Result<Kubenet, ConfigError> {
        let is_gateway = self.is_gateway.unwrap_or(true) || self.is_default_gateway == Some(true);
        Ok(Kubenet {
            bridge: bridge_name(self.bridge.as_deref(), DEFAULT_BRIDGE)?,
            hairpin: self.hairpin()?,
            is_gateway,
            is_default_gateway: self.is_default_gateway.unwrap_or(is_gateway),
            others: self.other_gateways()?,
            pod: self.pod_options(args, Guard::default())?,
            owns_subnets: false,
        })
    }

    fn other_gateways(&self) -> Result<OtherGateways, ConfigError> {
        match (self.force_address, self.keep_subnets) {
            (Some(true), Some(true)) => Err(ConfigError::invalid(
                "keepSubnets",
                "true",
                "it cannot be had together with forceAddress",
            )),
            (Some(true), _) => Ok(OtherGateways::Replaced),
            (_, Some(true)) => Ok(OtherGateways::Kept),
            _ => Ok(OtherGateways::Refused),
        }
    }

    /// # Arguments
    /// `guard`: what the pod is kept from where the configuration says nothing.
    fn pod_options(&self, args: &podnet_cni::Args, guard: Guard) -> Result<PodOptions, ConfigError> {
        let mac = self.runtime_config.mac.or(self.args.cni.mac).or(args.mac);
        Ok(PodOptions {
            mtu: mtu(self.mtu)?,
            ip_masq: self.ip_masq.unwrap_or(false),
            host_ports: self.host_ports()?,
            bandwidth: self.bandwidth()?,
            guard: self.guard(guard),
            mac: mac.map(|mac| MacAddr::new(mac.octets())),
        })
    }

    /// `ipamTimeout`.
    pub(crate) fn ipam_timeout(&self) -> Result<Option<Duration>, ConfigError> {
        match self.ipam_timeout {
            Some(seconds @ (0 | 3601..)) => {
                Err(ConfigError::invalid("ipamTimeout", seconds.to_string(), "1 to 3600 seconds"))
            }
            seconds => Ok(seconds.map(Duration::from_secs)),
        }
    }

    /// What the pod is told of DNS: each list by the runtime, else by the configuration, which takes the place of all that
    /// IPAM says.
    pub(crate) fn dns(&self, ipam: Dns) -> Dns {
        let RuntimeDns { servers, searches, options } = self.runtime_config.dns.clone();
        let dns = self.dns.clone().filter(|dns| !dns.is_empty()).unwrap_or(ipam);
        let either = |runtime: Vec<String>, other| if runtime.is_empty() { other } else { runtime };
        Dns {
            nameservers: either(servers, dns.nameservers),
            domain: dns.domain,
            search: either(searches, dns.search),
            options: either(options, dns.options),
        }
    }

    /// Whether IPAM need not say anything of DNS.
    pub(crate) fn has_dns(&self) -> bool {
        self.dns.as_ref().is_some_and(|dns| !dns.is_empty())
    }

    fn guard(&self, by_default: Guard) -> Guard {
        Guard {
            spoofing: self.anti_spoofing.unwrap_or(by_default.spoofing),
            wireserver: self.block_wireserver.unwrap_or(by_default.wireserver),
            imds: self.block_imds.unwrap_or(by_default.imds),
        }
    }

    fn bandwidth(&self) -> Result<Bandwidth, ConfigError> {
        let configured = Members {
            ingress_rate: self.ingress_rate,
            ingress_burst: self.ingress_burst,
            egress_rate: self.egress_rate,
            egress_burst: self.egress_burst,
            shaped_subnets: self.shaped_subnets.clone(),
            unshaped_subnets: self.unshaped_subnets.clone(),
        };
        let runtime = &self.runtime_config;
        Bandwidth::check(&configured, runtime.bandwidth.as_ref(), &runtime.pod_annotations)
    }

    fn host_ports(&self) -> Result<PortMappings, ConfigError> {
        let translator = match self.portmap_backend.as_deref() {
            None | Some("nftables") => Translator::Podnet,
            Some("iptables") => Translator::Iptables,
            Some(other) => return Err(ConfigError::unsupported("portmapBackend", format!("{other:?}"))),
        };
        let ports = PortMappings::check(&self.runtime_config.port_mappings, self.snat.unwrap_or(true))?;
        Ok(PortMappings { translator, ..ports })
    }

    fn hairpin(&self) -> Result<Hairpin, ConfigError> {
        const RULE: &str = "\"hairpin-veth\", \"promiscuous-bridge\" or \"none\"";
        let named = match &self.hairpin_mode {
            None => None,
            Some(Value::Bool(true)) => Some(Hairpin::Veth),
            Some(Value::Bool(false)) => Some(Hairpin::None),
            Some(Value::String(mode)) if mode == "hairpin-veth" => Some(Hairpin::Veth),
            Some(Value::String(mode)) if mode == "promiscuous-bridge" => Some(Hairpin::Promiscuous),
            Some(Value::String(mode)) if mode == "none" => Some(Hairpin::None),
            Some(other) => return Err(ConfigError::invalid("hairpinMode", other.to_string(), RULE)),
        };
        match (self.promisc_mode, named) {
            (Some(true), Some(Hairpin::Veth)) => Err(ConfigError::invalid(
                "promiscMode",
                "true",
                "hairpinMode asks for hairpin-veth: one of both",
            )),
            (Some(false), Some(Hairpin::Promiscuous)) => {
                Err(ConfigError::invalid("promiscMode", "false", "hairpinMode asks for promiscuous-bridge"))
            }
            (Some(true), _) => Ok(Hairpin::Promiscuous),
            (_, named) => Ok(named.unwrap_or(Hairpin::Veth)),
        }
    }
}

/// The bridge of this name; absent or empty: of the default one.
pub(crate) fn bridge_name(given: Option<&str>, default: &str) -> Result<LinkName, ConfigError> {
    let name = given.filter(|name| !name.is_empty()).unwrap_or(default);
    name.parse().map_err(|error| ConfigError::invalid("bridge", format!("{name:?}"), format!("{error}")))
}

/// `mtu`, where one is asked for.
pub(crate) fn mtu(given: Option<u32>) -> Result<Option<u32>, ConfigError> {
    match given {
        None | Some(0) => Ok(None),
        Some(mtu) if (MTU_IPV4..=MTU_LARGEST).contains(&mtu) => Ok(Some(mtu)),
        Some(mtu) => {
            let rule = format!("0 for that of the bridge or the uplink, else {MTU_IPV4} to {MTU_LARGEST}");
            Err(ConfigError::invalid("mtu", mtu.to_string(), rule))
        }
    }
}

#[cfg(test)]
mod tests;
