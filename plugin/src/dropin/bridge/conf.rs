//! The configuration of `bridge`, from JSON to checked values.

use podnet_cni::json::decode;
use podnet_cni::{Args, Network};
use podnet_datapath::{LinkName, MacAddr, VlanLink, Vlans};
use serde::Deserialize;

use crate::error::Error;
use crate::netconf::{CniArgs, ConfigError, bridge_name, mtu};

use super::Bridge;

/// The reference plugin's bridge.
pub(crate) const DEFAULT_BRIDGE: &str = "cni0";

/// The largest VLAN that has an id (IEEE 802.1Q).
const LAST_VLAN: u16 = 4094;

/// The members that only `bridge` has.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the configuration")]
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Conf {
    bridge: String,
    is_gateway: bool,
    is_default_gateway: bool,
    force_address: bool,
    mtu: u32,
    hairpin_mode: bool,
    promisc_mode: bool,
    vlan: i64,
    vlan_trunk: Vec<Trunk>,
    preserve_default_vlan: bool,
    macspoofchk: bool,
    enabledad: bool,
    port_isolation: bool,
    disable_container_interface: bool,
    args: ConfArgs,
    runtime_config: RuntimeMac,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct ConfArgs {
    cni: CniArgs,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct RuntimeMac {
    mac: Option<podnet_cni::MacAddr>,
}

/// Tagged VLANs of a port: those from `minID` to `maxID`, and `id`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Trunk {
    #[serde(rename = "minID")]
    min_id: Option<i64>,
    #[serde(rename = "maxID")]
    max_id: Option<i64>,
    id: Option<i64>,
}

impl Bridge {
    /// Checks the members; `has_ipam`: whether the pod gets addresses.
    pub(super) fn check(network: &Network, args: &Args, has_ipam: bool) -> Result<Self, Error> {
        let conf: Conf = decode(&network.config)?;
        if has_ipam && conf.disable_container_interface {
            let rule = "a link that stays down needs no address: leave ipam out";
            return Err(ConfigError::invalid("disableContainerInterface", "true", rule).into());
        }
        if conf.hairpin_mode && conf.promisc_mode {
            let rule = "hairpinMode is true: cannot set hairpin mode and promiscuous mode at the same time";
            return Err(ConfigError::invalid("promiscMode", "true", rule).into());
        }
        let trunk = conf.vlan_trunk.iter().enumerate().map(|(index, trunk)| trunk.vlans(index));
        let name = bridge_name(Some(&conf.bridge), DEFAULT_BRIDGE)?;
        let vlan = vlan(conf.vlan)?;
        let is_gateway = conf.is_gateway || conf.is_default_gateway;
        let gateway_vlan = vlan.filter(|_| is_gateway);
        let gateway_link = gateway_vlan.map(|vlan| conf.gateway_link(&name, vlan)).transpose()?;
        let mac = conf.runtime_config.mac.or(conf.args.cni.mac).or(args.mac);
        Ok(Self {
            name,
            mtu: mtu(Some(conf.mtu))?,
            is_gateway,
            is_default_gateway: conf.is_default_gateway,
            force_address: conf.force_address,
            hairpin: conf.hairpin_mode,
            promiscuous: conf.promisc_mode,
            vlan,
            gateway_link,
            trunk: in_order(&trunk.collect::<Result<Vec<_>, _>>()?),
            filters_vlans: conf.vlan != 0 || !conf.vlan_trunk.is_empty(),
            preserve_default_vlan: conf.preserve_default_vlan,
            checks_sender: conf.macspoofchk,
            detects_duplicates: conf.enabledad,
            isolated: conf.port_isolation,
            is_up: !conf.disable_container_interface,
            mac: mac.map(|mac| MacAddr::new(mac.octets())),
        })
    }
}

impl Conf {
    /// The node's link into the VLAN.
    fn gateway_link(&self, bridge: &LinkName, vlan: u16) -> Result<VlanLink, ConfigError> {
        let name = format!("{bridge}.{vlan}");
        let name = name
            .parse()
            .map_err(|error| ConfigError::invalid("vlan", vlan.to_string(), format!("{error}")))?;
        let keeps_default = self.preserve_default_vlan;
        Ok(VlanLink { name, vlans: Vlans { untagged: Some(vlan), tagged: Vec::new(), keeps_default } })
    }
}

fn vlan(id: i64) -> Result<Option<u16>, ConfigError> {
    match u16::try_from(id) {
        Ok(0) => Ok(None),
        Ok(id @ 1..=LAST_VLAN) => Ok(Some(id)),
        _ => {
            let rule = format!("invalid VLAN ID {id} (must be between 0 and {LAST_VLAN})");
            Err(ConfigError::invalid("vlan", id.to_string(), rule))
        }
    }
}

impl Trunk {
    fn vlans(&self, index: usize) -> Result<Vec<u16>, ConfigError> {
        let invalid = |member: &str, id: i64, rule: &str| {
            ConfigError::invalid(format!("vlanTrunk[{index}].{member}"), id.to_string(), rule)
        };
        let known = |member: &'static str, id: i64| match u16::try_from(id) {
            Ok(id @ 1..=LAST_VLAN) => Ok(id),
            _ => Err(invalid(member, id, &format!("incorrect trunk {member} parameter: 1 to {LAST_VLAN}"))),
        };
        let together = "minID and maxID should be configured simultaneously";
        let mut vlans = match (self.min_id, self.max_id) {
            (None, None) => Vec::new(),
            (Some(min), None) => return Err(invalid("minID", min, &format!("{together}, maxID is missing"))),
            (None, Some(max)) => return Err(invalid("maxID", max, &format!("{together}, minID is missing"))),
            (Some(min), Some(max)) => {
                let (first, last) = (known("minID", min)?, known("maxID", max)?);
                if first > last {
                    return Err(invalid("minID", min, "minID is greater than maxID in trunk parameter"));
                }
                (first..=last).collect()
            }
        };
        vlans.extend(self.id.map(|id| known("id", id)).transpose()?);
        Ok(vlans)
    }
}

/// Each once, the smallest first.
fn in_order(vlans: &[Vec<u16>]) -> Vec<u16> {
    let mut vlans = vlans.concat();
    vlans.sort_unstable();
    vlans.dedup();
    vlans
}

#[cfg(test)]
mod tests;
