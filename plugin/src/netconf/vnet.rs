//! The members of mode vnet.

use std::net::IpAddr;

use podnet_cni::Args;
use podnet_datapath::{Guard, LinkName, LinkNameError};

use super::{ConfigError, Hairpin, NetConf, PodOptions, bridge_name};

/// The bridge of datapath bridge, by Azure's own name.
const DEFAULT_BRIDGE: &str = "azure0";

/// The configuration of mode vnet, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Vnet {
    /// The node's link to its network; `None`: the one of the default route.
    pub(crate) uplink: Option<LinkName>,
    pub(crate) datapath: Datapath,
    pub(crate) pod: PodOptions,
}

/// How pods are connected to the network.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Datapath {
    /// Each by a link of its own, that the node routes to.
    Transparent,
    /// By a bridge that the node's link is a port of.
    Bridge(Bridged),
}

/// The members of datapath bridge.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bridged {
    pub(crate) bridge: LinkName,
    pub(crate) hairpin: bool,
    /// Whose packets the node takes, to route them itself.
    pub(crate) via_host: Vec<IpAddr>,
}

/// Pods of a virtual network send from addresses that the network takes for theirs, and may be anybody's.
const GUARD: Guard = Guard { spoofing: true, wireserver: true, imds: false };

impl NetConf {
    pub(super) fn check_vnet(&self, args: &Args) -> Result<Vnet, ConfigError> {
        let datapath = match self.datapath.as_deref() {
            None | Some("transparent") => Datapath::Transparent,
            Some("bridge") => Datapath::Bridge(self.check_bridged()?),
            Some(other) => {
                let rule = "datapaths are \"transparent\" and \"bridge\"";
                return Err(ConfigError::invalid("datapath", format!("{other:?}"), rule));
            }
        };
        let uplink = self.uplink()?;
        if let (Datapath::Bridge(bridged), Some(uplink)) = (&datapath, &uplink)
            && bridged.bridge == *uplink
        {
            let rule = "the link is to be a port of the bridge of that name";
            return Err(ConfigError::invalid("master", format!("{:?}", uplink.as_str()), rule));
        }
        Ok(Vnet { uplink, datapath, pod: self.pod_options(args, GUARD)? })
    }

    fn uplink(&self) -> Result<Option<LinkName>, ConfigError> {
        let master = self.master.as_deref().filter(|name| !name.is_empty());
        let uplink = master.map(|name| {
            let invalid = |error: LinkNameError| {
                ConfigError::invalid("master", format!("{name:?}"), format!("{error}"))
            };
            name.parse().map_err(invalid)
        });
        uplink.transpose()
    }

    fn check_bridged(&self) -> Result<Bridged, ConfigError> {
        let hairpin = match self.hairpin()? {
            Hairpin::None => false,
            Hairpin::Veth => true,
            Hairpin::Promiscuous => {
                let value = "promiscuous-bridge, with datapath bridge";
                return Err(ConfigError::unsupported("hairpinMode", value));
            }
        };
        Ok(Bridged {
            bridge: bridge_name(self.bridge.as_deref(), DEFAULT_BRIDGE)?,
            hairpin,
            via_host: self.via_host()?,
        })
    }

    fn via_host(&self) -> Result<Vec<IpAddr>, ConfigError> {
        let mut via_host: Vec<IpAddr> = Vec::new();
        for (index, text) in self.ips_to_route_via_host.iter().enumerate() {
            let invalid = || {
                let member = format!("ipsToRouteViaHost[{index}]");
                ConfigError::invalid(member, format!("{text:?}"), "the address of one host")
            };
            let address: IpAddr = text.parse().ok().ok_or_else(invalid)?;
            if address.is_unspecified() || address.is_multicast() {
                return Err(invalid());
            }
            if !via_host.contains(&address) {
                via_host.push(address);
            }
        }
        Ok(via_host)
    }
}

#[cfg(test)]
mod tests;
