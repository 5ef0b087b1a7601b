//! What was found, and what was promised of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use podnet_netns_tests::failure::Failure;
use podnet_netns_tests::rows::Row;
use podnet_netns_tests::samples::{Samples, Times};

use crate::contestant::Who;
use crate::streams::{Passed, Way};

/// On the machine where this was planned: the reference bridge's ADD, and 30 of azure-vnet's at once, in milliseconds.
const PLANNED: (f64, f64) = (10.6, 2200.0);
/// Two that are as fast as each other are found to differ by this much, at most, in one run.
const AS_MUCH: f64 = 1.05;

/// All of it.
#[derive(Debug)]
pub(crate) struct Figures {
    /// One pod at a time.
    pub(crate) single: BTreeMap<Who, Times>,
    /// Wall times of podnet's ADDs at once.
    pub(crate) burst: Samples,
    /// podnet's traffic and the reference's.
    pub(crate) streams: (Passed, Passed),
    /// One pod at a time, before and after a thousand of podnet's came.
    pub(crate) few: BTreeMap<Who, Times>,
    /// See `few`.
    pub(crate) many: BTreeMap<Who, Times>,
}

impl Figures {
    /// Each with its promise.
    pub(crate) fn promises(&self) -> Vec<Row> {
        let [podnet, reference, floor] =
            [Who::Podnet, Who::Reference, Who::Floor].map(|who| add(&self.single, who));
        let among = ratio(add(&self.many, Who::Podnet), add(&self.few, Who::Podnet));
        let burst = milliseconds(self.burst.percentile(50));
        let scale = milliseconds(reference) / PLANNED.0;
        let (ours, theirs) = &self.streams;
        let row = |what, found, limit, unit| Row { what, found, limit, unit, at_least: false };
        let bits = |way: fn(&Passed) -> &Way| way(theirs).bits / way(ours).bits;
        let times = |way: fn(&Passed) -> &Way| ratio(way(ours).round_trip, way(theirs).round_trip);
        vec![
            row("ADD, to the floor", ratio(podnet, floor), 1.6, ""),
            row("ADD, to the reference bridge", ratio(podnet, reference), 0.3, ""),
            row("ADD among 1,000 pods, to the first", among, 1.2, ""),
            row("30 ADDs at once, to a tenth of azure-vnet's, scaled", burst, PLANNED.1 / 10.0 * scale, "ms"),
            row(
                "throughput to a neighbour, the reference's to ours",
                bits(|passed| &passed.near),
                AS_MUCH,
                "",
            ),
            row(
                "throughput to another node, the reference's to ours",
                bits(|passed| &passed.far),
                AS_MUCH,
                "",
            ),
            row(
                "question and answer to a neighbour, to the reference's",
                times(|passed| &passed.near),
                AS_MUCH,
                "",
            ),
            row(
                "question and answer to another node, to the reference's",
                times(|passed| &passed.far),
                AS_MUCH,
                "",
            ),
        ]
    }

    /// The times and rates that the promises are about, as Markdown.
    pub(crate) fn table(&self) -> Result<String, Failure> {
        let mut text =
            "| milliseconds: median (90th percentile) | reference | podnet | floor |\n|---|---:|---:|---:|\n"
                .to_owned();
        let rows = [
            ("ADD", &self.single, false),
            ("DEL", &self.single, true),
            ("ADD among few", &self.few, false),
            ("ADD among 1,000 pods of podnet's", &self.many, false),
        ];
        for (what, times, is_del) in rows {
            write!(text, "| {what} |")?;
            for who in [Who::Reference, Who::Podnet, Who::Floor] {
                let pick = |times: &Times| if is_del { times.del.clone() } else { times.add.clone() };
                let samples = times.get(&who).map(pick).unwrap_or_default();
                let [median, high] = [50, 90].map(|percent| milliseconds(samples.percentile(percent)));
                write!(text, " {median:.2} ({high:.2}) |")?;
            }
            writeln!(text)?;
        }
        writeln!(text, "\n| to | reference | podnet |\n|---|---:|---:|")?;
        let (ours, theirs) = &self.streams;
        for (what, ours, theirs) in
            [("a neighbour", &ours.near, &theirs.near), ("another node", &ours.far, &theirs.far)]
        {
            write!(text, "| {what} |")?;
            for way in [theirs, ours] {
                let microseconds = way.round_trip.as_secs_f64() * 1e6;
                write!(text, " {:.2} Gbit/s, {microseconds:.1} µs |", way.bits / 1e9)?;
            }
            writeln!(text)?;
        }
        Ok(text)
    }
}

/// The median.
fn add(times: &BTreeMap<Who, Times>, who: Who) -> Duration {
    times.get(&who).map(|times| times.add.percentile(50)).unwrap_or_default()
}

fn ratio(found: Duration, to: Duration) -> f64 {
    found.as_secs_f64() / to.as_secs_f64()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
