//! Who is tested, and with which addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::tools;

/// The implementation under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// podnet in mode kubenet.
    Podnet,
    /// The reference plugins `bridge` and `host-local`.
    Reference,
}

impl Subject {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Podnet, Self::Reference];

    /// A word for names of tests.
    pub fn word(self) -> &'static str {
        match self {
            Self::Podnet => "podnet",
            Self::Reference => "reference",
        }
    }

    /// The folder with its binaries, for `CNI_PATH`.
    pub fn folder(self) -> Result<PathBuf, Failure> {
        match self {
            Self::Podnet => Ok(tools::podnet()?.parent().map(PathBuf::from).unwrap_or_default()),
            Self::Reference => tools::reference(),
        }
    }

    /// One plugin's entry in a network configuration: pods on `cbr0` with a default route and hairpin, said in the
    /// subject's own way.
    pub fn entry(self, family: Family) -> Value {
        let ipam =
            json!({"type": "host-local", "ranges": family.ranges(), "routes": family.default_routes()});
        match self {
            Self::Podnet => json!({"type": "podnet", "mode": "kubenet", "bridge": "cbr0", "ipam": ipam}),
            Self::Reference => json!({
                "type": "bridge", "bridge": "cbr0", "isGateway": true, "hairpinMode": true, "ipam": ipam,
            }),
        }
    }
}

/// The addresses of a test's pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
    /// One address of each.
    Dual,
}

/// The node's pod CIDRs.
pub const SUBNET_V4: &str = "10.244.1.0/24";
/// See [`SUBNET_V4`].
pub const SUBNET_V6: &str = "fd00:10:244:1::/64";
/// The bridge's addresses, the first ones of the subnets.
pub const GATEWAY_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 244, 1, 1));
/// See [`GATEWAY_V4`].
pub const GATEWAY_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0x10, 0x244, 1, 0, 0, 0, 1));

impl Family {
    /// All three.
    pub const ALL: [Self; 3] = [Self::V4, Self::V6, Self::Dual];

    /// A word for names of tests.
    pub fn word(self) -> &'static str {
        match self {
            Self::V4 => "v4",
            Self::V6 => "v6",
            Self::Dual => "dual",
        }
    }

    /// Whether pods have an IPv4 address.
    pub fn has_v4(self) -> bool {
        self != Self::V6
    }

    /// Whether pods have an IPv6 address.
    pub fn has_v6(self) -> bool {
        self != Self::V4
    }

    /// The first of `v4` and the second of `v6`, as far as the family has them.
    pub fn pick<T>(self, v4: T, v6: T) -> Vec<T> {
        match self {
            Self::V4 => vec![v4],
            Self::V6 => vec![v6],
            Self::Dual => vec![v4, v6],
        }
    }

    /// host-local's `ranges`: one set a family.
    pub fn ranges(self) -> Value {
        self.pick(SUBNET_V4, SUBNET_V6).into_iter().map(|subnet| json!([{ "subnet": subnet }])).collect()
    }

    /// `routes` with the default of each family.
    pub fn default_routes(self) -> Value {
        self.pick("0.0.0.0/0", "::/0").into_iter().map(|dst| json!({ "dst": dst })).collect()
    }

    /// The bridge's addresses.
    pub fn gateways(self) -> Vec<IpAddr> {
        self.pick(GATEWAY_V4, GATEWAY_V6)
    }
}
