//! What pods hear of each other and of the node.

use std::net::IpAddr;

use podnet_netns_tests::dropin::Maker;
use podnet_netns_tests::failure::{Failure, Missing, Outcome};
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::process::{command, run};
use podnet_netns_tests::reply::Added;
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::{ensure, ensure_eq, reply};
use serde_json::json;

use super::{host_local, network};

pub(super) fn loopback(maker: Maker) -> Outcome {
    let is_up = |pod: &Pod| -> Result<bool, Failure> {
        let flags = Place::from(&pod.netns).ip_json(&["link", "show", "dev", "lo"])?[0]["flags"].take();
        Ok(flags.as_array().is_some_and(|flags| flags.contains(&json!("UP"))))
    };
    let entry = json!({"type": "loopback"});
    let (by_one, by_other) = (network(maker, entry.clone())?, network(maker.other(), entry)?);
    let pod = Pod { ifname: "lo".into(), ..Pod::create("pod")? };
    ensure!(by_one.check(&pod, &Added(json!({}))).is_err(), "CHECK before ADD passes");
    let added = by_one.add(&pod)?;
    ensure_eq!(added.cidrs(), ["127.0.0.1/8", "::1/128"], "addresses");
    ensure_eq!(added.interface(0)?, "lo", "interface");
    ensure!(is_up(&pod)?, "lo is down after ADD");
    by_one.check(&pod, &added)?;
    by_other.check(&pod, &added)?;
    by_other.del(&pod, Some(&added))?;
    ensure!(!is_up(&pod)?, "lo is up after DEL");
    let passed =
        by_one.call("ADD", Some(&pod), &[("prevResult", json!({"cniVersion": "1.1.0", "ips": []}))])?;
    ensure!(
        !reply::result(passed)?.0.to_string().contains("127.0.0.1"),
        "the earlier result is not passed on"
    );
    pod.netns.remove()?;
    by_one.del(&pod, None)
}

fn pings(pod: &Pod, address: IpAddr) -> Result<bool, Failure> {
    let words = ["netns", "exec", pod.netns.name(), "ping", "-c", "1", "-W", "1", &address.to_string()];
    Ok(run(&mut command("ip", words), b"")?.status.success())
}

pub(super) fn isolated(maker: Maker) -> Outcome {
    let entry =
        json!({"type": "bridge", "isGateway": true, "portIsolation": true, "ipam": host_local(&json!([]))});
    let network = network(maker, entry)?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    network.add(&a)?;
    let address = network.add(&b)?.addresses()?[0];
    ensure!(pings(&a, "10.1.0.1".parse()?)?, "the gateway does not answer");
    ensure!(!pings(&a, address)?, "a neighbour behind an isolated port answers");
    Ok(())
}

pub(super) fn forged(maker: Maker) -> Outcome {
    let entry =
        json!({"type": "bridge", "isGateway": true, "macspoofchk": true, "ipam": host_local(&json!([]))});
    let pod = Pod::create("pod")?;
    network(maker, entry)?.add(&pod)?;
    let gateway = "10.1.0.1".parse()?;
    ensure!(pings(&pod, gateway)?, "the gateway does not answer");
    Place::from(&pod.netns).ip(&["link", "set", "eth0", "address", "02:99:99:99:99:99"])?;
    ensure!(!pings(&pod, gateway)?, "the gateway answers a forged sender");
    Ok(())
}

/// Where the kernel tells VLANs apart: a pod hears its own VLAN alone, and the node by its link into it.
pub(super) fn vlans() -> Outcome {
    let entry = |vlan: u16, subnet: &str| {
        json!({"type": "bridge", "bridge": "br0", "vlan": vlan, "isGateway": true,
            "ipam": {"type": "host-local", "subnet": subnet}})
    };
    let probe = ["link", "add", "name", "probe0", "type", "bridge", "vlan_filtering", "1"];
    let (five, six) =
        (network(Maker::Podnet, entry(5, "10.5.0.0/24"))?, network(Maker::Podnet, entry(6, "10.5.0.0/24"))?);
    let (a, b, c) = (Pod::create("a")?, Pod::create("b")?, Pod::create("c")?);
    if Place::Node.ip(&probe).is_err() {
        let before = Snapshot::take()?;
        let refused = reply::error(&five.call("ADD", Some(&a), &[])?)?;
        ensure!(refused.names("tells VLANs apart"), "{refused:?}");
        let left = before.differences(&Snapshot::take()?);
        ensure!(left.iter().all(|line| line.contains("/var/lib/cni/")), "after a refused ADD: {left:?}");
        return Err(Failure::Skipped(Missing::Feature(
            "this kernel's bridges do not tell VLANs apart".into(),
        )));
    }
    let added = five.add(&a)?;
    ensure_eq!(added.interface(3)?, "br0.5", "the node's link into the VLAN");
    let neighbour = five.add(&b)?.addresses()?[0];
    let stranger = Network { name: "six".into(), ..six }.add(&c)?.addresses()?[0];
    ensure!(pings(&a, "10.5.0.1".parse()?)? && pings(&a, neighbour)?, "the pod's own VLAN does not answer");
    ensure!(!pings(&a, stranger)?, "another VLAN answers");
    five.check(&a, &added)?;
    five.del(&a, Some(&added))
}
