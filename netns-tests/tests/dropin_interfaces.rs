//! `bridge`, `ptp` and `loopback`: podnet called by their names, beside the plugins themselves.
//!
//! Each configuration is run by both, which must answer and leave the same; and each pod is checked and deleted by the
//! other one than made it, which must leave nothing.

mod faults;
mod kubenet;
mod traffic;

use std::time::Duration;

use podnet_netns_tests::dropin::Maker;
use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::harness::{Body, Case};
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::{ensure_eq, reply, view};
use serde_json::{Value, json};

use crate::crash;
use crate::table::settle;

const LIMIT: Duration = Duration::from_mins(1);

/// A configuration: its name, and the plugin's entry.
type Config = (&'static str, fn() -> Value);

const CONFIGS: [Config; 15] = [
    ("bridge_gateway", || {
        json!({"type": "bridge", "bridge": "br0", "isGateway": true, "mtu": 1400, "hairpinMode": true,
            "ipam": host_local(&json!([{"dst": "0.0.0.0/0"}, {"dst": "::/0"}, {"dst": "10.9.0.0/16", "gw": "10.1.0.9"}]))})
    }),
    ("bridge_default_gateway", || {
        json!({"type": "bridge", "isDefaultGateway": true, "forceAddress": true, "ipam": host_local(&json!([])),
            "dns": {"nameservers": ["10.1.0.53"], "search": ["example.org"]}})
    }),
    ("bridge_without_gateway", || json!({"type": "bridge", "ipam": host_local(&json!([]))})),
    (
        "bridge_masquerade_iptables",
        || json!({"type": "bridge", "isDefaultGateway": true, "ipMasq": true, "ipam": host_local(&json!([]))}),
    ),
    ("bridge_masquerade_nftables", || {
        json!({"type": "bridge", "isDefaultGateway": true, "ipMasq": true, "ipMasqBackend": "nftables",
            "ipam": host_local(&json!([]))})
    }),
    ("bridge_sender_checked", || {
        json!({"type": "bridge", "isGateway": true, "macspoofchk": true, "portIsolation": true,
            "ipam": host_local(&json!([]))})
    }),
    (
        "bridge_promiscuous",
        || json!({"type": "bridge", "isGateway": true, "promiscMode": true, "ipam": host_local(&json!([]))}),
    ),
    (
        "bridge_probed",
        || json!({"type": "bridge", "isGateway": true, "enabledad": true, "ipam": host_local(&json!([]))}),
    ),
    ("bridge_static", || {
        json!({"type": "bridge", "isGateway": true, "ipam": {"type": "static",
            "addresses": [{"address": "10.1.0.77/24", "gateway": "10.1.0.1"}], "routes": [{"dst": "0.0.0.0/0"}]}})
    }),
    ("bridge_static_without_gateway", || {
        json!({"type": "bridge", "ipam": {"type": "static", "routes": [{"dst": "10.5.0.0/16", "gw": "10.1.0.9"}],
            "addresses": [{"address": "10.1.0.1/24"}, {"address": "10.2.0.7/32"}, {"address": "fd01::1/64"}]}})
    }),
    ("bridge_switched", || json!({"type": "bridge", "macspoofchk": true})),
    ("bridge_pod_down", || json!({"type": "bridge", "disableContainerInterface": true})),
    (
        "ptp",
        || json!({"type": "ptp", "mtu": 1420, "ipam": host_local(&json!([{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]))}),
    ),
    ("ptp_masquerade_iptables", || json!({"type": "ptp", "ipMasq": true, "ipam": host_local(&json!([]))})),
    (
        "ptp_masquerade_nftables",
        || json!({"type": "ptp", "ipMasq": true, "ipMasqBackend": "nftables", "ipam": host_local(&json!([]))}),
    ),
];

fn host_local(routes: &Value) -> Value {
    json!({"type": "host-local", "routes": routes, "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd01::/64"}]]})
}

fn network(maker: Maker, entry: Value) -> Result<Network, Failure> {
    let path = vec![maker.folder()?];
    Ok(Network { name: "dropin".into(), version: "1.1.0".into(), plugins: vec![entry], path })
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = |name: String, body: Box<dyn Fn() -> Outcome + Send + Sync>| {
        cases.push(Case { name: format!("dropin_interfaces::{name}"), limit: LIMIT, body });
    };
    for (name, entry) in CONFIGS {
        case(format!("{name}::both_answer_and_leave_the_same"), Box::new(move || same(&entry())));
        for maker in Maker::ALL {
            let (by, other) = (maker.word(), maker.other().word());
            let body = move || exchange(maker, &entry());
            case(format!("{name}::made_by_{by}_and_deleted_by_{other}"), Box::new(body));
        }
        case(format!("{name}::collected"), Box::new(move || collected(&entry())));
    }
    for maker in Maker::ALL {
        let by = maker.word();
        case(format!("{by}::cnitool_switches_a_chain"), Box::new(move || kubenet::switched(maker)));
        case(format!("{by}::loopback"), Box::new(move || traffic::loopback(maker)));
        case(format!("{by}::isolated_ports_do_not_meet"), Box::new(move || traffic::isolated(maker)));
        case(format!("{by}::a_forged_sender_is_not_heard"), Box::new(move || traffic::forged(maker)));
        case(format!("{by}::versions"), Box::new(move || faults::versions(maker)));
        case(format!("{by}::bad_input"), Box::new(move || faults::bad_input(maker)));
        case(
            format!("{by}::a_second_add_fails_and_harms_nothing"),
            Box::new(move || faults::second_add(maker)),
        );
    }
    case("podnet::check_names_every_difference".into(), Box::new(faults::differences_are_named));
    case("podnet::status".into(), Box::new(faults::status));
    case("podnet::a_taken_address_fails_the_probe".into(), Box::new(faults::taken_address));
    case("podnet::a_failed_add_leaves_nothing".into(), Box::new(faults::failed_add));
    case(
        "podnet::mode_kubenet_deletes_what_the_reference_chain_made".into(),
        Box::new(kubenet::kubenet_deletes),
    );
    case(
        "podnet::mode_kubenet_leaves_a_link_that_nobody_made_for_it".into(),
        Box::new(kubenet::kubenet_leaves),
    );
    case("podnet::vlans".into(), Box::new(traffic::vlans));
    cases.extend(crash_cases());
    cases
}

/// Without any record, too, a DEL finds what a killed process left.
fn crash_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in ["bridge", "ptp"] {
        let network = move || {
            let entry = json!({"type": kind, "isDefaultGateway": true, "macspoofchk": true, "ipMasq": true,
                "ipMasqBackend": "nftables", "ipam": host_local(&json!([]))});
            network(Maker::Podnet, entry)
        };
        let tests: [(&str, Body); 3] = [
            ("add_killed_at_every_system_call", Box::new(move || crash::killed_in(&network()?, "ADD"))),
            ("del_killed_at_every_system_call", Box::new(move || crash::killed_in(&network()?, "DEL"))),
            ("add_with_every_call_failing_once", Box::new(move || crash::add_failing_in(&network()?))),
        ];
        cases.extend(tests.map(|(test, body)| Case {
            name: format!("dropin_interfaces::podnet::{kind}_{test}"),
            limit: Duration::from_mins(10),
            body,
        }));
    }
    cases
}

fn same(entry: &Value) -> Outcome {
    let mut seen = Vec::new();
    for maker in Maker::ALL {
        let network = network(maker, entry.clone())?;
        let pod = Pod::create("pod")?;
        let added = network.add(&pod).doing(maker.word())?;
        seen.push((view::of_result(&added), view::of_pod(&pod, &added)?));
        network.del(&pod, Some(&added)).doing(maker.word())?;
        reset();
    }
    let [(result, state), (wanted_result, wanted_state)] = &seen[..] else {
        return Err(Failure::failed("two"));
    };
    ensure_eq!(result, wanted_result, "result");
    ensure_eq!(state, wanted_state, "state");
    Ok(())
}

/// Takes away what stays of a network, so that the next one starts as the first.
fn reset() {
    for bridge in ["br0", "cni0"] {
        let _may_be_missing = Place::Node.ip(&["link", "delete", bridge]);
    }
    let _none_yet = std::fs::remove_dir_all("/var/lib/cni/networks");
}

fn exchange(maker: Maker, entry: &Value) -> Outcome {
    let (by_one, by_other) = (network(maker, entry.clone())?, network(maker.other(), entry.clone())?);
    // Both: the reference's look for iptables leaves an empty table.
    settle(&by_other)?;
    settle(&by_one)?;
    let before = Snapshot::take()?;
    // The reference's CHECK asks for an IPAM plugin and for gateways even where its ADD did without.
    let address = entry.pointer("/ipam/addresses/0");
    let has_all =
        entry.get("ipam").is_some() && address.is_none_or(|address| address.get("gateway").is_some());
    let can_check = |by: Maker| by == Maker::Podnet || has_all;
    for has_result in [true, false] {
        let pod = Pod::create("pod")?;
        let added = by_one.add(&pod)?;
        for (by, network) in [(maker, &by_one), (maker.other(), &by_other)] {
            if can_check(by) {
                network.check(&pod, &added).doing(format_args!("CHECK by {}", by.word()))?;
            }
        }
        by_other.del(&pod, Some(&added).filter(|_| has_result)).doing("DEL by the other")?;
        before.ensure_unchanged("DEL by the other")?;
        by_one.del(&pod, Some(&added)).doing("DEL by its maker, of nothing")?;
        before.ensure_unchanged("DEL by both")?;
    }
    Ok(())
}

/// GC removes what podnet made for a pod that no list names, and leaves a live one alone.
fn collected(entry: &Value) -> Outcome {
    let network = network(Maker::Podnet, entry.clone())?;
    settle(&network)?;
    if entry["ipam"]["type"] == "static" {
        return Ok(());
    }
    let alive = Pod::create("alive")?;
    let added = network.add(&alive)?;
    let before = Snapshot::take()?;
    let lost = Pod::create("lost")?;
    network.add(&lost)?;
    let valid = json!([{"containerID": alive.container, "ifname": alive.ifname}]);
    reply::silence(network.call("GC", None, &[("cni.dev/valid-attachments", valid)])?)?;
    before.ensure_unchanged("GC")?;
    network.check(&alive, &added)
}
