//! What is refused, what is said of it, and what is left: nothing.

use podnet_netns_tests::dropin::Maker;
use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::process::{run, tool};
use podnet_netns_tests::reply::{self, Added, CniError};
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::{ensure, ensure_eq};
use serde_json::{Value, json};

use super::configs::{BANDWIDTH, HOST_LOCAL, STATIC, alone, bridge, chain, network};
use crate::table::settle;

pub(super) fn versions(maker: Maker) -> Outcome {
    for version in ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        for (kind, configs) in [("host-local", &HOST_LOCAL[..1]), ("static", &STATIC[..1])] {
            let network = network(maker, alone(kind, &configs[0].1()))?.version(version);
            let pod = Pod::create("pod")?;
            let added = network.add(&pod).doing(format_args!("{kind} {version}"))?;
            ensure_eq!(added.0["cniVersion"], json!(version), "version of the result");
            ensure_eq!(added.cidrs().len(), 2, "addresses in version {version}");
            network.del(&pod, None)?;
        }
    }
    for (kind, oldest) in
        [("bandwidth", "0.3.0"), ("portmap", "0.1.0"), ("host-local", "0.1.0"), ("static", "0.1.0")]
    {
        let network = network(maker, alone(kind, &json!({})))?;
        let supported: Value = serde_json::from_str(&network.call("VERSION", None, &[])?.success()?)?;
        ensure_eq!(supported["supportedVersions"][0], json!(oldest), "the oldest version of {kind}");
    }
    let old = network(maker, alone("bandwidth", &json!({})))?.version("0.2.0");
    ensure_eq!(reply::error(&old.call("ADD", Some(&Pod::create("old")?), &[])?)?.code, 1, "code");
    Ok(())
}

/// What both refuse, and what podnet says of it.
pub(super) fn bad_input(maker: Maker) -> Outcome {
    let limits = |members: Value| ("bandwidth", members);
    let mapped = |mapping: Value| {
        ("portmap", json!({"runtimeConfig": {"portMappings": [mapping]}, "backend": "iptables"}))
    };
    let ranges = |range: Value| ("host-local", json!({"ipam": {"type": "host-local", "ranges": [[range]]}}));
    let addresses = |members: Value| ("static", members);
    let cases: Vec<((&str, Value), u32, &str)> = vec![
        (limits(json!({"ingressRate": 8000})), 7, "ingressRate"),
        (limits(json!({"egressBurst": 8000})), 7, "egressBurst"),
        (limits(json!({"egressRate": 8000, "egressBurst": 42_949_672_960_u64})), 7, "egressBurst"),
        (limits(json!({"ingressRate": "fast"})), 6, "ingressRate"),
        (
            mapped(json!({"hostPort": 0, "containerPort": 80, "protocol": "tcp"})),
            7,
            "portMappings[0].hostPort",
        ),
        (
            mapped(json!({"hostPort": 70000, "containerPort": 80, "protocol": "tcp"})),
            7,
            "portMappings[0].hostPort",
        ),
        (mapped(json!({"hostPort": 80, "containerPort": -1, "protocol": "tcp"})), 7, "containerPort"),
        (mapped(json!({"hostPort": 80, "containerPort": 80, "protocol": "x"})), 7, "protocol"),
        (("portmap", json!({"backend": "pf"})), 7, "backend"),
        (("portmap", json!({"markMasqBit": 32})), 7, "markMasqBit"),
        (("portmap", json!({"markMasqBit": 1, "externalSetMarkChain": "X"})), 7, "markMasqBit"),
        (("portmap", json!({"backend": "nftables", "externalSetMarkChain": "X"})), 7, "externalSetMarkChain"),
        (
            ("portmap", json!({"backend": "nftables", "conditionsV4": ["-s", "10.0.0.0/8"]})),
            7,
            "conditionsV4",
        ),
        (("portmap", json!({"backend": "iptables", "conditionsV6": ["ip6", "daddr"]})), 7, "conditionsV6"),
        (("host-local", json!({})), 7, "ipam"),
        (ranges(json!({"subnet": "10.1.0.0/31"})), 7, "10.1.0.0/31"),
        (ranges(json!({"subnet": "10.1.0.1/24"})), 7, "ranges[0][0].subnet"),
        (ranges(json!({"subnet": "10.1.0.0/24", "rangeStart": "10.2.0.1"})), 7, "rangeStart"),
        (("host-local", json!({"ipam": {"type": "host-local"}})), 7, "ranges"),
        (
            ("host-local", json!({"ipam": super::ranges(), "runtimeConfig": {"ips": ["10.9.0.1"]}})),
            102,
            "10.9.0.1",
        ),
        (
            ("host-local", json!({"ipam": super::ranges(), "runtimeConfig": {"ips": ["10.1.0.1"]}})),
            102,
            "10.1.0.1",
        ),
        (addresses(json!({})), 7, "ipam"),
        (addresses(json!({"ipam": {"addresses": [{"address": "10.1.0.5"}]}})), 7, "10.1.0.5"),
        (addresses(json!({"ipam": {}, "args": {"cni": {"ips": ["10.1.0.5"]}}})), 7, "10.1.0.5"),
    ];
    settle(&network(maker, vec![bridge()])?)?;
    for ((kind, members), code, words) in cases {
        let before = Snapshot::take()?;
        let pod = Pod::create("pod")?;
        let network = network(maker, alone(kind, &members))?;
        let previous = json!({"cniVersion": "1.1.0", "ips": [{"address": "10.1.0.77/24"}]});
        let extra: Vec<_> = ["portmap", "bandwidth"]
            .contains(&kind)
            .then_some(("prevResult", previous))
            .into_iter()
            .collect();
        let refused = network.call("ADD", Some(&pod), &extra)?;
        ensure!(!refused.status.success(), "{kind} {members} is not refused: {refused}");
        if maker == Maker::Podnet {
            let error = reply::error(&refused)?;
            ensure!(error.code == code && error.names(words), "{kind} {members}: {code} {words}: {error:?}");
            let files = ["host-local"].contains(&kind) && code == 102;
            ensure!(files || before == Snapshot::take()?, "a refused ADD of {kind} leaves something");
        }
    }
    for kind in ["portmap", "bandwidth"] {
        let members = json!({"ingressRate": 8000, "ingressBurst": 8000, "runtimeConfig": {"portMappings": [
            {"hostPort": 80, "containerPort": 80, "protocol": "tcp"}]}});
        let refused = network(maker, alone(kind, &members))?.call("ADD", Some(&Pod::create("pod")?), &[])?;
        ensure!(!refused.status.success(), "{kind} works without prevResult");
        if maker == Maker::Podnet {
            ensure!(reply::error(&refused)?.names("prevResult"), "{refused}");
        }
    }
    Ok(())
}

pub(super) fn second_address(maker: Maker) -> Outcome {
    let range = json!([[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.7", "rangeEnd": "10.1.0.8"}]]);
    let network =
        network(maker, alone("host-local", &json!({"ipam": {"type": "host-local", "ranges": range}})))?;
    let (a, b, c) = (Pod::create("a")?, Pod::create("b")?, Pod::create("c")?);
    let first = network.add(&a)?;
    let before = Snapshot::take()?;
    let refused = network.call("ADD", Some(&a), &[])?;
    ensure!(!refused.status.success(), "a second address for one attachment: {refused}");
    before.ensure_unchanged("a refused ADD")?;
    ensure_eq!(network.add(&b)?.cidrs(), ["10.1.0.8/24"], "the next address");
    let full = reply::error(&network.call("ADD", Some(&c), &[])?)?;
    ensure!(maker == Maker::Reference || full.code == 102, "{full:?}");
    network.del(&a, None)?;
    ensure_eq!(network.add(&c)?.cidrs(), first.cidrs(), "the address that is free again");
    Ok(())
}

fn refused(network: &Network, verb: &str) -> Result<CniError, Failure> {
    reply::error(&network.call(verb, None, &[])?)
}

pub(super) fn status() -> Outcome {
    let range = json!([[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.7", "rangeEnd": "10.1.0.7"}]]);
    let full = network(
        Maker::Podnet,
        alone("host-local", &json!({"ipam": {"type": "host-local", "ranges": range}})),
    )?;
    reply::silence(full.call("STATUS", None, &[])?)?;
    full.add(&Pod::create("pod")?)?;
    ensure_eq!(refused(&full, "STATUS")?.code, 50, "code of STATUS with no address left");
    for (kind, members) in
        [("static", STATIC[0].1()), ("portmap", json!({})), ("bandwidth", BANDWIDTH[0].1())]
    {
        reply::silence(network(Maker::Podnet, alone(kind, &members))?.call("STATUS", None, &[])?)?;
    }
    Ok(())
}

/// Whoever changes `backend` while pods live loses none of their rules; nor does who leaves the ports out at DEL.
pub(super) fn del_finds_the_other_backend() -> Outcome {
    for (made, removed) in [("iptables", "nftables"), ("nftables", "iptables")] {
        let makes = network(Maker::Reference, chain("portmap", &json!({"backend": made})))?;
        let mut removes = network(Maker::Podnet, chain("portmap", &json!({"backend": removed})))?;
        settle(&makes)?;
        settle(&removes)?;
        let before = Snapshot::take()?;
        let pod = Pod::create("pod")?;
        let added = makes.add(&pod)?;
        removes.plugins[1]["runtimeConfig"] = json!({});
        removes.del(&pod, Some(&added))?;
        before.ensure_unchanged("DEL by the other backend")?;
    }
    Ok(())
}

/// Somebody else's filters are in the way of what the pod sends, when what it receives is limited already.
pub(super) fn failed_limit() -> Outcome {
    let network = network(Maker::Podnet, chain("bandwidth", &BANDWIDTH[0].1()))?;
    let bridged = super::network(Maker::Podnet, vec![bridge()])?;
    let pod = Pod::create("pod")?;
    let added = bridged.add(&pod)?;
    let port = added.interface(1)?;
    tool(&["tc", "qdisc", "add", "dev", port, "clsact"])?;
    let before = (Snapshot::take()?, tool(&["tc", "qdisc", "show", "dev", port])?);
    let config = network.config(1, &[("prevResult", added.0.clone())])?.to_string();
    let failed = run(&mut network.command(1, "ADD", Some(&pod))?, config.as_bytes())?;
    ensure_eq!(reply::error(&failed)?.code, 103, "code of {failed}");
    ensure_eq!(
        (Snapshot::take()?, tool(&["tc", "qdisc", "show", "dev", port])?),
        before,
        "what a failed ADD leaves"
    );
    Ok(())
}

pub(super) fn limits_are_named() -> Outcome {
    let network = network(Maker::Podnet, chain("bandwidth", &BANDWIDTH[0].1()))?;
    let pod = Pod::create("pod")?;
    let added: Added = network.add(&pod)?;
    let (port, ifb) = (added.interface(1)?, added.interface(3)?);
    tool(&["tc", "qdisc", "del", "dev", port, "root"])?;
    tool(&["tc", "filter", "del", "dev", port, "parent", "ffff:fff2"])?;
    Place::Node.ip(&["link", "set", ifb, "down"])?;
    let config = network.config(1, &[("prevResult", added.0.clone())])?.to_string();
    let found = run(&mut network.command(1, "CHECK", Some(&pod))?, config.as_bytes())?;
    let found = reply::error(&found)?;
    for words in ["ingress limit", "redirection", "down"] {
        ensure!(found.names(words), "CHECK does not name {words}: {found:?}");
    }
    Ok(())
}
