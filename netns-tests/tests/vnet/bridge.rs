//! Datapath bridge: pods on the network itself, which knows the node by one Ethernet address alone.

mod executed;
mod faults;
mod killed;
mod moved;
mod state;
mod taken;
mod traffic;

use podnet_netns_tests::fabric::Fabric;
use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::Network;
use podnet_netns_tests::subject::Family;
use serde_json::json;

pub(super) fn cases() -> impl Iterator<Item = Case> {
    let tests =
        [state::TESTS, traffic::TESTS, moved::TESTS, faults::TESTS, taken::TESTS, executed::TESTS].concat();
    let of_families = [Family::V4, Family::V6, Family::Dual].into_iter().flat_map(move |family| {
        tests.clone().into_iter().map(move |(name, body)| {
            super::case(&format!("bridge::{}::{name}", family.word()), move || body(family))
        })
    });
    of_families.chain(killed::cases())
}

/// Where the node's own addresses end.
const NODE: u8 = 4;

/// The network, with the node under test on it.
pub(super) fn fabric(family: Family) -> Result<Fabric, Failure> {
    let fabric = Fabric::create(family)?;
    fabric.connect(Place::Node, NODE)?;
    Ok(fabric)
}

/// Pods with addresses of the daemon.
fn network() -> Result<Network, Failure> {
    Ok(super::network()?.with("/datapath", "bridge"))
}

/// Pods with the addresses that end so.
fn fixed(family: Family, host: u8) -> Result<Network, Failure> {
    let v4 = json!({"address": format!("10.244.1.{host}/24"), "gateway": "10.244.1.1"});
    let v6 = json!({"address": format!("fd00:10:244:1::{host:x}/64"), "gateway": "fd00:10:244:1::1"});
    let ipam = json!({"type": "static", "addresses": family.pick(v4, v6)});
    Ok(network()?.with("/ipam", ipam))
}

/// Whether frames between ports of bridges pass the node's rules of IP.
pub(super) fn set_br_netfilter(on: bool) -> Outcome {
    for name in ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"] {
        std::fs::write(format!("/proc/sys/net/bridge/{name}"), if on { "1" } else { "0" })?;
    }
    Ok(())
}
