//! How long ADD and DEL take, the plugin started directly with what a runtime gives it.

use std::time::Duration;

use podnet_netns_tests::ensure;
use podnet_netns_tests::failure::{Context as _, Failure};
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::subject::{Family, Subject};
use serde_json::{Value, json};

use crate::screen::Screen;
use crate::stage::Stage;

/// Pods of each contestant.
const ROUNDS: usize = 20;
/// Name of the reference plugins' network and of its bridge: what they leave on the node is their affair.
const REFERENCE: &str = "reference";

/// One network, and how long its pods took.
struct Contestant {
    network: Network,
    adds: Vec<Duration>,
    dels: Vec<Duration>,
}

/// Measures podnet on the story's network and in turn with it, where they are installed, the reference plugins on one
/// like it. podnet's pods that come and go must leave the node as it was.
pub(crate) fn show(stage: &Stage<'_>) -> Result<(), Failure> {
    stage.screen.note(&format!(
        "Median of {ROUNDS}, the plugin alone, IPv4 and IPv6. Most of DEL is the kernel's own grace period for a link,\n\
         which no plugin can avoid; `make bench` shows how near to the kernel's own time both are."
    ))?;
    let mut podnet = Contestant::new(shipped(&stage.conflist)?);
    // A machine without the reference plugins still shows podnet's own times.
    let mut reference = Network::of(Subject::Reference, Family::Dual).ok().map(beside).map(Contestant::new);
    let before = Snapshot::take()?;
    for round in 0..ROUNDS {
        podnet.once(round)?;
        reference.as_mut().map(|reference| reference.once(round)).transpose()?;
    }
    table(stage.screen, &podnet, reference.as_ref())?;
    let differences = before.differences(&Snapshot::take()?);
    let ours: Vec<_> = differences.into_iter().filter(|line| !line.contains(REFERENCE)).collect();
    ensure!(ours.is_empty(), "the node differs after pods came and went:\n  {}", ours.join("\n  "));
    Ok(stage.screen.good(format_args!("{ROUNDS} pods came and went; the node is as it was before them"))?)
}

/// The story's network, for direct calls.
fn shipped(conflist: &Value) -> Result<Network, Failure> {
    Ok(Network {
        name: conflist["name"].as_str().doing("name of the network")?.to_owned(),
        version: conflist["cniVersion"].as_str().doing("version of the network")?.to_owned(),
        plugins: conflist["plugins"].as_array().doing("plugins of the network")?.clone(),
        path: vec![Subject::Podnet.folder()?],
    })
}

/// The same kind of network on a bridge and in subnets of its own.
fn beside(network: Network) -> Network {
    let ranges = json!([[{ "subnet": "10.244.9.0/24" }], [{ "subnet": "fd00:10:244:9::/64" }]]);
    let network = network.with("/bridge", REFERENCE).with("/ipam/ranges", ranges);
    Network { name: REFERENCE.into(), ..network }
}

impl Contestant {
    fn new(network: Network) -> Self {
        Self { network, adds: Vec::new(), dels: Vec::new() }
    }

    /// A pod comes and goes.
    fn once(&mut self, round: usize) -> Result<(), Failure> {
        let pod = Pod::create(&format!("{}-{round}", self.network.name))?;
        for (verb, times) in [("ADD", &mut self.adds), ("DEL", &mut self.dels)] {
            let finished = self.network.call(verb, Some(&pod), &[])?;
            times.push(finished.wall);
            finished.success()?;
        }
        Ok(())
    }
}

fn table(screen: &Screen, podnet: &Contestant, reference: Option<&Contestant>) -> Result<(), Failure> {
    let row = |verb: &str, times: fn(&Contestant) -> &[Duration]| {
        let ours = median(times(podnet));
        let others = reference.map_or(["not installed".to_owned(), String::new()], |reference| {
            let theirs = median(times(reference));
            [milliseconds(theirs), format!("{:.1} ×", theirs.as_secs_f64() / ours.as_secs_f64())]
        });
        [verb.to_owned(), milliseconds(ours)].into_iter().chain(others).collect()
    };
    let rows = [row("ADD", |contestant| &contestant.adds), row("DEL", |contestant| &contestant.dels)];
    Ok(screen.table(&["", "podnet", "bridge + host-local", "ratio"], &rows, true)?)
}

fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_does_not_follow_an_outlier() {
        assert_eq!(median(&[3, 900, 1, 2, 4].map(Duration::from_millis)), Duration::from_millis(3));
    }
}
