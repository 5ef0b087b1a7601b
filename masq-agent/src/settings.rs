//! What the command line decides; files decide the rest.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use podnet_masq_rules::{ChainName, Family, Style};

/// The flags, each with its default.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line, and no two make a state"
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// `--masq-chain`
    pub(crate) chain: ChainName,
    /// `--nomasq-all-reserved-ranges`
    pub(crate) all_reserved_ranges: bool,
    /// `--enable-ipv6`
    pub(crate) ipv6: bool,
    /// `--random-fully`, `--to-ports`
    pub(crate) style: Style,
    /// `--resync-interval`, at least a second.
    pub(crate) resync_interval: Duration,
    /// `--backend`
    pub(crate) backend: Choice,
    /// `--config-dir`
    pub(crate) config_dir: PathBuf,
    /// `--metrics-address`; None: not served.
    pub(crate) metrics: Option<SocketAddr>,
    /// `--once`
    pub(crate) once: bool,
    /// `--output json`
    pub(crate) json: bool,
    /// `--v`
    pub(crate) verbosity: i32,
}

/// `--backend`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// As the node's other rules.
    Auto,
    /// iptables over `nf_tables`.
    IptablesNft,
    /// iptables over the older tables.
    IptablesLegacy,
    /// A native table of nftables.
    Nftables,
}

impl Settings {
    /// The families whose rules are kept.
    pub(crate) fn families(&self) -> impl Iterator<Item = Family> + use<> {
        let ipv6 = self.ipv6;
        Family::ALL.into_iter().filter(move |family| ipv6 || *family == Family::V4)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            chain: ChainName::default(),
            all_reserved_ranges: false,
            ipv6: false,
            style: Style { random_fully: true, ports: podnet_masq_rules::Ports::default() },
            resync_interval: Duration::from_mins(1),
            backend: Choice::Auto,
            config_dir: PathBuf::from("/etc/config"),
            metrics: Some(SocketAddr::from(([127, 0, 0, 1], 10094))),
            once: false,
            json: false,
            verbosity: 0,
        }
    }
}
