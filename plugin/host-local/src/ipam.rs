//! From configuration text to what the operations use: every rule is applied here, once.

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;

use crate::config::{DEFAULT_DATA_DIR, IpamConfig, RangeConfig, RouteConfig};
use crate::config_error::{ConfigError, Problem};
use crate::range::{Bounds, Range};
use crate::range_set::RangeSet;

/// A configuration that keeps every rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ipam {
    /// The range sets, at least one; a set's index names its cursor on disk.
    pub range_sets: Vec<RangeSet>,
    /// Routes for the pod.
    pub routes: Vec<Route>,
    /// Directory that holds one directory a network.
    pub data_dir: PathBuf,
    /// The resolv.conf(5) that gives the pod's name servers.
    pub resolv_conf: Option<PathBuf>,
}

/// A route for the pod. Zero stands for an absent number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Destination, its host bits as written.
    pub dst: IpNet,
    /// Next hop, of the same family as the destination; none for the gateway of that family's address.
    pub gw: Option<IpAddr>,
    /// Path MTU in bytes.
    pub mtu: u32,
    /// Maximum segment size to advertise, in bytes.
    pub advmss: u32,
    /// Metric: the lowest wins.
    pub priority: u32,
    /// Routing table.
    pub table: Option<u32>,
    /// Scope, an `rtnetlink(7)` number.
    pub scope: Option<u8>,
}

impl Ipam {
    /// Checks a configuration.
    ///
    /// The range sets are, in this order, those of `runtime_ranges` (the capability argument `ipRanges`), the
    /// old-style single range and `ranges`. With `one_per_family` (CNI versions before 0.3.0) a second set of
    /// one family is refused.
    pub fn new(
        config: &IpamConfig,
        runtime_ranges: &[Vec<RangeConfig>],
        one_per_family: bool,
    ) -> Result<Self, ConfigError> {
        let mut sets = range_sets("runtimeConfig.ipRanges", runtime_ranges)?;
        if !config.subnet.is_empty() {
            sets.push(("ipam".to_owned(), vec![range("ipam", &single_range(config))?]));
        }
        sets.extend(range_sets("ipam.ranges", &config.ranges)?);
        if sets.is_empty() {
            return Err(ConfigError::new("ipam.ranges", Problem::NoRanges));
        }
        let range_sets = RangeSet::all(sets)?;
        let ipv4 = range_sets.iter().filter(|set| set.is_ipv4()).count();
        if one_per_family && (ipv4 > 1 || range_sets.len() - ipv4 > 1) {
            return Err(ConfigError::new("ipam.ranges", Problem::OnePerFamily));
        }
        let data_dir = optional_path("ipam.dataDir", &config.data_dir)?;
        Ok(Self {
            range_sets,
            routes: routes(&config.routes)?,
            data_dir: data_dir.unwrap_or_else(|| DEFAULT_DATA_DIR.into()),
            resolv_conf: optional_path("ipam.resolvConf", &config.resolv_conf)?,
        })
    }
}

fn optional_path(member: &str, text: &str) -> Result<Option<PathBuf>, ConfigError> {
    if text.contains('\0') {
        return Err(ConfigError::new(member, Problem::NotAPath { value: text.to_owned() }));
    }
    Ok(Some(text).filter(|text| !text.is_empty()).map(PathBuf::from))
}

fn single_range(config: &IpamConfig) -> RangeConfig {
    RangeConfig {
        subnet: config.subnet.clone(),
        range_start: config.range_start.clone(),
        range_end: config.range_end.clone(),
        gateway: config.gateway.clone(),
    }
}

fn range_sets(member: &str, sets: &[Vec<RangeConfig>]) -> Result<Vec<(String, Vec<Range>)>, ConfigError> {
    let set = |(index, ranges): (usize, &Vec<RangeConfig>)| {
        let member = format!("{member}[{index}]");
        let ranges =
            ranges.iter().enumerate().map(|(index, config)| range(&format!("{member}[{index}]"), config));
        Ok((member.clone(), ranges.collect::<Result<_, _>>()?))
    };
    sets.iter().enumerate().map(set).collect()
}

fn range(member: &str, config: &RangeConfig) -> Result<Range, ConfigError> {
    let optional = |name: &str, text: &str| optional_address(&format!("{member}.{name}"), text);
    let bounds = Bounds {
        subnet: network(&format!("{member}.subnet"), &config.subnet)?,
        start: optional("rangeStart", &config.range_start)?,
        end: optional("rangeEnd", &config.range_end)?,
        gateway: optional("gateway", &config.gateway)?,
    };
    Range::new(bounds, member)
}

fn routes(configs: &[RouteConfig]) -> Result<Vec<Route>, ConfigError> {
    let route = |(index, config): (usize, &RouteConfig)| {
        let member = format!("ipam.routes[{index}]");
        let dst = network(&format!("{member}.dst"), &config.dst)?;
        let gw_member = format!("{member}.gw");
        let gw = optional_address(&gw_member, &config.gw)?;
        if let Some(gateway) = gw
            && gateway.is_ipv4() != dst.addr().is_ipv4()
        {
            return Err(ConfigError::new(gw_member, Problem::RouteFamily { gateway, destination: dst }));
        }
        let RouteConfig { mtu, advmss, priority, table, scope, .. } = *config;
        Ok(Route { dst, gw, mtu, advmss, priority, table, scope })
    };
    configs.iter().enumerate().map(route).collect()
}

fn optional_address(member: &str, text: &str) -> Result<Option<IpAddr>, ConfigError> {
    if text.is_empty() {
        return Ok(None);
    }
    address(text).map(Some).map_err(|problem| ConfigError::new(member, problem))
}

fn network(member: &str, text: &str) -> Result<IpNet, ConfigError> {
    let fail = |problem| ConfigError::new(member, problem);
    if text.is_empty() {
        return Err(fail(Problem::Missing));
    }
    let (address, length) = cidr(text).map_err(fail)?;
    if address.to_canonical() != address {
        return Err(fail(Problem::MappedNetwork { value: text.to_owned() }));
    }
    IpNet::new(address, length).map_err(|_out_of_range| fail(Problem::NotANetwork { value: text.to_owned() }))
}

/// An IPv4-mapped IPv6 address is the IPv4 address it stands for, so that no address has two names.
fn address(text: &str) -> Result<IpAddr, Problem> {
    let address: Result<IpAddr, _> = text.parse();
    address
        .map(|address| address.to_canonical())
        .map_err(|_syntax| Problem::NotAnAddress { value: text.to_owned() })
}

fn cidr(text: &str) -> Result<(IpAddr, u8), Problem> {
    let malformed = || Problem::NotANetwork { value: text.to_owned() };
    let (address, length) = text.split_once('/').ok_or_else(malformed)?;
    let address: IpAddr = address.parse().map_err(|_syntax| malformed())?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    // Digits alone: the number parser would take a sign.
    let length = Some(length).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    match length.and_then(|text| text.parse().ok()) {
        Some(length) if length <= longest => Ok((address, length)),
        _ => Err(Problem::PrefixLength { value: text.to_owned(), longest }),
    }
}

#[cfg(test)]
mod tests;
