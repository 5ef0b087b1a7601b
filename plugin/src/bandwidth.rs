//! How fast a pod may send and receive, from the configuration and the runtime.
//!
//! ```text
//!  members of the configuration ─┐
//!  runtimeConfig.bandwidth ──────┼─ the first that says anything, as a whole ──▶ Bandwidth ──▶ Shaping
//!  annotations of the pod ───────┘
//! ```
//!
//! Directions are the pod's: ingress is what it receives. Rates are in bits a second and bursts in bits, as the
//! reference bandwidth plugin has them.

mod peers;
mod quantity;

use podnet_datapath::{Shaping, TokenBucket};
use serde::{Deserialize, Serialize};

use crate::netconf::ConfigError;
use peers::{Lists, Peers};

/// The burst that Kubernetes' runtimes send because its annotations know none: `u32::MAX`. Taken literally, half a
/// gigabyte would pass before a limit is felt, and wait in a queue as long.
const NO_BURST_GIVEN: u64 = 4_294_967_295;

/// The burst where none is given: what the rate is in 25 milliseconds, so that a late wake-up of the kernel's costs
/// nothing, and at least some packets. At 10 Mbit/s, both are the same.
const BURST_MILLISECONDS: u64 = 25;
const SMALLEST_BURST: u64 = 32 * 1024;

/// Bits a second that Kubernetes takes for reasonable (`validateBandwidthIsReasonable` in `pkg/util/bandwidth`).
const REASONABLE: std::ops::RangeInclusive<u64> = 1_000..=1_000_000_000_000_000;

/// Rates and bursts, in the shape of the configuration and of `runtimeConfig.bandwidth`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Members {
    pub(crate) ingress_rate: Option<u64>,
    pub(crate) ingress_burst: Option<u64>,
    pub(crate) egress_rate: Option<u64>,
    pub(crate) egress_burst: Option<u64>,
    /// Subnets with which alone traffic is limited, or with which it is not; for want of either, with all.
    pub(crate) shaped_subnets: Vec<String>,
    pub(crate) unshaped_subnets: Vec<String>,
}

/// The two annotations of a pod that are about bandwidth, as Kubernetes quantities of bits a second: `10M`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Annotations {
    #[serde(rename = "kubernetes.io/ingress-bandwidth")]
    pub(crate) ingress: Option<String>,
    #[serde(rename = "kubernetes.io/egress-bandwidth")]
    pub(crate) egress: Option<String>,
}

/// A pod's limits, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bandwidth {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ingress: Option<Limit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    egress: Option<Limit>,
    #[serde(flatten)]
    peers: Peers,
}

/// A limit of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Limit {
    /// Bits a second.
    rate: u64,
    /// Bits; `None`: podnet's choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    burst: Option<u32>,
}

impl Bandwidth {
    /// Decides between the three places; each of them counts as a whole. Of lists of subnets, those of the runtime come
    /// before those of the configuration.
    pub(crate) fn check(
        configured: &Members,
        runtime: Option<&Members>,
        annotations: &Annotations,
    ) -> Result<Self, ConfigError> {
        const RUNTIME: &str = "runtimeConfig.bandwidth.";
        let limits = match runtime {
            _ if configured.says_anything() => configured.limits("")?,
            Some(members) => members.limits(RUNTIME)?,
            None => annotations.check()?,
        };
        let of_runtime = runtime.map(|members| members.lists(RUNTIME)).filter(|lists| !lists.are_empty());
        let peers = of_runtime.unwrap_or_else(|| configured.lists("")).check()?;
        Ok(match limits {
            [None, None] => Self::default(),
            [ingress, egress] => Self { ingress, egress, peers },
        })
    }

    /// Whether nothing is limited.
    pub(crate) fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }

    /// Whether what the pod sends is limited, for which it has a link on the host.
    pub(crate) fn limits_egress(&self) -> bool {
        self.egress.is_some()
    }

    /// The limits in the kernel's measures.
    pub(crate) fn plan(&self) -> Shaping {
        self.plan_with(Limit::bucket)
    }

    /// As [`Bandwidth::plan`], with every burst as it stands, as the reference bandwidth plugin takes it.
    pub(crate) fn plan_literally(&self) -> Shaping {
        self.plan_with(Limit::literal_bucket)
    }

    fn plan_with(&self, bucket: fn(Limit) -> TokenBucket) -> Shaping {
        Shaping {
            ingress: self.ingress.map(bucket),
            egress: self.egress.map(bucket),
            peers: self.peers.plan(),
        }
    }
}

impl Members {
    fn says_anything(&self) -> bool {
        [self.ingress_rate, self.ingress_burst, self.egress_rate, self.egress_burst]
            .iter()
            .any(Option::is_some)
    }

    /// The limits of what the pod receives and of what it sends; `place` is what the members' names begin with.
    fn limits(&self, place: &str) -> Result<[Option<Limit>; 2], ConfigError> {
        let names = |names: [&str; 2]| names.map(|name| format!("{place}{name}"));
        Ok([
            Limit::check(self.ingress_rate, self.ingress_burst, names(["ingressRate", "ingressBurst"]))?,
            Limit::check(self.egress_rate, self.egress_burst, names(["egressRate", "egressBurst"]))?,
        ])
    }

    fn lists<'a>(&'a self, place: &'a str) -> Lists<'a> {
        Lists { place, shaped: &self.shaped_subnets, unshaped: &self.unshaped_subnets }
    }
}

impl Annotations {
    fn check(&self) -> Result<[Option<Limit>; 2], ConfigError> {
        const INGRESS: &str = "annotation kubernetes.io/ingress-bandwidth";
        const EGRESS: &str = "annotation kubernetes.io/egress-bandwidth";
        let limit =
            |text: Option<&str>, member| text.map(|text| Limit::of_annotation(text, member)).transpose();
        Ok([limit(self.ingress.as_deref(), INGRESS)?, limit(self.egress.as_deref(), EGRESS)?])
    }
}

impl Limit {
    /// A direction without rate is not limited; `members` are the names of the rate's and the burst's.
    fn check(
        rate: Option<u64>,
        burst: Option<u64>,
        [rate_member, burst_member]: [String; 2],
    ) -> Result<Option<Self>, ConfigError> {
        let (rate, burst) = (rate.unwrap_or(0), burst.unwrap_or(0));
        let invalid_rate = |rule| ConfigError::invalid(rate_member.clone(), rate.to_string(), rule);
        let invalid_burst = |rule| ConfigError::invalid(burst_member.clone(), burst.to_string(), rule);
        let given = match u32::try_from(burst) {
            _ if burst == NO_BURST_GIVEN => None,
            Ok(bits) => Some(bits),
            Err(_) => return Err(invalid_burst(format!("bits, {NO_BURST_GIVEN} at most"))),
        };
        match (rate, given) {
            (0, None | Some(0)) => Ok(None),
            (0, Some(_)) => Err(invalid_burst(format!("a burst needs {rate_member}"))),
            (_, Some(0)) => Err(invalid_rate(format!("a rate needs {burst_member}"))),
            (1..8, _) => Err(invalid_rate("bits a second, 0 for no limit, else 8 or more".to_owned())),
            (_, burst) => Ok(Some(Self { rate, burst })),
        }
    }

    fn of_annotation(text: &str, member: &'static str) -> Result<Self, ConfigError> {
        let invalid = |rule| ConfigError::invalid(member, format!("{text:?}"), rule);
        let rate = quantity::parse(text).ok_or_else(|| invalid("a Kubernetes quantity, for example 10M"))?;
        if REASONABLE.contains(&rate) {
            Ok(Self { rate, burst: None })
        } else {
            Err(invalid("1k to 1P bits a second"))
        }
    }

    fn literal_bucket(self) -> TokenBucket {
        TokenBucket { rate: self.rate / 8, burst: self.burst.unwrap_or(u32::MAX) / 8 }
    }

    fn bucket(self) -> TokenBucket {
        let rate = self.rate / 8;
        let chosen = || (rate / 1000).saturating_mul(BURST_MILLISECONDS).max(SMALLEST_BURST);
        let burst = self.burst.map_or_else(chosen, |bits| u64::from(bits / 8));
        TokenBucket { rate, burst: u32::try_from(burst).unwrap_or(u32::MAX) }
    }
}

#[cfg(test)]
mod tests;
