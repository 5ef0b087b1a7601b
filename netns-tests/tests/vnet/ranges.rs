//! Ranges of the plugin's own in which the node has an address. (Those of a daemon: `ipamd::ranges`.)

use std::net::IpAddr;
use std::time::Duration;

use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::Pod;
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::{ensure, probe, reply};
use serde_json::json;

use super::bad_input::refused;
use super::{Test, network};

pub(super) const TESTS: &[Test] = &[("ranges_that_hold_the_nodes_address", that_hold_the_nodes_address)];

fn that_hold_the_nodes_address(family: Family) -> Outcome {
    let network = network()?.with("/ipam", json!({"type": "host-local", "ranges": family.ranges()}));
    let own = family.pick("10.244.1.7/24", "fd00:10:244:1::7/64");
    let gateways = family.pick("10.244.1.1/24", "fd00:10:244:1::1/64");
    let give = |cidr: &str, link: &str| -> Result<IpAddr, Failure> {
        Place::Node.ip(&["addr", "add", cidr, "dev", link, "nodad"])?;
        let address = cidr.split('/').next().unwrap_or_default().parse()?;
        // Of IPv6 the kernel makes the address its own a moment later.
        probe::reach(Place::Node, Place::Node, address, Duration::from_secs(10))?;
        Ok(address)
    };
    // The pods' own bridge, as mode kubenet leaves it.
    for link in ["cbr0", "eth0"] {
        Place::Node.ip(&["link", "add", link, "up", "type", "bridge"])?;
    }
    for gateway in gateways {
        give(gateway, "cbr0")?;
    }
    for cidr in own {
        let address = give(cidr, "eth0")?;
        let words = format!("it contains {address}, the node's own address on link eth0");
        refused(&network, "early", 7, &words)?;
        let status = reply::error(&network.call("STATUS", None, &[])?)?;
        ensure!(status.code == 50 && status.names(&words), "{status:?}");
        Place::Node.ip(&["addr", "del", cidr, "dev", "eth0"])?;
    }
    reply::silence(network.call("STATUS", None, &[])?)?;
    network.add(&Pod::create("a")?).map(drop)
}
