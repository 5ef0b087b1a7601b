//! The pool's figures as metrics: ours by state, and CNS's by name.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use podnet_ipam_core::{Counts, Family};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::actor::Figures;

/// Tells the figures that were set last.
#[derive(Debug)]
pub(super) struct PoolCollector(Arc<Mutex<Figures>>);

impl PoolCollector {
    pub(super) fn new(figures: Arc<Mutex<Figures>>) -> Self {
        Self(figures)
    }
}

impl Collector for PoolCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let figures = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        own(&figures, &mut encoder)?;
        of_cns(&figures, &mut encoder)
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A metric without labels.
fn single(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    metric: &impl EncodeMetric,
) -> fmt::Result {
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
}

fn own(figures: &Figures, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let help = "Addresses of the pool by family and state";
    let mut addresses = encoder.encode_descriptor("podnet_ipamd_addresses", help, None, MetricType::Gauge)?;
    for family in Family::ALL {
        let family_name = family.to_string();
        for (state, count) in by_state(figures.counts.get(family)) {
            let labels = [("family", family_name.as_str()), ("state", state)];
            ConstGauge::new(number(count)).encode(addresses.encode_family(&labels)?)?;
        }
    }
    for (name, help, value) in [
        ("orphaned_addresses", "Held by pods, though the source does not have them any more", {
            number(figures.counts.v4.orphaned + figures.counts.v6.orphaned)
        }),
        ("requested_addresses", "Asked of the network in total", i64::from(figures.requested)),
        ("source_up", "1 while the source's last answer was good", i64::from(figures.is_source_well)),
        ("journal_bytes", "The journal on disk, its snapshot included", {
            i64::try_from(figures.size.journal).unwrap_or(i64::MAX)
        }),
        ("journal_snapshot_bytes", "The snapshot that the journal begins with", {
            i64::try_from(figures.size.snapshot).unwrap_or(i64::MAX)
        }),
    ] {
        single(encoder, &format!("podnet_ipamd_{name}"), help, &ConstGauge::new(value))?;
    }
    let skipped = ConstCounter::new(figures.cool_downs_skipped);
    let help = "Addresses that were assigned before their cool-down ended";
    single(encoder, "podnet_ipamd_cool_downs_skipped", help, &skipped)?;
    let age = figures.source_age.map(ConstGauge::new);
    let help = "Since the source's last good answer";
    age.map_or(Ok(()), |age| single(encoder, "podnet_ipamd_source_age_seconds", help, &age))
}

fn by_state(counts: &Counts) -> [(&'static str, usize); 5] {
    [
        ("PendingProgramming", counts.pending_programming),
        ("Available", counts.available),
        ("Assigned", counts.assigned),
        ("CoolingDown", counts.cooling_down),
        ("PendingRelease", counts.pending_release),
    ]
}

/// What CNS's dashboards label their figures with.
const CUSTOMER: (&str, &str) = ("customer_metric", "customer metric");

/// The names of CNS (azure-container-networking, `cns/metrics`, `cns/ipampool`). A CNS has no cool-down: such addresses
/// are neither available nor assigned there.
fn of_cns(figures: &Figures, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let sum = |of: fn(&Counts) -> usize| number(of(&figures.counts.v4) + of(&figures.counts.v6));
    let total = sum(Counts::total);
    let assigned = sum(|counts| counts.assigned);
    let available = sum(|counts| counts.available);
    let programming = sum(|counts| counts.pending_programming);
    let releasing = sum(|counts| counts.pending_release);
    let requested = i64::from(figures.requested);
    for (state, value) in [
        ("allocated", total),
        ("assigned", assigned),
        ("available", available),
        ("pending_programming", programming),
        ("pending_release", releasing),
    ] {
        let (name, help) =
            (format!("cx_{state}_ips_v2"), format!("IPs in state {state}, as CNS counts them"));
        let mut family = encoder.encode_descriptor(&name, &help, None, MetricType::Gauge)?;
        ConstGauge::new(value).encode(family.encode_family(&[CUSTOMER])?)?;
    }
    let (subnet, cidr) = figures.networks.first().map_or(("", ""), |(id, cidr)| (id.as_str(), cidr.as_str()));
    let labels = [("subnet", subnet), ("subnet_cidr", cidr), ("podnet_arm_id", ""), CUSTOMER];
    for (name, value) in [
        ("pod_allocated_ips", assigned),
        ("available_ips", total - assigned - releasing),
        ("current_available_ips", total - assigned - releasing),
        ("expect_available_ips", requested - assigned),
        ("pending_programming_ips", programming),
        ("pending_release_ips", releasing),
        ("requested_ips", requested),
        ("secondary_ips", total),
        ("total_ips", total),
        ("max_ips", figures.max.map_or(total, i64::from)),
        ("batch_size", i64::from(figures.batch)),
    ] {
        let (name, help) = (format!("cx_ipam_{name}"), format!("CNS's {name}"));
        let mut family = encoder.encode_descriptor(&name, &help, None, MetricType::Gauge)?;
        ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
    }
    for (name, value) in [
        ("allocated_ips", assigned),
        ("requested_ips", requested),
        ("unused_ips", total - assigned),
        ("has_networkcontainer", i64::from(!figures.networks.is_empty())),
    ] {
        single(encoder, name, &format!("CNS's {name}"), &ConstGauge::new(value))?;
    }
    Ok(())
}
