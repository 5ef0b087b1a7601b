//! `bridge`: pods on a bridge, with as much or as little of IP as the configuration says.
//!
//! The plan is that of mode kubenet ([`kubenet::plan`]) with the reference plugin's defaults, and with what only it has:
//! ports that are isolated, pods without addresses or with their link down, duplicate address detection.

mod conf;

use podnet_cni::{AddResult, Args, Network, Route};
use podnet_datapath::{
    self as datapath, Applied, Families, HostEnd, LinkName, MacAddr, OtherGateways, Owner, PodNetwork, Port,
    Promiscuity, Veth, VlanLink, Vlans,
};

pub(crate) use conf::DEFAULT_BRIDGE;

use super::interface::{Common, Kind, Wish};
use crate::error::Error;
use crate::ipam::{Gateways, Ipam};
use crate::mode::{PodFacts, kubenet};
use crate::netconf::{Hairpin, Kubenet, PodOptions};
use crate::record::Lease;

/// What the kernel gives a new link where the configuration says nothing, in bytes.
const DEFAULT_MTU: u32 = 1500;

/// The plugin, with its configuration.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the configuration")]
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bridge {
    name: LinkName,
    mtu: Option<u32>,
    is_gateway: bool,
    is_default_gateway: bool,
    force_address: bool,
    hairpin: bool,
    promiscuous: bool,
    /// The VLAN that the pod's untagged frames are of.
    vlan: Option<u16>,
    /// The VLANs that the pod sends and gets tagged.
    trunk: Vec<u16>,
    /// The node's link into `vlan`, which has the gateway's addresses.
    gateway_link: Option<VlanLink>,
    /// Whether a new bridge tells VLANs apart.
    filters_vlans: bool,
    preserve_default_vlan: bool,
    checks_sender: bool,
    detects_duplicates: bool,
    isolated: bool,
    is_up: bool,
    mac: Option<MacAddr>,
}

impl Kind for Bridge {
    const NAME: &'static str = "bridge";

    fn read(network: &Network, args: &Args) -> Result<Wish<Self>, Error> {
        let common = Common::read(network)?;
        let has_ipam = Ipam::is_named(network)?;
        let kind = Self::check(network, args, has_ipam)?;
        let gateways = if kind.is_gateway { Gateways::Needed } else { Gateways::AsGiven };
        let read = || Ipam::read(&common.asked(), network, args, gateways);
        let ipam = has_ipam.then(read).transpose()?;
        kind.kubenet().pod.check_families(ipam.as_ref().is_some_and(Ipam::has_ipv6))?;
        Ok(Wish { kind, common, ipam })
    }

    fn plan(&self, owner: Owner, ifname: LinkName, leases: &[Lease], routes: &[Route]) -> PodNetwork {
        // Without addresses there is none to derive the hardware addresses from.
        let (pod_mac, bridge_mac) = (owner.pod_mac(), MacAddr::named(self.name.as_str()));
        let config = self.kubenet();
        let mut network =
            kubenet::plan(&config, PodFacts { owner, ifname, leases, routes, filtered: Families::default() });
        let mut bridge = self.with_own_settings(kubenet::bridge(&config, kubenet::gateways(leases)));
        if leases.is_empty() {
            network.veth.pod_mac = self.mac.unwrap_or(pod_mac);
            bridge.mac = bridge_mac;
        }
        PodNetwork {
            veth: Veth { mtu: Some(self.mtu.unwrap_or(DEFAULT_MTU)), is_up: self.is_up, ..network.veth },
            host_end: HostEnd::Port(Port {
                bridge,
                hairpin: self.hairpin,
                isolated: self.isolated,
                vlans: self.vlans(),
            }),
            detects_duplicates: self.detects_duplicates,
            checks_sender: self.checks_sender,
            ..network
        }
    }

    fn routes(&self, leases: &[Lease], ipam: Vec<Route>) -> Vec<Route> {
        kubenet::routes(&self.kubenet(), leases, ipam)
    }

    fn result(&self, network: &PodNetwork, made: &Applied, netns: &str, leases: &[Lease]) -> AddResult {
        kubenet::result(network, made, netns, leases, Vec::new())
    }

    fn bridge(&self, ipam: Option<&Ipam>) -> Option<datapath::Bridge> {
        let gateways = ipam.map(Ipam::next_gateways).unwrap_or_default();
        Some(self.with_own_settings(kubenet::bridge(&self.kubenet(), gateways)))
    }
}

impl Bridge {
    /// What mode kubenet has too, in its terms.
    fn kubenet(&self) -> Kubenet {
        Kubenet {
            owns_subnets: false,
            bridge: self.name.clone(),
            hairpin: if self.hairpin { Hairpin::Veth } else { Hairpin::None },
            is_gateway: self.is_gateway,
            is_default_gateway: self.is_default_gateway,
            others: if self.force_address { OtherGateways::Replaced } else { OtherGateways::Refused },
            pod: PodOptions { mtu: self.mtu, mac: self.mac, ..PodOptions::default() },
        }
    }

    /// A pod with tagged VLANs alone has its other frames in VLAN 1, as the reference has it.
    fn vlans(&self) -> Vlans {
        let untagged = self.vlan.or((!self.trunk.is_empty()).then_some(1));
        Vlans { untagged, tagged: self.trunk.clone(), keeps_default: self.preserve_default_vlan }
    }

    /// An existing bridge is taken with any MTU, and nobody drops duplicates.
    fn with_own_settings(&self, bridge: datapath::Bridge) -> datapath::Bridge {
        datapath::Bridge {
            mtu: Some(self.mtu.unwrap_or(DEFAULT_MTU)),
            adopts_mtu: true,
            gateway_link: self.gateway_link.clone().filter(|_| !bridge.gateways.is_empty()),
            filters_vlans: self.filters_vlans,
            promiscuity: if self.promiscuous { Promiscuity::On } else { Promiscuity::Off },
            owns_subnets: false,
            ..bridge
        }
    }
}

#[cfg(test)]
mod tests;
