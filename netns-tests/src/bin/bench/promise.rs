//! What was promised, and whether it was kept.

use std::time::Duration;

use podnet_netns_tests::samples::{Samples, Times};
use podnet_netns_tests::subject::Family;

use crate::contestant::Who;
use crate::measure::Figures;

/// Two that are as fast as each other are found to differ by this much, at most, in one run.
const AS_MUCH: f64 = 1.05;

/// One promised figure.
#[derive(Debug)]
pub(crate) struct Promise {
    /// What is compared.
    pub(crate) what: String,
    /// The figure found.
    pub(crate) found: f64,
    /// The highest that keeps the promise.
    pub(crate) limit: f64,
    /// What the figures are measured in; empty for a ratio.
    pub(crate) unit: &'static str,
    /// Whether it was kept.
    pub(crate) kept: bool,
}

impl Promise {
    fn new(what: impl Into<String>, found: f64, limit: f64, unit: &'static str) -> Self {
        Self { what: what.into(), found, limit, unit, kept: found <= limit }
    }
}

/// Every promise of the project's specification of speed and size.
pub(crate) fn judge(figures: &Figures) -> Vec<Promise> {
    let mut promises = Vec::new();
    for (family, times) in &figures.single {
        if let [Some(reference), Some(podnet), Some(floor)] = Who::ALL.map(|who| times.get(&who)) {
            promises.extend(singly(*family, reference, podnet, floor));
        }
    }
    let burst = |who| figures.burst.get(&who).map(|(adds, _)| adds.percentile(50)).unwrap_or_default();
    let together = ratio(burst(Who::Podnet), burst(Who::Reference));
    promises.push(Promise::new("60 ADDs by 16 workers, to the reference", together, 1.0 / 3.0, ""));
    promises.extend(of_chain(figures));
    if let Some((empty, full)) = figures.pods.get(&Who::Podnet) {
        let among = ratio(full.add.percentile(50), empty.add.percentile(50));
        promises.push(Promise::new("ADD with 900 pods present, to ADD on an empty node", among, 1.3, ""));
    }
    if let Some((few, many)) = figures.reservations.get(&Who::Podnet) {
        let more = milliseconds(many.add.percentile(50)) - milliseconds(few.add.percentile(50));
        promises.push(Promise::new("ADD with 20,000 reservations, more than with none", more, 10.0, "ms"));
    }
    let rss = figures.rss_kib.get(&Who::Podnet).copied().unwrap_or_default();
    promises.push(Promise::new("peak resident set", mebibytes(rss * 1024), 4.0, "MiB"));
    promises.push(Promise::new("size of the binary", mebibytes(figures.binary), 3.0, "MiB"));
    let processes = f64::from(u32::try_from(figures.processes).unwrap_or(u32::MAX));
    promises.push(Promise::new("processes made by ADD and DEL", processes, 0.0, ""));
    promises
}

fn singly(family: Family, reference: &Times, podnet: &Times, floor: &Times) -> [Promise; 4] {
    let (add, del, cpu) = (podnet.add.percentile(50), podnet.del.percentile(50), podnet.cpu.percentile(50));
    let named = |what: &str| format!("{what} ({})", family.word());
    [
        Promise::new(named("ADD, to the reference"), ratio(add, reference.add.percentile(50)), 0.25, ""),
        Promise::new(named("ADD, to the floor"), ratio(add, floor.add.percentile(50)), 1.5, ""),
        Promise::new(named("DEL, to the floor"), ratio(del, floor.del.percentile(50)), 1.15, ""),
        Promise::new(
            named("CPU of ADD and DEL, to the reference"),
            ratio(cpu, reference.cpu.percentile(50)),
            0.25,
            "",
        ),
    ]
}

/// What is promised of a node whose pods have host ports and limits.
fn of_chain(figures: &Figures) -> Vec<Promise> {
    let mut promises = Vec::new();
    let chain = &figures.chain;
    if let (Some(reference), Some(podnet)) =
        (chain.single.get(&Who::Reference), chain.single.get(&Who::Podnet))
    {
        let mut promise = |what: &str, pick: fn(&Times) -> &Samples, limit| {
            let found = ratio(pick(podnet).percentile(50), pick(reference).percentile(50));
            promises.push(Promise::new(format!("{what}, to the reference (chain)"), found, limit, ""));
        };
        promise("ADD", |times| &times.add, 1.0 / 15.0);
        promise("DEL", |times| &times.del, 1.0 / 4.0);
        promise("CPU of ADD and DEL", |times| &times.cpu, 1.0 / 10.0);
    }
    let burst = |who| chain.burst.get(&who).map(|(adds, _)| adds.percentile(50)).unwrap_or_default();
    let together = ratio(burst(Who::Podnet), burst(Who::Reference));
    promises.push(Promise::new("60 ADDs by 16 workers, to the reference (chain)", together, 1.0 / 8.0, ""));
    let (none, many) = &chain.ports;
    let among = ratio(many.add.percentile(50), none.add.percentile(50));
    promises.push(Promise::new("ADD with 1,000 host ports, to ADD on an empty node (chain)", among, 1.2, ""));
    if let (Some(reference), Some(podnet)) =
        (figures.traffic.get(&Who::Reference), figures.traffic.get(&Who::Podnet))
    {
        let connections = reference.connections() / podnet.connections();
        promises.push(Promise::new(
            "connections a second by a host port, the reference's to ours",
            connections,
            AS_MUCH,
            "",
        ));
        let bits = reference.bits() / podnet.bits();
        promises.push(Promise::new("throughput of a host port, the reference's to ours", bits, AS_MUCH, ""));
    }
    promises
}

fn ratio(found: Duration, to: Duration) -> f64 {
    found.as_secs_f64() / to.as_secs_f64()
}

/// For people: `12.3`.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn mebibytes(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a figure with two digits after the point")]
    let bytes = bytes as f64;
    bytes / f64::from(1 << 20)
}
