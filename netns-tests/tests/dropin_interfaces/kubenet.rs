//! Mode kubenet, where the reference chain was before.

use podnet_netns_tests::dropin::Maker;
use podnet_netns_tests::ensure;
use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::tools;
use serde_json::json;

use super::{CONFIGS, host_local, network};
use crate::table::settle;

pub(super) fn kubenet_deletes() -> Outcome {
    let bridge = json!({"type": "bridge", "bridge": "cbr0", "isDefaultGateway": true, "ipMasq": true,
        "ipam": host_local(&json!([]))});
    let ports = json!({"type": "portmap", "runtimeConfig": {"portMappings": [
        {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}});
    let limits = json!({"type": "bandwidth", "ingressRate": 8_000_000, "ingressBurst": 8_000_000,
        "egressRate": 8_000_000, "egressBurst": 8_000_000});
    let mut chain = network(Maker::Reference, bridge)?;
    chain.plugins.extend([ports, limits]);
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
