//! The table of tests: each function for every subject and family it is meant for.

use std::time::Duration;

use podnet_netns_tests::failure::{Failure, Missing, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::subject::{Family, Subject};
use podnet_netns_tests::wait;

use crate::differences::Difference;

/// What a test runs against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene {
    pub(crate) subject: Subject,
    pub(crate) family: Family,
}

impl Scene {
    /// The subject's network with the newest version.
    pub(crate) fn network(self) -> Result<Network, Failure> {
        Network::of(self.subject, self.family)
    }

    /// The network, on which a first pod has come and gone.
    pub(crate) fn settled(self) -> Result<Network, Failure> {
        let network = self.network()?;
        settle(&network)?;
        Ok(network)
    }
}

/// Lets a first pod come and go: what stays of it is the network's own, and has come to rest.
pub(crate) fn settle(network: &Network) -> Outcome {
    let first = Pod::create("first")?;
    let added = network.add(&first)?;
    at_rest()?;
    network.del(&first, Some(&added))
}

/// Waits until no address of the node is being probed for, as the reference's IPv6 gateway is for two seconds.
pub(crate) fn at_rest() -> Outcome {
    wait::until(Duration::from_secs(8), "the bridge's addresses at rest", || {
        let tentative = Place::Node.ip(&["-6", "addr", "show", "tentative"])?;
        Ok(tentative.is_empty().then_some(()))
    })
}

/// A test: its name, its body, and how the reference is meant to differ.
pub(crate) type Test = (&'static str, fn(Scene) -> Outcome, Option<&'static Difference>);

/// Enough for any one test on a slow machine.
const LIMIT: Duration = Duration::from_mins(1);

/// One case for each test, subject and family.
pub(crate) fn cases(suite: &str, families: &[Family], tests: &[Test]) -> Vec<Case> {
    with_limit(LIMIT, suite, families, tests)
}

/// As [`cases`], with another limit of time.
pub(crate) fn with_limit(limit: Duration, suite: &str, families: &[Family], tests: &[Test]) -> Vec<Case> {
    let mut cases = Vec::new();
    for &(test, body, difference) in tests {
        for subject in Subject::ALL {
            for &family in families {
                let scene = Scene { subject, family };
                let name = format!("{suite}::{}::{}::{test}", subject.word(), family.word());
                cases.push(Case { name, limit, body: Box::new(move || run(scene, body, difference)) });
            }
        }
    }
    cases
}

fn run(scene: Scene, body: fn(Scene) -> Outcome, difference: Option<&Difference>) -> Outcome {
    let Some(difference) = difference.filter(|_| scene.subject == Subject::Reference) else {
        return body(scene);
    };
    let differs =
        || format!("the reference differs: {}; podnet: {}", difference.reference, difference.reason);
    if !difference.always {
        return Err(Failure::Skipped(Missing::Feature(differs())));
    }
    match body(scene) {
        Ok(()) => Err(Failure::failed(format!(
            "a difference is gone, take it from the table: {}",
            difference.reference
        ))),
        Err(Failure::Failed(_)) => Ok(()),
        Err(skipped) => Err(skipped),
    }
}
