//! A node that starts and stops two hundred pods with sixteen callers at once.

use std::collections::BTreeSet;
use std::time::Duration;

use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::{ensure_eq, parallel};

use crate::differences::FRESH_BRIDGE_RACE;
use crate::table::{self, Scene};

pub(crate) fn cases() -> Vec<Case> {
    let tests: &[table::Test] = &[
        ("two_hundred_pods", two_hundred_pods, None),
        ("two_hundred_pods_on_a_fresh_node", on_a_fresh_node, Some(&FRESH_BRIDGE_RACE)),
    ];
    table::with_limit(Duration::from_mins(3), "scale", &[Family::Dual], tests)
}

const PODS: usize = 200;
const WORKERS: usize = 16;

fn two_hundred_pods(scene: Scene) -> Outcome {
    let network = scene.settled()?;
    let before = Snapshot::take()?;
    come_and_go(&network)?;
    before.ensure_unchanged("two hundred pods came and went")
}

fn on_a_fresh_node(scene: Scene) -> Outcome {
    let network = scene.network()?;
    come_and_go(&network)?;
    let left = Snapshot::take()?;
    let pod = Pod::create("last")?;
    let added = network.add(&pod)?;
    network.del(&pod, Some(&added))?;
    left.ensure_unchanged("one more pod came and went")
}

fn come_and_go(network: &Network) -> Result<(), Failure> {
    let pods: Vec<Pod> =
        (0..PODS).map(|number| Pod::create(&format!("pod{number}"))).collect::<Result<_, _>>()?;
    let added = parallel::each(WORKERS, &pods, |pod| network.add(pod).doing(&pod.container))?;
    let addresses: Vec<_> = added.iter().flat_map(podnet_netns_tests::reply::Added::cidrs).collect();
    let distinct: BTreeSet<_> = addresses.iter().collect();
    ensure_eq!(distinct.len(), 2 * PODS, "different addresses");
    let pairs: Vec<_> = pods.iter().zip(&added).collect();
    parallel::each(WORKERS, &pairs, |(pod, added)| network.del(pod, Some(added)).doing(&pod.container))?;
    Ok(())
}
