//! A network of machines, in the sandbox's own namespace: it routes to each node's block of pods, and sees who sends.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;

use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::machine::Machine;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::process::tool;
use podnet_netns_tests::subject::Family;
use serde_json::Value;

/// The network's own address on each link.
pub(crate) const GATEWAY: (&str, &str) = ("10.224.0.1", "fd00:224::1");

/// Notes the source and destination of whatever is forwarded.
const WATCH: &str = "table inet watch {
    set pairs4 { type ipv4_addr . ipv4_addr; size 1024; flags dynamic; }
    set pairs6 { type ipv6_addr . ipv6_addr; size 1024; flags dynamic; }
    chain forward {
        type filter hook forward priority 0
        update @pairs4 { ip saddr . ip daddr }
        update @pairs6 { ip6 saddr . ip6 daddr }
    }
}";

/// Makes the sandbox's namespace the network. It comes before its first machine.
pub(crate) fn open() -> Outcome {
    for parameter in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
        fs::write(format!("/proc/sys/net/{parameter}"), "1")?;
    }
    tool(&["nft", WATCH]).map(drop)
}

/// A machine, the number of which ends its name and its addresses, and to which the network routes these blocks.
pub(crate) fn join(family: Family, number: u8, blocks: &[String]) -> Result<Machine, Failure> {
    let machine = Machine::create(&format!("node{number}"))?;
    let last = 3 + number;
    let addresses = family.pick(format!("10.224.0.{last}"), format!("fd00:224::{last}"));
    let mut ways = Vec::new();
    for (gateway, address) in family.pick(GATEWAY.0, GATEWAY.1).into_iter().zip(&addresses) {
        ways.push((gateway.parse()?, address.parse()?));
    }
    machine.connect(&format!("to-node{number}"), &ways)?;
    for (block, address) in blocks.iter().zip(&addresses) {
        Place::Node.ip(&["route", "add", block, "via", address])?;
    }
    Ok(machine)
}

/// The sources and destinations of all that the network has forwarded.
pub(crate) fn carried() -> Result<BTreeSet<(IpAddr, IpAddr)>, Failure> {
    let mut pairs = BTreeSet::new();
    for set in ["pairs4", "pairs6"] {
        let listed: Value =
            serde_json::from_str(&tool(&["nft", "-j", "list", "set", "inet", "watch", set])?)?;
        let objects = listed["nftables"].as_array().into_iter().flatten();
        for element in objects.filter_map(|object| object["set"]["elem"].as_array()).flatten() {
            let side = |index: usize| element["concat"][index].as_str().unwrap_or_default().parse();
            pairs.insert((side(0)?, side(1)?));
        }
    }
    Ok(pairs)
}
