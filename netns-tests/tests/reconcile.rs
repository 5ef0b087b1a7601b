//! The daemon's pool against the truth of the node: pods that went without DEL, pods that the pool forgot.

use std::time::Duration;

use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::ipamd::{self, Ipamd};
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::subject::{Family, Subject};
use podnet_netns_tests::{ensure_eq, wait};
use serde_json::Value;

use crate::daemon_addresses::{self, FIRST, nobody_has_any};
use crate::table::Scene;
use crate::vnet;

/// How long the daemon may take to see and to do something.
const PATIENCE: Duration = Duration::from_secs(30);

/// A test's name and body.
type Test = (&'static str, fn(&Network, Family) -> Outcome);

const TESTS: &[Test] = &[
    ("a_vanished_pod_gives_its_addresses_back", a_vanished_pod),
    ("a_forgotten_pod_keeps_its_addresses", a_forgotten_pod),
    ("a_client_without_links_keeps_its_addresses", a_client_without_links),
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![case("an_address_of_the_node_itself_is_said", an_address_of_the_node)];
    for &(name, body) in TESTS {
        for family in [Family::V4, Family::V6, Family::Dual] {
            let word = family.word();
            cases.push(case(&format!("vnet::{word}::{name}"), move || body(&vnet::network()?, family)));
            let scene = Scene { subject: Subject::Podnet, family };
            cases.push(case(&format!("kubenet::{word}::{name}"), move || {
                body(&daemon_addresses::network(scene)?, family)
            }));
        }
    }
    cases
}

fn case(name: &str, body: impl Fn() -> Outcome + Send + Sync + 'static) -> Case {
    Case { name: format!("reconcile::podnet::{name}"), limit: Duration::from_mins(2), body: Box::new(body) }
}

fn daemon(family: Family) -> Result<Ipamd, Failure> {
    let pool = ipamd::pool(family, FIRST, daemon_addresses::COUNT);
    daemon_addresses::start_with(&format!("{pool}reconcile: {{interval: 500ms, grace: 2s}}\n"))
}

/// As after a crash of the runtime, or an operator's `ip netns del`.
fn a_vanished_pod(network: &Network, family: Family) -> Outcome {
    let daemon = daemon(family)?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    network.add(&b)?;
    let kept = daemon.assigned()?;
    network.add(&a)?;
    a.netns.remove()?;
    wait::until(PATIENCE, "the release of what the vanished pod had", || {
        Ok((daemon.assigned()? == kept).then_some(()))
    })?;
    // The DEL that comes after all.
    network.del(&a, None)?;
    ensure_eq!(daemon.assigned()?, kept, "what the other pod has");
    network.del(&b, None)?;
    nobody_has_any(&daemon)
}

/// Somebody gave back what a live pod has: an operator's slip, a client's mistaken release.
fn a_forgotten_pod(network: &Network, family: Family) -> Outcome {
    let daemon = daemon(family)?;
    let pod = Pod::create("a")?;
    network.add(&pod)?;
    let held = daemon.assigned()?;
    daemon.release(&pod.container)?;
    wait::until(PATIENCE, "the adoption of the living pod", || {
        Ok((daemon.assigned()? == held).then_some(()))
    })?;
    network.del(&pod, None)?;
    nobody_has_any(&daemon)
}

/// A client whose pods show nothing on the node: nothing is concluded from that.
fn a_client_without_links(network: &Network, family: Family) -> Outcome {
    let daemon = daemon(family)?;
    daemon.request("foreign")?;
    let foreign = daemon.assigned()?;
    let pod = Pod::create("a")?;
    network.add(&pod)?;
    pod.netns.remove()?;
    wait::until(PATIENCE, "the release of what the vanished pod had", || {
        Ok((daemon.assigned()? == foreign).then_some(()))
    })?;
    network.del(&pod, None)?;
    wait::until(PATIENCE, "a look that finds the foreign client unseen", || {
        Ok((findings(&daemon)?["unseen"] == 1).then_some(()))
    })?;
    ensure_eq!(daemon.assigned()?, foreign, "what the foreign client has");
    Ok(())
}

fn an_address_of_the_node() -> Outcome {
    let daemon = daemon(Family::V4)?;
    let address = daemon.request("foreign")?.address()?;
    Place::Node.ip(&["address", "add", &format!("{address}/32"), "dev", "lo"])?;
    let said = format!("{address} is claimed by container foreign and the node itself");
    wait::until(PATIENCE, "the conflict is said", || {
        Ok((findings(&daemon)?["conflicts"][0] == *said).then_some(()))
    })?;
    Place::Node.ip(&["address", "del", &format!("{address}/32"), "dev", "lo"])?;
    wait::until(PATIENCE, "the end of the conflict is seen", || {
        Ok((findings(&daemon)?["conflicts"] == Value::Array(Vec::new())).then_some(()))
    })
}

fn findings(daemon: &Ipamd) -> Result<Value, Failure> {
    Ok(daemon.get("/debug/status")?.json()?["reconciliation"].clone())
}
