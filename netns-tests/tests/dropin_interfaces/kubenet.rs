//! The chain of bridge, portmap and bandwidth: switched from one maker to the other, and to mode kubenet.

use podnet_netns_tests::cnitool::Cnitool;
use podnet_netns_tests::dropin::Maker;
use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::tools::{self, CnitoolVersion};
use podnet_netns_tests::{ensure, reply};
use serde_json::json;

use super::{CONFIGS, host_local, network};
use crate::table::settle;

/// bridge, portmap and bandwidth, as a node's conflist has them.
fn chain(maker: Maker) -> Result<Network, Failure> {
    let bridge = json!({"type": "bridge", "bridge": "cbr0", "isDefaultGateway": true, "ipMasq": true,
        "ipam": host_local(&json!([]))});
    let ports = json!({"type": "portmap", "runtimeConfig": {"portMappings": [
        {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}});
    let limits = json!({"type": "bandwidth", "ingressRate": 8_000_000, "ingressBurst": 8_000_000,
        "egressRate": 8_000_000, "egressBurst": 8_000_000});
    let chain = network(maker, bridge)?;
    Ok(Network { plugins: [chain.plugins, vec![ports, limits]].concat(), ..chain })
}

/// The reference runtime keeps the result; between ADD and the rest the node's plugins change.
pub(super) fn switched(maker: Maker) -> Outcome {
    let list = chain(maker)?.conflist();
    let load = |maker: Maker| Cnitool::load(CnitoolVersion::V1_3_1, &list, &maker.folder()?);
    let (before_switch, after_switch) = (load(maker)?, load(maker.other())?);
    settle(&chain(maker.other())?)?;
    settle(&chain(maker)?)?;
    let before = Snapshot::take()?;
    let pod = Pod::create("pod")?;
    reply::result(before_switch.run("add", &pod)?)?;
    reply::silence(after_switch.run("check", &pod)?)?;
    reply::silence(after_switch.run("del", &pod)?)?;
    before.ensure_unchanged("DEL by the other plugins")
}

pub(super) fn kubenet_deletes() -> Outcome {
    let chain = chain(Maker::Reference)?;
    let podnet = kubenet()?;
    settle(&chain)?;
    let before = Snapshot::take()?;
    for has_result in [true, false] {
        let pod = Pod::create("pod")?;
        let added = chain.add(&pod)?;
        podnet.del(&pod, Some(&added).filter(|_| has_result))?;
        before.ensure_unchanged("DEL by podnet")?;
    }
    let pod = Pod::create("gone")?;
    let added = chain.add(&pod)?;
    pod.netns.remove()?;
    podnet.del(&pod, Some(&added))?;
    before.ensure_unchanged("DEL by podnet, of a pod whose namespace is gone")
}

/// Mode kubenet, with the name and the addresses of the other networks here.
fn kubenet() -> Result<Network, Failure> {
    let entry = json!({"type": "podnet", "mode": "kubenet", "ipam": host_local(&json!([]))});
    let path = vec![tools::podnet()?.parent().map(Into::into).unwrap_or_default()];
    Ok(Network { path, ..network(Maker::Reference, entry)? })
}

/// The name is taken by another network's link, so that ADD fails; the DEL that follows leaves the link.
pub(super) fn kubenet_leaves() -> Outcome {
    let pod = Pod::create("pod")?;
    let other = Network { name: "other".into(), ..network(Maker::Reference, CONFIGS[12].1())? };
    let added = other.add(&pod)?;
    let podnet = kubenet()?;
    ensure!(podnet.add(&pod).is_err(), "a second link of the same name");
    podnet.del(&pod, None)?;
    other.check(&pod, &added)
}
