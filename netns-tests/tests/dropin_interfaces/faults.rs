//! Versions, requests that fail, and what CHECK and STATUS find.

use podnet_netns_tests::dropin::Maker;
use podnet_netns_tests::failure::Outcome;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::Pod;
use podnet_netns_tests::process::{run, tool};
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::{ensure, ensure_eq, reply};
use serde_json::json;

use super::{CONFIGS, host_local, network, reset};
use crate::table::settle;

pub(super) fn versions(maker: Maker) -> Outcome {
    let entry = json!({"type": "bridge", "isDefaultGateway": true, "ipam": host_local(&json!([]))});
    for version in ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        let network = network(maker, entry.clone())?.version(version);
        let pod = Pod::create("pod")?;
        let added = network.add(&pod)?;
        ensure_eq!(added.0["cniVersion"], json!(version), "version of the result");
        ensure_eq!(added.cidrs().len(), 2, "addresses in version {version}");
        network.del(&pod, None)?;
    }
    Ok(())
}

/// What both refuse, and what podnet says of it.
pub(super) fn bad_input(maker: Maker) -> Outcome {
    let ipam = || host_local(&json!([]));
    let entries = [
        (
            json!({"type": "bridge", "vlan": 5000, "ipam": ipam()}),
            "invalid VLAN ID 5000 (must be between 0 and 4094)",
        ),
        (json!({"type": "bridge", "vlanTrunk": [{"minID": 3}], "ipam": ipam()}), "maxID is missing"),
        (
            json!({"type": "bridge", "vlanTrunk": [{"minID": 3, "maxID": 2}], "ipam": ipam()}),
            "minID is greater than maxID",
        ),
        (
            json!({"type": "bridge", "hairpinMode": true, "promiscMode": true, "ipam": ipam()}),
            "at the same time",
        ),
        (
            json!({"type": "bridge", "disableContainerInterface": true, "ipam": ipam()}),
            "disableContainerInterface",
        ),
        (json!({"type": "bridge", "bridge": "lo", "ipam": ipam()}), "lo"),
        (json!({"type": "bridge", "mtu": 70000, "ipam": ipam()}), "mtu"),
        (json!({"type": "bridge", "isGateway": "yes", "ipam": ipam()}), "isGateway"),
        (json!({"type": "bridge", "runtimeConfig": {"mac": "x"}, "ipam": ipam()}), "mac"),
        (json!({"type": "bridge", "ipMasq": true, "ipMasqBackend": "pf", "ipam": ipam()}), "pf"),
        (json!({"type": "bridge", "ipam": {"type": "none-such"}}), "none-such"),
        (json!({"type": "ptp"}), "ipam"),
        (json!({"type": "ptp", "ipMasq": true, "ipMasqBackend": "pf", "ipam": ipam()}), "pf"),
    ];
    if maker == Maker::Podnet {
        settle(&network(maker, CONFIGS[1].1())?)?;
    }
    for (entry, words) in entries {
        let before = Snapshot::take()?;
        let pod = Pod::create("pod")?;
        let refused = network(maker, entry.clone())?.call("ADD", Some(&pod), &[])?;
        ensure!(!refused.status.success(), "{entry} is not refused: {refused}");
        if maker == Maker::Podnet {
            ensure!(reply::error(&refused)?.names(words), "{entry}: {refused}");
            before.ensure_unchanged("a refused ADD")?;
        } else {
            reset();
        }
    }
    Ok(())
}

pub(super) fn second_add(maker: Maker) -> Outcome {
    for entry in [CONFIGS[1].1(), CONFIGS[12].1()] {
        let network = network(maker, entry)?;
        let pod = Pod::create("pod")?;
        let added = network.add(&pod)?;
        let before = Snapshot::take()?;
        let refused = network.call("ADD", Some(&pod), &[])?;
        ensure!(!refused.status.success(), "a second ADD succeeds: {refused}");
        network.check(&pod, &added)?;
        if maker == Maker::Podnet {
            ensure!(reply::error(&refused)?.code >= 100, "{refused}");
            before.ensure_unchanged("the second ADD")?;
        }
        network.del(&pod, Some(&added))?;
    }
    Ok(())
}

pub(super) fn differences_are_named() -> Outcome {
    let entry = json!({"type": "bridge", "bridge": "br0", "isDefaultGateway": true, "ipMasq": true, "macspoofchk": true,
        "ipMasqBackend": "nftables", "portIsolation": true, "ipam": host_local(&json!([]))});
    let network = network(Maker::Podnet, entry)?;
    let pod = Pod::create("pod")?;
    let added = network.add(&pod)?;
    let port = added.interface(1)?;
    tool(&["ip", "link", "set", port, "type", "bridge_slave", "isolated", "off", "hairpin", "on"])?;
    Place::Node.ip(&["addr", "del", "10.1.0.1/24", "dev", "br0"])?;
    Place::from(&pod.netns).ip(&["route", "del", "default"])?;
    tool(&["nft", "flush", "chain", "inet", "cni_plugins_masquerade", "masq_checks"])?;
    tool(&["nft", "flush", "chain", "bridge", "nat", "PREROUTING"])?;
    let found = reply::error(&network.call("CHECK", Some(&pod), &[("prevResult", added.0.clone())])?)?;
    for words in
        ["isolation of", "hairpin mode of", "10.1.0.1/24", "0.0.0.0/0", "masquerading rules", "sender"]
    {
        ensure!(found.names(words), "CHECK does not name {words}: {found:?}");
    }
    network.del(&pod, Some(&added))
}

pub(super) fn status() -> Outcome {
    let range = json!([[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.7", "rangeEnd": "10.1.0.7"}]]);
    for kind in ["bridge", "ptp"] {
        let entry = json!({"type": kind, "ipam": {"type": "host-local", "ranges": range}});
        let network = network(Maker::Podnet, entry)?;
        reply::silence(network.call("STATUS", None, &[])?)?;
        let pod = Pod::create("pod")?;
        let added = network.add(&pod)?;
        let full = reply::error(&network.call("STATUS", None, &[])?)?;
        ensure_eq!(full.code, 50, "code of STATUS with no address left");
        network.del(&pod, Some(&added))?;
    }
    reply::silence(network(Maker::Podnet, json!({"type": "loopback"}))?.call("STATUS", None, &[])?)
}

pub(super) fn taken_address() -> Outcome {
    let entry = json!({"type": "bridge", "enabledad": true, "ipam": {"type": "static",
        "addresses": [{"address": "fd01::77/64"}]}});
    let network = network(Maker::Podnet, entry)?;
    let (first, second) = (Pod::create("a")?, Pod::create("b")?);
    network.add(&first)?;
    let before = Snapshot::take()?;
    let refused = reply::error(&network.call("ADD", Some(&second), &[])?)?;
    ensure!(refused.names("fd01::77"), "{refused:?}");
    before.ensure_unchanged("a failed probe")
}

/// Without any iptables, masquerading by it fails when all else is made.
pub(super) fn failed_add() -> Outcome {
    let entry = json!({"type": "bridge", "isDefaultGateway": true, "macspoofchk": true, "ipMasq": true,
        "ipMasqBackend": "iptables", "ipam": host_local(&json!([]))});
    let network = network(Maker::Podnet, entry)?;
    settle(&network)?;
    let before = Snapshot::take()?;
    let pod = Pod::create("pod")?;
    let mut add = network.command(0, "ADD", Some(&pod))?;
    let failed = run(add.env("PATH", "/nowhere"), network.config(0, &[])?.to_string().as_bytes())?;
    ensure!(reply::error(&failed)?.names("iptables"), "{failed}");
    before.ensure_unchanged("a failed ADD")?;
    let added = network.add(&pod)?;
    network.del(&pod, Some(&added))
}
