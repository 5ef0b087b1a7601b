//! What a source of addresses gives to a pod, and whether a pod can live with it.

use std::net::IpAddr;

use ipnet::IpNet;
use podnet_cni::{AddResult, Dns, IpConfig, Route};
use podnet_datapath::{Owner, is_local};

use crate::error::Error;
use crate::record::{Lease, Registry, Reserved};

/// Addresses, and what comes with them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) leases: Vec<Lease>,
    pub(crate) routes: Vec<Route>,
    /// Whether the pod has no routes but these: no default route is added.
    pub(crate) routes_are_all: bool,
    pub(crate) dns: Dns,
}

/// Why addresses cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GrantError {
    /// No address at all.
    #[error("no address was given")]
    NoAddress,
    /// Not the address of one host.
    #[error("{address} is not an address that a pod can have")]
    NotAHost {
        /// The address.
        address: IpNet,
    },
    /// One address more than once.
    #[error("address {address} was given twice")]
    Twice {
        /// The address.
        address: IpAddr,
    },
    /// The pod would be its own gateway.
    #[error("{address} is also the gateway")]
    OwnGateway {
        /// The address.
        address: IpNet,
    },
    /// A gateway that the pod cannot reach.
    #[error("gateway {gateway} is not in the network of address {address}")]
    GatewayOutside {
        /// The gateway.
        gateway: IpAddr,
        /// The address.
        address: IpNet,
    },
    /// No gateway was given and the network has no room for one.
    #[error("address {address} has no gateway, and its network no other address")]
    NoGateway {
        /// The address.
        address: IpNet,
    },
    /// Pods on a bridge send by a gateway in their network, and the source of addresses names none.
    #[error("address {address} has no gateway: the bridge datapath needs one")]
    GatewayAbsent {
        /// The address.
        address: IpNet,
    },
    /// A next hop of another family than the destination's.
    #[error("the route to {dst} goes through {gateway}, which is of another address family")]
    RouteFamily {
        /// The destination.
        dst: IpNet,
        /// The next hop.
        gateway: IpAddr,
    },
    /// Somebody on this node has the address.
    #[error("address {address} is in use on this node, by {holder}")]
    InUse {
        /// The address.
        address: IpAddr,
        /// Who has it.
        holder: String,
    },
}

impl Grant {
    /// The grant in an IPAM plugin's result.
    pub(crate) fn new(result: AddResult, gateways: Gateways) -> Result<Self, GrantError> {
        let mut leases: Vec<Lease> = Vec::new();
        for ip in &result.ips {
            let lease = Lease::of(ip, gateways)?;
            if leases.iter().any(|other| other.address.addr() == lease.address.addr()) {
                return Err(GrantError::Twice { address: lease.address.addr() });
            }
            leases.push(lease);
        }
        if leases.is_empty() {
            return Err(GrantError::NoAddress);
        }
        result.routes.iter().try_for_each(check_route)?;
        Ok(Self { leases, routes: result.routes, routes_are_all: false, dns: result.dns })
    }

    /// Whether an address is one of IPv6.
    pub(crate) fn has_ipv6(&self) -> bool {
        self.leases.iter().any(|lease| lease.address.addr().is_ipv6())
    }
}

/// What a pod needs of gateways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gateways {
    /// One for each address, inside its network: the node is to have it. Where none is given it is taken to be first in
    /// the network, as the reference bridge does.
    Needed,
    /// One for each address, inside its network or a router's own of IPv6 (link-local), and given: another machine has it.
    Named,
    /// Those that are given, inside the network unless they are link-local or the address stands alone: nobody need have
    /// one.
    Optional,
    /// Those that are given: they are others' affair.
    AsGiven,
}

impl Lease {
    /// The lease of an address in a result.
    pub(crate) fn of(ip: &IpConfig, gateways: Gateways) -> Result<Self, GrantError> {
        let address = ip.address;
        let own = address.addr();
        let is_host =
            !own.is_unspecified() && !own.is_multicast() && !own.is_loopback() && own.to_canonical() == own;
        if !is_host || address.prefix_len() == 0 {
            return Err(GrantError::NotAHost { address });
        }
        if gateways == Gateways::AsGiven {
            return Ok(Self { address, gateway: ip.gateway });
        }
        let gateway = match ip.gateway {
            None if gateways == Gateways::Optional => return Ok(Self { address, gateway: None }),
            Some(gateway) => gateway,
            None if gateways == Gateways::Named => return Err(GrantError::GatewayAbsent { address }),
            None => first_host(address).ok_or(GrantError::NoGateway { address })?,
        };
        if gateway == own {
            return Err(GrantError::OwnGateway { address });
        }
        let is_alone = address.prefix_len() == address.max_prefix_len();
        let is_elsewhere = gateway.is_ipv4() == own.is_ipv4()
            && match gateways {
                Gateways::Optional => is_link_local(gateway) || is_alone,
                // A router of IPv6 has an address of every link.
                Gateways::Named => gateway.is_ipv6() && is_link_local(gateway),
                Gateways::Needed | Gateways::AsGiven => false,
            };
        if !address.contains(&gateway) && !is_elsewhere {
            return Err(GrantError::GatewayOutside { gateway, address });
        }
        Ok(Self { address, gateway: Some(gateway) })
    }
}

/// The kernel would refuse the route too, with less to say.
fn check_route(route: &Route) -> Result<(), GrantError> {
    match route.gw {
        Some(gateway) if gateway.is_ipv4() != route.dst.addr().is_ipv4() => {
            Err(GrantError::RouteFamily { dst: route.dst, gateway })
        }
        _ => Ok(()),
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// The address after that of the network.
fn first_host(address: IpNet) -> Option<IpAddr> {
    let next: IpAddr = match address.network() {
        IpAddr::V4(network) => network.to_bits().checked_add(1).map(|bits| IpAddr::V4(bits.into()))?,
        IpAddr::V6(network) => network.to_bits().checked_add(1).map(|bits| IpAddr::V6(bits.into()))?,
    };
    address.contains(&next).then_some(next)
}

/// Refuses addresses that the node itself or another attachment of this node has, in whichever network: the node could
/// not tell the two apart.
pub(super) fn ensure_unused(owner: &Owner, leases: &[Lease], registry: &Registry) -> Result<(), Error> {
    for address in leases.iter().map(|lease| lease.address.addr()) {
        if is_local(address)? {
            return Err(GrantError::InUse { address, holder: "the node itself".to_owned() }.into());
        }
    }
    for id in registry.ids()?.into_iter().filter(|&id| id != owner.id()) {
        let Some(record) = registry.read(id)? else { continue };
        let theirs = record.reserved.iter().flat_map(Reserved::addresses);
        let shared = |address: &IpAddr| leases.iter().any(|lease| lease.address.addr() == *address);
        if let Some(address) = theirs.into_iter().find(shared) {
            let holder = format!(
                "interface {} of container {} in network {}",
                record.ifname, record.container_id, record.network
            );
            return Err(GrantError::InUse { address, holder }.into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn grant(result: &Value) -> Result<Grant, String> {
        Grant::new(AddResult::parse(result).unwrap(), Gateways::Needed).map_err(|error| error.to_string())
    }

    #[test]
    fn a_gateway_that_nobody_needs_is_given_inside_the_network_or_link_local() {
        let gateway = |address: &str, gateway: Option<&str>| {
            let ip = IpConfig {
                address: address.parse().unwrap(),
                gateway: gateway.map(|gateway| gateway.parse().unwrap()),
                interface: None,
            };
            Lease::of(&ip, Gateways::Optional).map(|lease| lease.gateway.map(|gateway| gateway.to_string()))
        };
        assert_eq!(gateway("10.224.1.5/16", None), Ok(None));
        for (address, given) in [
            ("10.224.1.5/16", "10.224.0.1"),
            ("10.224.1.5/32", "10.224.0.1"),
            ("10.244.1.5/16", "169.254.1.1"),
            ("fd00::5/64", "fe80::1234:5678:9abc"),
        ] {
            assert_eq!(gateway(address, Some(given)), Ok(Some(given.to_owned())));
        }
        for (address, given) in
            [("10.224.1.5/16", "10.225.0.1"), ("10.224.1.5/32", "fe80::1"), ("10.224.1.5/16", "10.224.1.5")]
        {
            assert!(gateway(address, Some(given)).is_err(), "{given} for {address}");
        }
    }

    #[test]
    fn results_of_every_shape_are_read() {
        let new =
            grant(&json!({"cniVersion": "1.1.0", "ips": [{"address": "10.1.0.5/16", "gateway": "10.1.0.1"}],
            "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.9"}], "dns": {"nameservers": ["10.1.0.2"]}}));
        let old = grant(&json!({"cniVersion": "0.2.0", "ip4": {"ip": "10.1.0.5/16", "gateway": "10.1.0.1",
            "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.9"}]}, "dns": {"nameservers": ["10.1.0.2"]}}));
        assert_eq!(new, old);
        assert_eq!(new.unwrap().leases[0].gateway, Some("10.1.0.1".parse::<IpAddr>().unwrap()));
    }

    #[test]
    fn a_missing_gateway_is_the_first_address_of_the_network() {
        let grant = grant(&json!({"ips": [{"address": "10.1.2.5/23"}, {"address": "fd00::7/64"}]})).unwrap();
        let gateways: Vec<_> = grant.leases.iter().map(|lease| lease.gateway.unwrap().to_string()).collect();
        assert_eq!(gateways, ["10.1.2.1", "fd00::1"]);
    }

    #[test]
    fn what_a_pod_cannot_use_is_named() {
        for (ip, words) in [
            (json!({"address": "0.0.0.0/24"}), "0.0.0.0/24 is not an address"),
            (json!({"address": "224.0.0.5/24"}), "224.0.0.5/24 is not an address"),
            (json!({"address": "127.0.0.5/8"}), "127.0.0.5/8 is not an address"),
            (json!({"address": "10.0.0.5/0"}), "10.0.0.5/0 is not an address"),
            (json!({"address": "::ffff:10.0.0.5/120"}), "::ffff:10.0.0.5/120 is not an address"),
            (json!({"address": "10.0.0.1/24"}), "10.0.0.1/24 is also the gateway"),
            (json!({"address": "10.0.0.5/32"}), "address 10.0.0.5/32 has no gateway"),
            (
                json!({"address": "10.0.0.5/24", "gateway": "10.0.1.1"}),
                "gateway 10.0.1.1 is not in the network",
            ),
            (
                json!({"address": "10.0.0.5/24", "gateway": "fd00::1"}),
                "gateway fd00::1 is not in the network",
            ),
        ] {
            let error = grant(&json!({ "ips": [ip] })).unwrap_err();
            assert!(error.starts_with(words), "{ip}: {error}");
        }
        let twice = json!({"ips": [{"address": "10.0.0.5/24"}, {"address": "10.0.0.5/16"}]});
        assert_eq!(grant(&twice).unwrap_err(), "address 10.0.0.5 was given twice");
        assert_eq!(grant(&json!({})).unwrap_err(), "no address was given");
        let mixed =
            json!({"ips": [{"address": "10.0.0.5/24"}], "routes": [{"dst": "::/0", "gw": "10.0.0.1"}]});
        assert!(grant(&mixed).unwrap_err().starts_with("the route to ::/0 goes through 10.0.0.1"));
    }

    proptest! {
        #[test]
        fn what_is_granted_is_reachable(address: u32, prefix in 0u8..=32, gateway: Option<u32>) {
            let address = IpNet::new(IpAddr::V4(address.into()), prefix).unwrap();
            let ip = IpConfig { address, gateway: gateway.map(|bits| IpAddr::V4(bits.into())), interface: None };
            if let Ok(Lease { address, gateway: Some(chosen) }) = Lease::of(&ip, Gateways::Needed) {
                prop_assert!(address.contains(&chosen));
                prop_assert_ne!(address.addr(), chosen);
                prop_assert!(gateway.is_none_or(|bits| chosen == IpAddr::V4(bits.into())));
            }
        }
    }
}
