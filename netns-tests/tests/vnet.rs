//! Mode vnet: pods with addresses of the network, each behind a link of its own. What other plugins have nothing like.
//!
//! The network is the other node's link: it sees the pods' addresses, and routes the node's back to it.

mod all_routes;
mod answers;
mod bad_input;
mod bridge;
mod doctor;
mod guarded;
mod killed;
mod lists;
mod memory;
mod node_rules;
mod ranges;
mod state;
mod tool;
mod traffic;
mod two_nodes;
mod way_out;

use std::time::Duration;

use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::ipamd::Ipamd;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::subject::{Family, Subject};
use serde_json::json;

use crate::daemon_addresses::{self, SOCKET};
use crate::table::Scene;

pub(crate) fn cases() -> Vec<Case> {
    let tests = [
        state::TESTS,
        traffic::TESTS,
        guarded::TESTS,
        bad_input::TESTS,
        answers::TESTS,
        all_routes::TESTS,
        memory::TESTS,
        ranges::TESTS,
        two_nodes::TESTS,
        way_out::TESTS,
    ];
    let families = [Family::V4, Family::V6, Family::Dual];
    let of_families = families.into_iter().flat_map(|family| {
        tests
            .concat()
            .into_iter()
            .map(move |(name, body)| case(&format!("{}::{name}", family.word()), move || body(family)))
    });
    // What the services of Azure have an address of: IPv4 alone.
    let of_services = [Family::V4, Family::Dual].into_iter().flat_map(|family| {
        let test =
            move |&(name, body): &Test| case(&format!("{}::{name}", family.word()), move || body(family));
        node_rules::TESTS.iter().map(test)
    });
    let of_one_family = lists::TESTS.iter().chain(killed::TESTS).map(|&(name, body)| case(name, body));
    of_families
        .chain(of_services)
        .chain(of_one_family)
        .chain(bridge::cases())
        .chain(tool::cases())
        .chain(doctor::cases())
        .collect()
}

/// A test's name and body.
type Test = (&'static str, fn(Family) -> Outcome);

fn case(name: &str, body: impl Fn() -> Outcome + Send + Sync + 'static) -> Case {
    Case { name: format!("vnet::podnet::{name}"), limit: Duration::from_mins(5), body: Box::new(body) }
}

/// Mode vnet with addresses of the daemon.
pub(crate) fn network() -> Result<Network, Failure> {
    let entry = json!({"type": "podnet", "mode": "vnet", "ipam": {"type": "podnet-ipamd", "socket": SOCKET}});
    Ok(Network {
        name: "azure".to_owned(),
        version: "1.1.0".to_owned(),
        plugins: vec![entry],
        path: vec![Subject::Podnet.folder()?],
    })
}

/// With a host port and limits for each pod.
fn with_everything(network: Network) -> Network {
    let ports = json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]);
    let limits = json!({"ingressRate": 8_000_000, "ingressBurst": 8_000_000, "egressRate": 8_000_000,
        "egressBurst": 8_000_000});
    network.with("/runtimeConfig", json!({"portMappings": ports, "bandwidth": limits}))
}

fn daemon(family: Family) -> Result<Ipamd, Failure> {
    daemon_addresses::start(Scene { subject: Subject::Podnet, family })
}

fn inside(pod: &Pod) -> Place<'_> {
    Place::from(&pod.netns)
}
