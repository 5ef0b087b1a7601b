//! `host-local`, in this process, bound to one network.

use std::cell::OnceCell;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use ipnet::IpNet;
use nix::time::{ClockId, clock_gettime};
use podnet_cni::{Args, Dns, Network, Route, Version};
use podnet_datapath::{LinkAddress, Owner, PodLink, links};
use podnet_host_local::{
    self as host_local, AllocateError, Exhausted, Ipam, IpamConfig, Liveness, Range, RangeSet, Request,
    ReservationOwner, Reserved, ResolvConf, Store, Usage,
};

use super::{Grant, called_by_name};
use crate::error::Error;
use crate::netconf::{ConfigError, NetConf};
use crate::record::Lease;

/// The ranges of a network and the place of its reservations.
#[derive(Debug)]
pub(crate) struct HostLocal {
    network: String,
    store: Store,
    ipam: Ipam,
    requested: Vec<IpAddr>,
    /// What `resolvConf` says.
    dns: Dns,
}

impl HostLocal {
    /// Checks `ipam` and what the runtime asks for: ranges by capability, addresses by CNI_ARGS, `args` and capability.
    pub(super) fn read(
        config: &IpamConfig,
        conf: &NetConf,
        network: &Network,
        args: &Args,
    ) -> Result<Self, Error> {
        let ipam = Ipam::new(config, &conf.runtime_config.ip_ranges, network.version < Version::V0_3_0)?;
        let requested = args.ips.iter().chain(&conf.args.cni.ips).chain(&conf.runtime_config.ips);
        let resolv_conf = ipam.resolv_conf.as_deref().filter(|_| !conf.has_dns());
        Ok(Self {
            network: network.name.to_string(),
            store: Store::new(&ipam.data_dir, network.name.as_str())?,
            requested: requested.map(|ip| ip.address().to_canonical()).collect(),
            dns: resolv_conf.map(dns).transpose()?.unwrap_or_default(),
            ipam,
        })
    }

    /// As the plugin `host-local`, called by its own name, reads its configuration.
    pub(crate) fn called_by_name(network: &Network, args: &Args) -> Result<Self, Error> {
        let (config, conf) = called_by_name::<IpamConfig>(network)?;
        Self::read(&config, &conf, network, args)
    }

    /// The addresses that the owner has reserved, found by reading every reservation of the network.
    pub(crate) fn held(&self, owner: &Owner) -> Result<Vec<IpAddr>, Error> {
        Ok(host_local::find(&self.store, &reservation_owner(owner)?)?)
    }

    /// Whether a pod gets an address of IPv6.
    pub(super) fn has_ipv6(&self) -> bool {
        self.ipam.range_sets.iter().any(|set| !set.is_ipv4())
    }

    /// The gateways of the next pod, with their subnets' prefix lengths, so far as they are certain: a set of
    /// several ranges does not say which comes next.
    pub(super) fn next_gateways(&self) -> Vec<IpNet> {
        let only = self.ipam.range_sets.iter().filter_map(|set| match set.ranges() {
            [range] => Some(range),
            _ => None,
        });
        only.map(|range| IpNet::new_assert(range.gateway(), range.subnet().prefix_len())).collect()
    }

    /// `ipam.routes`.
    pub(super) fn routes(&self) -> Vec<Route> {
        let nonzero = |number: u32| Some(number).filter(|&number| number != 0);
        let route = |route: &host_local::Route| Route {
            dst: route.dst,
            gw: route.gw,
            mtu: nonzero(route.mtu),
            advmss: nonzero(route.advmss),
            priority: nonzero(route.priority),
            table: route.table,
            scope: route.scope,
        };
        self.ipam.routes.iter().map(route).collect()
    }

    /// One address of each range set, or none at all.
    pub(crate) fn allocate(&self, owner: &Owner) -> Result<Grant, Error> {
        let request_owner = reservation_owner(owner)?;
        let alive = LiveOwners::new(&self.network);
        let request = Request {
            owner: &request_owner,
            range_sets: &self.ipam.range_sets,
            requested: &self.requested,
            liveness: Liveness { boot: boot_time(), is_alive: &|owner| alive.contains(owner) },
        };
        let allocations = host_local::allocate(&self.store, &request)?;
        let lease = |allocation: &host_local::Allocation| Lease {
            address: allocation.address,
            gateway: Some(allocation.gateway),
        };
        let leases = allocations.iter().map(lease).collect();
        Ok(Grant { leases, routes: self.routes(), dns: self.dns.clone(), ..Grant::default() })
    }

    /// `dataDir`.
    pub(super) fn data_dir(&self) -> &Path {
        &self.ipam.data_dir
    }

    /// Whether the reservations of `leases` are still the owner's.
    pub(super) fn check(&self, owner: &Owner, leases: &[Lease]) -> Result<Vec<String>, Error> {
        let differences = host_local::check(&self.store, &reservation_owner(owner)?, &addresses(leases))?;
        Ok(differences.iter().map(ToString::to_string).collect())
    }

    /// Gives back the reservations of `leases`, so far as they are the owner's.
    pub(crate) fn release(&self, owner: &Owner, leases: &[Lease]) -> Result<(), Error> {
        release(owner, &self.ipam.data_dir, leases)
    }

    /// Whether nobody on this node has ever had one of its addresses.
    pub(crate) fn is_new(&self) -> bool {
        !self.store.path().exists()
    }

    /// Refuses ranges in which one of the node's own addresses is. Where it is the gateway, the link is the pods' own bridge.
    pub(crate) fn ensure_apart(&self, node: &[LinkAddress]) -> Result<(), ConfigError> {
        let is_given = |range: &Range, own: &LinkAddress| {
            range.contains(own.address.addr()) && range.gateway() != own.address.addr()
        };
        for range in self.ipam.range_sets.iter().flat_map(RangeSet::ranges) {
            if let Some(own) = node.iter().find(|own| is_given(range, own)) {
                let given = format!("range {} to {} of {}", range.first(), range.last(), range.subnet());
                let rule = format!(
                    "it contains {}, the node's own address on link {}",
                    own.address.addr(),
                    own.link
                );
                return Err(ConfigError::invalid("ipam", given, rule));
            }
        }
        Ok(())
    }

    /// The networks of its ranges, in the configuration's order.
    pub(super) fn subnets(&self) -> Vec<IpNet> {
        self.ipam.range_sets.iter().flat_map(RangeSet::ranges).map(Range::subnet).collect()
    }

    /// How full each range set is.
    pub(super) fn usage(&self) -> Result<Vec<Usage>, Error> {
        Ok(host_local::usage(&self.store, &self.ipam.range_sets)?)
    }

    /// Whether another pod could get its addresses; changes nothing.
    pub(crate) fn probe(&self) -> Result<(), Error> {
        host_local::probe(&self.store)?;
        let alive = LiveOwners::new(&self.network);
        let liveness = Liveness { boot: boot_time(), is_alive: &|owner| alive.contains(owner) };
        match host_local::exhausted(&self.store, &self.ipam.range_sets, &liveness)? {
            Some(exhausted) => Err(exhausted.into()),
            None => Ok(()),
        }
    }

    /// Whose reservations leave nothing of a range set, or have the address that the runtime asks for.
    pub(super) fn in_the_way(&self, error: &Error) -> Result<Vec<Reserved>, Error> {
        let (set, requested) = match error {
            Error::Allocate(AllocateError::Exhausted { range_set, .. })
            | Error::Exhausted(Exhausted { range_set, .. }) => (self.ipam.range_sets.get(*range_set), None),
            Error::Allocate(AllocateError::RequestedTaken { address, .. }) => (None, Some(*address)),
            _ => return Ok(Vec::new()),
        };
        let mut reserved = host_local::reservations(&self.store)?;
        reserved.retain(|Reserved { address, .. }| {
            requested == Some(*address) || set.is_some_and(|set| set.is_allocable(*address))
        });
        Ok(reserved)
    }
}

/// Gives back the reservations of `leases` in `data_dir`, so far as they are the owner's.
pub(super) fn release(owner: &Owner, data_dir: &Path, leases: &[Lease]) -> Result<(), Error> {
    let store = Store::new(data_dir, owner.network())?;
    host_local::release_known(&store, &reservation_owner(owner)?, &addresses(leases))?;
    Ok(())
}

/// Gives back whatever the owner has in `data_dir`, by looking at every reservation of the network.
pub(super) fn release_found(owner: &Owner, data_dir: &Path) -> Result<(), Error> {
    host_local::release(&Store::new(data_dir, owner.network())?, &reservation_owner(owner)?)?;
    Ok(())
}

/// Whether the owner has anything in `data_dir`; what cannot be read is nobody's.
pub(super) fn has_any(owner: &Owner, data_dir: &Path) -> bool {
    let find = || -> Result<_, Error> {
        Ok(host_local::find(&Store::new(data_dir, owner.network())?, &reservation_owner(owner)?)?)
    };
    find().is_ok_and(|addresses| !addresses.is_empty())
}

/// The addresses alone.
pub(super) fn addresses(leases: &[Lease]) -> Vec<IpAddr> {
    leases.iter().map(|lease| lease.address.addr()).collect()
}

fn dns(path: &Path) -> Result<Dns, Error> {
    let ResolvConf { nameservers, domain, search, options } = ResolvConf::read(path)?;
    Ok(Dns { nameservers, domain, search, options })
}

fn reservation_owner(owner: &Owner) -> Result<ReservationOwner, Error> {
    Ok(ReservationOwner::new(owner.container(), owner.ifname())?)
}

/// The owners that have a link on this node, asked of the kernel once and only if somebody wants to know.
struct LiveOwners<'a> {
    network: &'a str,
    links: OnceCell<Option<Vec<PodLink>>>,
}

impl<'a> LiveOwners<'a> {
    fn new(network: &'a str) -> Self {
        Self { network, links: OnceCell::new() }
    }

    /// Where the kernel does not say, everybody lives: an address too few is better than one twice.
    fn contains(&self, owner: &ReservationOwner) -> bool {
        let Some(links) = self.links.get_or_init(|| links().ok()) else { return true };
        links.iter().any(|link| match owner.ifname() {
            Some(ifname) => link.label.id == Owner::new(self.network, owner.container_id(), ifname).id(),
            None => link.label.network == self.network && link.label.container == owner.container_id(),
        })
    }
}

/// When this boot began.
fn boot_time() -> SystemTime {
    let up = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default();
    SystemTime::now().checked_sub(up).unwrap_or(SystemTime::UNIX_EPOCH)
}
