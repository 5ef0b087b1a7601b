//! What a daemon's answer offers a pod. Pure.

use std::net::IpAddr;

use ipnet::IpNet;
use podnet_cni::{AddResult, IpConfig, Route};
use podnet_ipam_api::{INFRA_NIC, IpConfigsReply, PodIpInfo};

use super::super::{Gateways, GrantError};

/// Addresses, not yet bent to what a datapath needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Offer {
    /// The addresses, in the daemon's order.
    pub(crate) addresses: Vec<Offered>,
    /// The routes that the daemon decides.
    pub(crate) routes: Vec<Route>,
    /// Whether the pod is to have no others (`SkipDefaultRoutes`).
    pub(crate) routes_are_all: bool,
    /// The hardware address that the daemon decides.
    pub(crate) mac: Option<String>,
}

/// One address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offered {
    /// The address with its network's prefix length.
    pub(crate) address: IpNet,
    /// The network's gateway, where it has one.
    pub(crate) gateway: Option<IpAddr>,
}

/// Why an answer offers nothing that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OfferError {
    /// It says that all is well and has no address.
    #[error("the answer has no address")]
    Empty,
    /// A text that is no address or prefix length.
    #[error("{member}: {value:?} is not valid")]
    Malformed {
        /// The member of the answer.
        member: &'static str,
        /// What stands there.
        value: String,
    },
    /// An interface that is not to be made here, or that comes beside others.
    #[error("the pod is to have an interface of kind {0:?}, which podnet does not make")]
    OtherInterface(String),
}

impl Offer {
    /// Reads an answer of success.
    pub(super) fn read(reply: &IpConfigsReply) -> Result<Self, OfferError> {
        let infos = reply.pod_ip_info.as_deref().unwrap_or_default();
        let mut offer = Self::default();
        for info in infos {
            if !matches!(info.nic_type.as_str(), "" | INFRA_NIC) {
                return Err(OfferError::OtherInterface(info.nic_type.clone()));
            }
            offer.routes_are_all |= info.skip_default_routes;
            offer.addresses.push(offered(info)?);
            let routes = info.routes.iter().flatten().map(route).collect::<Result<Vec<_>, _>>()?;
            offer.routes.extend(routes);
            offer.mac = offer.mac.or_else(|| Some(info.mac_address.clone()).filter(|mac| !mac.is_empty()));
        }
        if offer.addresses.is_empty() { Err(OfferError::Empty) } else { Ok(offer) }
    }

    /// The result for a pod. A gateway that is needed, since the pod is on a bridge, must be named.
    ///
    /// # Arguments
    /// `configured`: routes beside the daemon's, where it does not say that its own are all.
    pub(super) fn result(&self, configured: &[Route], gateways: Gateways) -> Result<AddResult, GrantError> {
        let unnamed = self.addresses.iter().find(|offered| offered.gateway.is_none());
        if let Some(offered) = unnamed.filter(|_| matches!(gateways, Gateways::Needed | Gateways::Named)) {
            return Err(GrantError::GatewayAbsent { address: offered.address });
        }
        let configured = if self.routes_are_all { &[] } else { configured };
        Ok(AddResult {
            ips: self.addresses.iter().map(Offered::ip_config).collect(),
            routes: self.routes.iter().chain(configured).cloned().collect(),
            ..AddResult::default()
        })
    }
}

impl Offered {
    /// The address as a result has it.
    pub(crate) fn ip_config(&self) -> IpConfig {
        IpConfig { address: self.address, gateway: self.gateway, interface: None }
    }
}

/// The subnet's prefix length is that of the network of the address's family. A network without subnet (pods with
/// addresses of the node's own subnet) leaves that of the node's, if the address is in it, or none: the address alone.
fn offered(info: &PodIpInfo) -> Result<Offered, OfferError> {
    let address: IpAddr = parse("PodIPConfig.IPAddress", &info.pod_ip_config.ip_address)?;
    let network = &info.network_container_primary_ip_config;
    let (subnet, gateway) = match address {
        IpAddr::V6(_) if network.ip_subnet_v6.prefix_length > 0 => {
            (&network.ip_subnet_v6, &network.gateway_ipv6_address)
        }
        IpAddr::V6(_) if !network.gateway_ipv6_address.is_empty() => {
            (&network.ip_subnet, &network.gateway_ipv6_address)
        }
        _ => (&network.ip_subnet, &network.gateway_ip_address),
    };
    let whole = if address.is_ipv4() { 32 } else { 128 };
    let host: Option<IpNet> = info.host_primary_ip_info.subnet.parse().ok();
    let prefix_len = match subnet.prefix_length {
        0 => host.filter(|host| host.contains(&address)).map_or(whole, |host| host.prefix_len()),
        given => given,
    };
    let address = IpNet::new(address, prefix_len)
        .map_err(|_too_long| malformed("IPSubnet.PrefixLength", &prefix_len.to_string()))?;
    let gateway = Some(gateway).filter(|text| !text.is_empty());
    let gateway = gateway.map(|text| parse::<IpAddr>("GatewayIPAddress", text)).transpose()?;
    // The answer has one gateway of each family, of which the other is no business of this address.
    Ok(Offered { address, gateway: gateway.filter(|gateway| gateway.is_ipv4() == address.addr().is_ipv4()) })
}

fn route(route: &podnet_ipam_api::Route) -> Result<Route, OfferError> {
    let gateway = Some(&route.gateway_ip_address).filter(|text| !text.is_empty());
    let gateway = gateway.map(|text| parse("Routes.GatewayIPAddress", text)).transpose()?;
    Ok(Route::new(parse("Routes.IPAddress", &route.ip_address)?, gateway))
}

fn parse<T: std::str::FromStr>(member: &'static str, text: &str) -> Result<T, OfferError> {
    text.parse().ok().ok_or_else(|| malformed(member, text))
}

fn malformed(member: &'static str, value: &str) -> OfferError {
    OfferError::Malformed { member, value: value.to_owned() }
}

#[cfg(test)]
mod tests;
