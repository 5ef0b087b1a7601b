//! Where a pod's addresses come from: `ipam.type`.
//!
//! ```text
//!  host-local ─ in this process, the reference plugin's files ─┐
//!  static     ─ in this process, from the configuration alone  ├─▶ Grant { addresses, routes, dns }
//!  podnet-ipamd, azure-cns ─ a daemon of the node, by HTTP ────┤
//!  any other  ─ a plugin of CNI_PATH, executed                 ┘
//! ```
//!
//! [`Ipam`] serves ADD, CHECK and STATUS, by a configuration that was found good. DEL and GC cannot count on one:
//! [`release()`] goes by the record, and by no more of a configuration than it needs.

mod daemon;
mod delegate;
mod fixed;
mod grant;
mod host_local;
mod release;

use ipnet::IpNet;
use podnet_cni::json::{DecodeError, decode, inspect, member};
use podnet_cni::{Args, Network, Route};
use podnet_datapath::Owner;
use podnet_host_local::{IpamConfig, Reserved, Usage};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use daemon::DaemonConfig;
pub(crate) use daemon::{DEFAULT_SOCKET, Daemon, DaemonError, Kind, Offer, Offered, Style};
pub(crate) use delegate::{Delegate, DelegateError};
pub(crate) use fixed::Fixed;
pub(crate) use grant::{Gateways, Grant, GrantError};
pub(crate) use host_local::HostLocal;
pub(crate) use release::{collect, collect_reservations, has_reservation, release, release_reservations};

use crate::error::Error;
use crate::netconf::{self, ConfigError, NetConf, RuntimeConfig};
use crate::record::{Lease, Registry};
use fixed::FixedConfig;

/// The member of the configuration.
const MEMBER: &str = "ipam";

/// Waits for the addresses that were asked for.
pub(crate) type Answer<'a> = Box<dyn FnOnce() -> Result<Grant, Error> + 'a>;

/// A source of addresses, checked as far as can be without asking it.
#[derive(Debug)]
pub(crate) enum Ipam {
    HostLocal(HostLocal),
    Static(Fixed),
    Daemon(Daemon),
    Delegate(Delegate),
}

impl Ipam {
    /// Checks `ipam` and what the runtime asks for.
    pub(crate) fn read(
        conf: &NetConf,
        network: &Network,
        args: &Args,
        gateways: Gateways,
    ) -> Result<Self, Error> {
        let given = given(&network.config);
        conf.ipam_timeout()?;
        match kind(given)?.as_str() {
            "" => Err(ConfigError::Missing {
                member: "ipam.type",
                rule: "\"host-local\", \"static\", \"podnet-ipamd\", \"azure-cns\" or the name of an IPAM plugin",
            }
            .into()),
            "host-local" => Ok(Self::HostLocal(HostLocal::read(&read(given)?, conf, network, args)?)),
            "static" => Ok(Self::Static(Fixed::read(&read(given)?, conf, network, args, gateways)?)),
            name => match Kind::named(name) {
                Some(kind) => {
                    let daemon = Daemon::read(kind, &read(given)?, conf, Style::Interface, args)?;
                    Ok(Self::Daemon(daemon.with_gateways(gateways)))
                }
                None => Ok(Self::Delegate(Delegate::read(name, conf, network, gateways)?)),
            },
        }
    }

    /// Whether the configuration names a source at all.
    pub(crate) fn is_named(network: &Network) -> Result<bool, Error> {
        Ok(!kind(given(&network.config))?.is_empty())
    }

    /// Whether pods get an address of IPv6, as far as is known before ADD.
    pub(crate) fn has_ipv6(&self) -> bool {
        match self {
            Self::HostLocal(host_local) => host_local.has_ipv6(),
            Self::Static(fixed) => fixed.grant().has_ipv6(),
            Self::Daemon(_) | Self::Delegate(_) => false,
        }
    }

    /// The routes where the configuration alone says them.
    pub(crate) fn routes(&self) -> Option<Vec<Route>> {
        match self {
            Self::HostLocal(host_local) => Some(host_local.routes()),
            Self::Static(fixed) => Some(fixed.grant().routes.clone()),
            Self::Daemon(_) | Self::Delegate(_) => None,
        }
    }

    /// What must be there for [`Ipam::allocate`]: the plugin's file.
    pub(crate) fn locate(&self) -> Result<(), Error> {
        if let Self::Delegate(delegate) = self {
            delegate.locate()?;
        }
        Ok(())
    }

    /// Addresses for the owner, or none at all.
    pub(crate) fn allocate(&self, owner: &Owner) -> Result<Grant, Error> {
        self.ask(owner)?()
    }

    /// The first half of [`Ipam::allocate`], and what is left to be called for the second. In between a daemon works.
    pub(crate) fn ask<'a>(&'a self, owner: &'a Owner) -> Result<Answer<'a>, Error> {
        Ok(match self {
            Self::HostLocal(host_local) => Box::new(|| host_local.allocate(owner)),
            Self::Static(fixed) => Box::new(|| Ok(fixed.grant().clone())),
            Self::Daemon(daemon) => {
                let asked = daemon.ask(owner)?;
                Box::new(|| Ok(daemon.granted(owner, asked)?))
            }
            Self::Delegate(delegate) => Box::new(|| Ok(delegate.add(owner)?)),
        })
    }

    /// Refuses addresses that somebody on this node has, where nobody made sure of that before. To be called when the
    /// record has the addresses: of two ADDs at once, at least one then sees the other.
    pub(crate) fn ensure_unused(
        &self,
        owner: &Owner,
        leases: &[Lease],
        registry: &Registry,
    ) -> Result<(), Error> {
        match self {
            Self::HostLocal(_) | Self::Daemon(_) => Ok(()),
            Self::Static(_) | Self::Delegate(_) => grant::ensure_unused(owner, leases, registry),
        }
    }

    /// How the source's own memory differs from what the attachment in the namespace `netns` was given.
    pub(crate) fn check(&self, owner: &Owner, leases: &[Lease], netns: &str) -> Result<Vec<String>, Error> {
        match self {
            Self::HostLocal(host_local) => host_local.check(owner, leases),
            Self::Static(_) => Ok(Vec::new()),
            Self::Daemon(daemon) => Ok(daemon.check(owner, &host_local::addresses(leases))?),
            Self::Delegate(delegate) => Ok(delegate.check(owner, netns)?),
        }
    }

    /// Gives back what [`Ipam::allocate`] granted.
    pub(crate) fn take_back(&self, owner: &Owner, leases: &[Lease]) -> Result<(), Error> {
        match self {
            Self::HostLocal(host_local) => host_local.release(owner, leases),
            Self::Static(_) => Ok(()),
            Self::Daemon(daemon) => Ok(daemon.release(owner)?),
            Self::Delegate(delegate) => Ok(delegate.del(owner)?),
        }
    }

    /// The gateways of the next pod, with their subnets' prefix lengths, so far as they are certain.
    pub(crate) fn next_gateways(&self) -> Vec<IpNet> {
        match self {
            Self::HostLocal(host_local) => host_local.next_gateways(),
            Self::Static(fixed) => fixed.grant().leases.iter().filter_map(Lease::gateway_net).collect(),
            Self::Daemon(_) | Self::Delegate(_) => Vec::new(),
        }
    }

    /// The pods' networks, so far as the configuration says them.
    pub(crate) fn subnets(&self) -> Vec<IpNet> {
        match self {
            Self::HostLocal(host_local) => host_local.subnets(),
            Self::Static(fixed) => fixed.grant().leases.iter().map(|lease| lease.address.trunc()).collect(),
            Self::Daemon(_) | Self::Delegate(_) => Vec::new(),
        }
    }

    /// Whether the pods' networks are this node's alone: nobody else has an address there.
    pub(crate) fn owns_subnets(&self) -> bool {
        matches!(self, Self::HostLocal(_))
    }

    /// How full the source is, where it has a number of addresses of its own to give.
    pub(crate) fn usage(&self) -> Result<Vec<Usage>, Error> {
        match self {
            Self::HostLocal(host_local) => host_local.usage(),
            Self::Static(_) | Self::Daemon(_) | Self::Delegate(_) => Ok(Vec::new()),
        }
    }

    /// Whether another pod could get its addresses; changes nothing.
    pub(crate) fn probe(&self) -> Result<(), Error> {
        match self {
            Self::HostLocal(host_local) => host_local.probe(),
            Self::Static(_) => Ok(()),
            Self::Daemon(daemon) => Ok(daemon.probe()?),
            Self::Delegate(delegate) => Ok(delegate.status()?),
        }
    }

    /// Who has what is wanted, if `error` says that somebody has.
    pub(crate) fn in_the_way(&self, error: &Error) -> Result<Vec<Reserved>, Error> {
        match self {
            Self::HostLocal(host_local) => host_local.in_the_way(error),
            Self::Static(_) | Self::Daemon(_) | Self::Delegate(_) => Ok(Vec::new()),
        }
    }

    /// Where reservations lie, for the record.
    pub(crate) fn data_dir(&self) -> Option<&std::path::Path> {
        match self {
            Self::HostLocal(host_local) => Some(host_local.data_dir()),
            Self::Static(_) | Self::Daemon(_) | Self::Delegate(_) => None,
        }
    }
}

/// What is wrong with the shape of `ipam`, and which of its members nobody reads, with paths from `ipam` on. The
/// members of a plugin that is executed are its own business.
pub(crate) fn inspect_shape(config: &Value) -> (Vec<DecodeError>, Vec<String>) {
    fn found<'v, T: Deserialize<'v>>(given: &'v Value) -> (Vec<DecodeError>, Vec<String>) {
        let inspection = inspect::<T>(given);
        let errors = inspection.errors.into_iter().map(|error| error.within(MEMBER)).collect();
        (errors, inspection.unknown.iter().map(|unknown| format!("{MEMBER}.{unknown}")).collect())
    }
    let Some(given) = given(config) else { return Default::default() };
    match kind(Some(given)).as_deref() {
        Ok("host-local") => found::<IpamConfig>(given),
        Ok("static") => found::<FixedConfig>(given),
        Ok(name) if Kind::named(name).is_some() => found::<DaemonConfig>(given),
        _ => Default::default(),
    }
}

/// What an IPAM plugin that is called by its own name reads: `ipam`, whatever its type says, and what the runtime asks
/// for. The rest is the calling plugin's business.
fn called_by_name<T: DeserializeOwned + Default>(network: &Network) -> Result<(T, NetConf), Error> {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Asked {
        runtime_config: RuntimeConfig,
        args: netconf::Args,
    }
    let given = given(&network.config);
    if given.is_none() {
        return Err(ConfigError::Missing { member: MEMBER, rule: "it says the addresses" }.into());
    }
    let Asked { runtime_config, args } = decode(&network.config)?;
    Ok((read(given)?, NetConf { runtime_config, args, ..NetConf::default() }))
}

fn given(config: &Value) -> Option<&Value> {
    member(config, MEMBER).filter(|ipam| !ipam.is_null())
}

/// `ipam.type`; empty where there is none.
fn kind(given: Option<&Value>) -> Result<String, DecodeError> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Kind {
        r#type: String,
    }
    Ok(read::<Kind>(given)?.r#type)
}

fn read<T: DeserializeOwned + Default>(given: Option<&Value>) -> Result<T, DecodeError> {
    given.map(decode).transpose().map(Option::unwrap_or_default).map_err(|error| error.within(MEMBER))
}

#[cfg(test)]
mod tests;
