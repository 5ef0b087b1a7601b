//! The `ipam` object of a network configuration, as written: text that nobody has checked yet.
//!
//! Addresses stay strings here so that [`crate::Ipam::new`] can name the member and the value it refuses. An
//! empty string is an absent member, as for the reference plugin: containerd sends every member of a range,
//! empty or not.

use serde::Deserialize;

/// Where reservations are kept when the configuration names no directory (host-local's documented default).
pub const DEFAULT_DATA_DIR: &str = "/var/lib/cni/networks";

/// The members of `ipam` for the type `host-local`
/// (<https://www.cni.dev/plugins/current/ipam/host-local/>).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IpamConfig {
    /// The address plugin that is meant; not looked at here.
    pub r#type: String,
    /// Old style, a single range: its network in CIDR notation. The range set made of it comes before
    /// `ranges`.
    pub subnet: String,
    /// First address of the single range; without `subnet` ignored, as are the next two.
    pub range_start: String,
    /// Last address of the single range.
    pub range_end: String,
    /// Gateway of the single range.
    pub gateway: String,
    /// The range sets: a pod gets one address from each.
    pub ranges: Vec<Vec<RangeConfig>>,
    /// Routes handed to the pod.
    pub routes: Vec<RouteConfig>,
    /// Directory that holds one directory a network; empty for [`DEFAULT_DATA_DIR`].
    pub data_dir: String,
    /// A resolv.conf(5) whose content becomes the result's `dns`; empty for none.
    pub resolv_conf: String,
}

/// One range, as it stands in `ranges` and in the capability argument `ipRanges`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RangeConfig {
    /// The network in CIDR notation, without host bits.
    pub subnet: String,
    /// First address to hand out; empty for the first host of the network.
    pub range_start: String,
    /// Last address to hand out; empty for the last host of the network.
    pub range_end: String,
    /// The pods' gateway; empty for the first host of the network.
    pub gateway: String,
}

/// One entry of `routes` (CNI specification 1.1.0, "Success", `routes`). Zero stands for an absent number, as
/// there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RouteConfig {
    /// Destination in CIDR notation.
    pub dst: String,
    /// Next hop; empty for the gateway of the address of the same family.
    pub gw: String,
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
