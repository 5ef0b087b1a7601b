//! Addresses of an IPAM plugin that is executed: the reference's, under names that podnet does not serve itself.

use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::subject::{Family, SUBNET_V4, SUBNET_V6};
use podnet_netns_tests::{ensure_eq, probe};
use serde_json::{Value, json};

use super::super::bad_input::refused;
use super::super::{Test, inside};
use super::{fabric, network};
use crate::{ipam, look, table};

pub(super) const TESTS: &[Test] = &[("addresses_of_an_executed_plugin", addresses_of_an_executed_plugin)];

/// Both datapaths with these addresses.
fn networks(ipam: &Value) -> Result<[Network; 2], Failure> {
    let mut bridged = network()?.with("/ipam", ipam.clone());
    bridged.path.extend(ipam::plugins()?);
    Ok([bridged.clone().with("/datapath", "transparent"), bridged])
}

fn addresses_of_an_executed_plugin(family: Family) -> Outcome {
    let fabric = fabric(family)?;
    let ranges = family.pick((SUBNET_V4, "10.244.1.32"), (SUBNET_V6, "fd00:10:244:1::32"));
    let ranges = ranges.into_iter().map(|(subnet, start)| json!([{"subnet": subnet, "rangeStart": start}]));
    let ranges: Value = ranges.collect();
    for network in networks(&json!({"type": "reference-host-local", "ranges": ranges}))? {
        table::settle(&network)?;
        let before = Snapshot::take()?;
        let (a, b) = (Pod::create("a")?, Pod::create("b")?);
        let (of_a, of_b) = (network.add(&a)?, network.add(&b)?);
        let own = of_a.addresses()?;
        ensure_eq!(look::addresses(&look::link(inside(&a), "eth0")?), of_a.cidrs(), "addresses of the pod");
        for (own, &target) in own.iter().zip(&of_b.addresses()?) {
            ensure_eq!(probe::first_packet(inside(&a), inside(&b), target)?, *own, "source that is seen");
        }
        // The plugin would give it, and is told to take it back.
        let addresses =
            of_a.cidrs().into_iter().map(|cidr| json!({ "gateway": gateway(&cidr), "address": cidr }));
        let twin = json!({"type": "reference-static", "addresses": addresses.collect::<Value>()});
        for network in networks(&twin)? {
            refused(&network, "twin", 102, "is in use on this node")?;
        }
        for (pod, added) in [(&a, &of_a), (&b, &of_b)] {
            network.check(pod, added)?;
            network.del(pod, Some(added))?;
            network.del(pod, None)?;
        }
        before.ensure_unchanged("ADD, CHECK and DEL")?;
    }
    ensure_eq!(fabric.refused()?, 0, "frames that the network refused");
    Ok(())
}

fn gateway(cidr: &str) -> &'static str {
    if cidr.contains(':') { "fd00:10:244:1::1" } else { "10.244.1.1" }
}
