use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::grant::observed::{Condition, Container, Granted};
use crate::grant::settings::{Mode, Scaler};
use crate::grant::status::render;
use crate::grant::subnet::{Subnet, Unit};

fn settings(mode: Mode) -> Settings {
    let (v4, v6) = if mode == Mode::Vnet { (32, 128) } else { (24, 64) };
    let gateway = |text: &str| Some(text.parse().unwrap()).filter(|_| mode != Mode::Overlay);
    Settings {
        mode,
        subnets: vec![
            Subnet::new("four", "10.244.0.0/16".parse().unwrap(), gateway("10.244.0.1"), &[], v4),
            Subnet::new("six", "fd00::/48".parse().unwrap(), gateway("fd00::1"), &[], v6),
        ],
        scaler: Scaler { batch: 16, request_percent: 50, release_percent: 150, max: 250 },
        blocks: 1,
        rest: Duration::ZERO,
    }
}

fn found(value: Value) -> Found {
    serde_json::from_value(value).unwrap()
}

fn unit(subnet: u16, index: u32) -> Unit {
    Unit { subnet, index }
}

#[test]
fn an_overlay_of_both_families_is_one_container() {
    let container = Container {
        id: "nc".to_owned(),
        version: 3,
        node_ip: Some("10.224.0.4".parse().unwrap()),
        primary: BTreeSet::from([unit(0, 2), unit(1, 2)]),
        ..Container::default()
    };
    let granted = Granted { condition: Condition::Updated, container: Some(container) };
    let status = serde_json::to_value(render(&granted, &settings(Mode::Overlay))).unwrap();
    assert_eq!(
        status,
        json!({
            "assignedIPCount": 256,
            "status": "Updated",
            "scaler": {"batchSize": 16, "releaseThresholdPercent": 150, "requestThresholdPercent": 50, "maxIPCount": 250},
            "networkContainers": [{
                "id": "nc", "assignmentMode": "static", "type": "overlay", "version": 3, "status": "NCUpdateSuccess",
                "primaryIP": "10.244.2.0/24", "subnetAddressSpace": "10.244.0.0/16", "subnetName": "four",
                "primaryIPV6": "fd00:0:0:2::/64", "subnetAddressSpaceV6": "fd00::/48", "nodeIP": "10.224.0.4",
            }],
        })
    );
}

#[test]
fn who_owns_an_object_and_what_it_asks_for_is_read() {
    let observed = observe(
        found(json!({
            "metadata": {"name": "n", "uid": "u", "resourceVersion": "7", "ownerReferences": [
                {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "other"},
                {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "node", "controller": true}]},
            "spec": {"requestedIPCount": 20, "ipsNotInUse": ["x"], "new": 1},
        })),
        &settings(Mode::Vnet),
    );
    assert_eq!((observed.owner.as_deref(), observed.version.as_str()), (Some("node"), "7"));
    assert_eq!((observed.requested, observed.not_in_use.len(), observed.is_current), (20, 1, false));
    assert_eq!(observed.fault, None);
}

#[test]
fn what_is_malformed_is_named_by_its_field() {
    for (object, expected) in [
        (json!({"spec": {"requestedIPCount": "x"}}), "spec.requestedIPCount: "),
        (json!({"status": {"networkContainers": [{}]}}), "status.networkContainers[0]: missing field `id`"),
        (
            json!({"status": {"networkContainers": [{"id": "a", "type": "overlay", "assignmentMode": "static"}]}}),
            "status.networkContainers[0].type: Static Overlay; this controller grants Dynamic Vnet",
        ),
        (
            json!({"status": {"networkContainers": [{"id": "a", "primaryIP": "10.9.0.1"}]}}),
            "status.networkContainers[0].primaryIP: 10.9.0.1/32 is no unit of a subnet that is configured",
        ),
        (
            json!({"status": {"networkContainers": [{"id": "a"}, {"id": "b"}]}}),
            "status.networkContainers: more than one",
        ),
        (
            json!({"status": {"networkContainers": [
                {"id": "a", "ipAssignments": [{"ip": "10.244.0.5"}, {"ip": "10.244.0.5"}]}]}}),
            "status.networkContainers[0].ipAssignments[1].ip: 10.244.0.5 is there twice",
        ),
    ] {
        let mut object = object;
        object["metadata"] = json!({"name": "n"});
        let fault = observe(found(object), &settings(Mode::Vnet)).fault.unwrap();
        assert!(fault.starts_with(expected), "{fault}");
    }
}

#[test]
fn the_addresses_of_a_malformed_object_are_known_all_the_same() {
    let object = json!({"metadata": {"name": "n"}, "status": {"networkContainers": [
        {"id": "a", "ipAssignments": [{"ip": "10.244.0.5"}]}, {"id": "b", "primaryIP": "10.244.0.6"}]}});
    let observed = observe(found(object), &settings(Mode::Vnet));
    assert_eq!(observed.granted.units().collect::<Vec<_>>(), [unit(0, 5), unit(0, 6)]);
}

#[test]
fn a_node_is_where_its_internal_addresses_are() {
    let object = json!({
        "metadata": {"name": "n", "uid": "u"},
        "status": {"addresses": [
            {"type": "ExternalIP", "address": "192.0.2.1"}, {"type": "InternalIP", "address": "fd00::4"},
            {"type": "InternalIP", "address": "10.240.0.4"}, {"type": "Hostname", "address": "n"}]},
    });
    let node = node(serde_json::from_value(object).unwrap());
    assert_eq!(node.addresses.v4, Some("10.240.0.4".parse().unwrap()));
    assert_eq!(node.addresses.v6, Some("fd00::4".parse().unwrap()));
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        primary in proptest::collection::btree_set((0u16..2, 2u32..100), 0..3),
        assigned in proptest::collection::btree_map((0u16..2, 100u32..200), "[a-f0-9]{8}", 0..10),
        is_short: bool, version in 0i64..9, mode in 0usize..3,
    ) {
        let settings = settings([Mode::Vnet, Mode::VnetBlock, Mode::Overlay][mode]);
        // At most one primary unit of each family.
        let primary: std::collections::BTreeMap<u16, u32> = primary.into_iter().collect();
        let container = Container {
            id: "nc".to_owned(),
            version,
            node_ip: None,
            is_short,
            primary: primary.into_iter().map(|(subnet, index)| unit(subnet, index)).collect(),
            assigned: assigned.into_iter().map(|((subnet, index), name)| (unit(subnet, index), name)).collect(),
        };
        let granted = Granted { condition: Condition::Error, container: Some(container) };
        let object = json!({"metadata": {"name": "n"}, "status": render(&granted, &settings)});
        let observed = observe(found(object), &settings);
        prop_assert_eq!(&observed.fault, &None);
        prop_assert!(observed.is_current);
        prop_assert_eq!(observed.granted, granted);
    }
}
