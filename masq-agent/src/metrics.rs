//! What the agent counts.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Instant;

use ipnet::IpNet;
use podnet_daemon_kit::prometheus::collector::Collector;
use podnet_daemon_kit::prometheus::encoding::{DescriptorEncoder, EncodeMetric as _};
use podnet_daemon_kit::prometheus::metrics::MetricType;
use podnet_daemon_kit::prometheus::metrics::counter::Counter;
use podnet_daemon_kit::prometheus::metrics::family::Family as Labelled;
use podnet_daemon_kit::prometheus::metrics::gauge::{ConstGauge, Gauge};
use podnet_daemon_kit::prometheus::registry::{Registry, Unit};
use podnet_masq_rules::{Family, RuleSet};

type Label = [(&'static str, &'static str); 1];

/// The counters; clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics {
    syncs: Counter,
    repairs: Labelled<Label, Counter>,
    damped: Counter,
    errors: Labelled<Label, Counter>,
    ranges: Labelled<Label, Gauge>,
    exempt: Exempt,
    configuration_good: Gauge,
    verified: Verified,
}

/// The ranges themselves: what a probe or `podnet doctor` can compare with the cluster's.
#[derive(Debug, Clone, Default)]
struct Exempt(Arc<Mutex<Vec<IpNet>>>);

/// When everything was last seen to be right.
#[derive(Debug, Clone, Default)]
struct Verified(Arc<Mutex<Option<Instant>>>);

impl Metrics {
    /// All of them in a registry, for the endpoint.
    pub(crate) fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("podnet_masq");
        registry.register("syncs", "Rounds in which the rules were looked at", self.syncs.clone());
        registry.register(
            "repairs",
            "Rules that others had changed and that were put right, by what was wrong",
            self.repairs.clone(),
        );
        registry.register(
            "repairs_damped",
            "Repairs put off because another program keeps changing the rules",
            self.damped.clone(),
        );
        registry.register("errors", "What could not be done, by kind", self.errors.clone());
        registry.register(
            "ranges",
            "Destinations that keep a pod's address, link-local addresses included",
            self.ranges.clone(),
        );
        registry.register(
            "configuration_good",
            "Whether every configuration file could be used",
            self.configuration_good.clone(),
        );
        registry.register_collector(Box::new(self.exempt.clone()));
        registry.register_collector(Box::new(self.verified.clone()));
        registry
    }

    /// A round was made.
    pub(crate) fn count_sync(&self) {
        self.syncs.inc();
    }

    /// A repair was made.
    pub(crate) fn count_repair(&self, reason: &'static str) {
        self.repairs.get_or_create(&[("reason", reason)]).inc();
    }

    /// A repair was put off.
    pub(crate) fn count_damped(&self) {
        self.damped.inc();
    }

    /// Something could not be done.
    pub(crate) fn count_error(&self, kind: &'static str) {
        self.errors.get_or_create(&[("kind", kind)]).inc();
    }

    /// The rules that are in force from now on.
    pub(crate) fn set_ranges(&self, wanted: &[RuleSet]) {
        for set in wanted {
            let family = if set.family == Family::V4 { "ipv4" } else { "ipv6" };
            let count = i64::try_from(set.ranges.len()).unwrap_or(i64::MAX);
            self.ranges.get_or_create(&[("family", family)]).set(count);
        }
        if let Ok(mut exempt) = self.exempt.0.lock() {
            *exempt = wanted.iter().flat_map(|set| &set.ranges).copied().collect();
        }
    }

    /// Whether every file could be used.
    pub(crate) fn set_configuration_good(&self, is_good: bool) {
        self.configuration_good.set(i64::from(is_good));
    }

    /// Everything was seen to be right.
    pub(crate) fn set_verified(&self, now: Instant) {
        if let Ok(mut verified) = self.verified.0.lock() {
            *verified = Some(now);
        }
    }
}

impl Collector for Exempt {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Ok(ranges) = self.0.lock() else { return Ok(()) };
        let help = "A destination that keeps a pod's address";
        let mut family = encoder.encode_descriptor("range", help, None, MetricType::Gauge)?;
        for range in ranges.iter() {
            ConstGauge::new(1_i64).encode(family.encode_family(&[("cidr", range.to_string())])?)?;
        }
        Ok(())
    }
}

impl Collector for Verified {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(verified) = self.0.lock().ok().and_then(|verified| *verified) else { return Ok(()) };
        let gauge = ConstGauge::new(verified.elapsed().as_secs_f64());
        let help = "Time since all rules were last seen to be right";
        gauge.encode(encoder.encode_descriptor(
            "verified_age",
            help,
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?)
    }
}

#[cfg(test)]
mod tests {
    use podnet_daemon_kit::prometheus::encoding::text::encode;
    use podnet_masq_rules::{ChainName, Policy, Style};

    use super::*;

    #[test]
    fn ranges_and_counters_are_told() {
        let metrics = Metrics::default();
        let defaults = Policy::defaults(false);
        metrics.set_ranges(&[RuleSet::of(&defaults, Family::V4, ChainName::default(), Style::default())]);
        metrics.count_repair("chain empty");
        metrics.set_verified(Instant::now());
        let mut text = String::new();
        encode(&mut text, &metrics.registry()).unwrap();
        for line in [
            "podnet_masq_ranges{family=\"ipv4\"} 4\n",
            "podnet_masq_range{cidr=\"172.16.0.0/12\"} 1\n",
            "podnet_masq_repairs_total{reason=\"chain empty\"} 1\n",
            "podnet_masq_verified_age_seconds 0.",
        ] {
            assert!(text.contains(line), "{line} in:\n{text}");
        }
    }
}
