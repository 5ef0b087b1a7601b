use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::inventory::Inventory;

fn parse(text: &str) -> Result<Inventory, String> {
    let value = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    Document::read(&value)?.inventory().map(|(inventory, _)| inventory)
}

const DYNAMIC: &str = "
apiVersion: acn.azure.com/v1alpha
kind: NodeNetworkConfig
metadata: {name: node-1, namespace: kube-system}
spec: {requestedIPCount: 16, ipsNotInUse: []}
status:
  assignedIPCount: 2
  scaler: {batchSize: 16, releaseThresholdPercent: 150, requestThresholdPercent: 50, maxIPCount: 250}
  networkContainers:
  - id: 2eb2f5a9-4d5e-4f37-b4ca-a8e2d6aa5c12
    assignmentMode: dynamic
    type: vnet
    primaryIP: 10.241.0.2
    subnetName: podnet
    subnetAddressSpace: 10.241.0.0/16
    defaultGateway: 10.241.0.1
    nodeIP: 10.240.0.4
    version: 1
    ipAssignments:
    - {name: 0b1b4b4e-0000-0000-0000-000000000001, ip: 10.241.0.5}
    - {name: 0b1b4b4e-0000-0000-0000-000000000002, ip: 10.241.0.6}
";

const OVERLAY: &str = r#"{"spec": {}, "status": {"assignedIPCount": 256, "networkContainers": [{"id": "nc", "type": "overlay",
 "assignmentMode": "static", "primaryIP": "10.244.2.0/24", "subnetAddressSpace": "10.244.0.0/16",
 "primaryIPV6": "fd00:2::/64", "subnetAddressSpaceV6": "fd00::/16", "nodeIP": "10.224.0.4", "status": "NCUpdateSuccess"}]}}"#;

#[test]
fn named_addresses_of_a_pool_that_grows_are_read() {
    let inventory = parse(DYNAMIC).unwrap().checked().unwrap();
    let [network] = &inventory.networks[..] else { panic!("{inventory:?}") };
    assert_eq!(&*network.id, "2eb2f5a9-4d5e-4f37-b4ca-a8e2d6aa5c12");
    assert_eq!(network.blocks[1].name.as_deref(), Some("0b1b4b4e-0000-0000-0000-000000000002"));
    assert_eq!(network.blocks.len(), 2, "the container's own address is no pod's");
    assert_eq!(inventory.scaler.map(|scaler| (scaler.batch, scaler.requested)), Some((16, 16)));
    assert_eq!(inventory.host.address, Some("10.240.0.4".parse().unwrap()));
}

#[test]
fn a_static_block_is_all_of_it_and_does_not_grow() {
    let inventory = parse(OVERLAY).unwrap().checked().unwrap();
    let nets: Vec<String> = inventory
        .networks
        .iter()
        .flat_map(|network| &network.blocks)
        .map(|block| block.net.to_string())
        .collect();
    assert_eq!(nets, ["10.244.2.0/24", "fd00:2::/120"]);
    assert_eq!(inventory.networks[0].gateway, None);
    assert_eq!(inventory.scaler, None);
}

/// Documents, one after the other, and what is asked for.
#[derive(Default)]
struct Script {
    documents: VecDeque<String>,
    requests: Arc<Mutex<Vec<Wish>>>,
    /// So many requests fail.
    failures: usize,
}

impl Feed for Script {
    fn name(&self) -> String {
        "NodeNetworkConfig kube-system/n1".to_owned()
    }

    async fn next(&mut self) -> Result<Value, SourceError> {
        match self.documents.pop_front() {
            Some(text) => Ok(serde_saphyr::from_str(&text).unwrap()),
            None => std::future::pending().await,
        }
    }

    async fn request(&mut self, wish: &Wish) -> Result<(), SourceError> {
        if self.failures > 0 {
            self.failures -= 1;
            return Err(content("the server")("no".to_owned()));
        }
        self.requests.lock().unwrap().push(wish.clone());
        Ok(())
    }
}

fn wish(count: u32, names: &[&str]) -> Needs {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    Needs { is_dry: false, wish: Some(Wish::new(count, names)) }
}

#[tokio::test]
async fn overlapping_blocks_are_named_with_their_place() {
    let documents = VecDeque::from([DYNAMIC.replace("10.241.0.6", "10.241.0.5")]);
    let mut source = NodeNetworkConfig::new(Script { documents, ..Script::default() });
    let (_sender, mut needs) = watch::channel(Needs::default());
    let error = source.next(&mut needs).await.unwrap_err();
    assert_eq!(
        podnet_daemon_kit::Chain(&error).to_string(),
        "NodeNetworkConfig kube-system/n1: status.networkContainers[0].ipAssignments[1].ip is refused: range \
         10.241.0.5/32 overlaps range 10.241.0.5/32"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_said_already_is_not_asked_and_what_failed_is_asked_again() {
    let script = Script { documents: VecDeque::from([DYNAMIC.to_owned()]), failures: 3, ..Script::default() };
    let requests = Arc::clone(&script.requests);
    let mut source = NodeNetworkConfig::new(script);
    let (sender, mut needs) = watch::channel(Needs::default());
    sender.send_replace(wish(99, &[]));
    let running = tokio::spawn(async move {
        let mut failures = 0;
        loop {
            failures += usize::from(source.next(&mut needs).await.is_err());
            assert!(failures <= 3);
        }
    });
    let asked = || requests.lock().unwrap().clone();
    while asked().is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!running.is_finished());
    }
    sender.send_replace(wish(99, &[]));
    sender.send_replace(wish(16, &["b", "a"]));
    while asked().len() < 2 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(asked(), [Wish::new(99, Vec::new()), Wish::new(16, vec!["a".to_owned(), "b".to_owned()])]);
    running.abort();
}

#[test]
fn blocks_of_the_virtual_network_are_all_of_them() {
    let text = r#"{"status": {"networkContainers": [{"id": "nc", "type": "vnetblock", "assignmentMode": "static",
        "primaryIP": "10.241.4.0/28", "subnetAddressSpace": "10.241.0.0/16", "nodeIP": "10.240.0.4",
        "ipAssignments": [{"name": "b1", "ip": "10.241.4.32/28"}, {"name": "b2", "ip": "10.241.4.48/28"}]}]}}"#;
    let inventory = parse(text).unwrap().checked().unwrap();
    let nets: Vec<String> = inventory.networks[0].blocks.iter().map(|block| block.net.to_string()).collect();
    assert_eq!(nets, ["10.241.4.0/28", "10.241.4.32/28", "10.241.4.48/28"]);
    assert_eq!(inventory.scaler, None);
    let overlapping = parse(&text.replace("4.48/28", "4.32/29")).unwrap().checked().unwrap_err();
    assert_eq!(overlapping.to_string(), "range 10.241.4.32/29 overlaps range 10.241.4.32/28");
}

#[test]
fn members_that_are_not_known_are_passed_over_and_named_once_for_a_whole_list() {
    assert_eq!(parse(DYNAMIC).unwrap().unknown, [""; 0]);
    let later = DYNAMIC
        .replace("spec: {", "spec: {wanted: [1, {a: b}], ")
        .replace("assignedIPCount: 2", "assignedIPCount: 2\n  later: {x: {y: z}}")
        .replace("batchSize: 16", "batchSize: 16, pace: slow")
        .replace("ip: 10", "zone: 1, ip: 10")
        + "more: null\n";
    let inventory = parse(&later).unwrap();
    assert_eq!(
        inventory.unknown,
        [
            "more",
            "spec.wanted",
            "status.later",
            "status.networkContainers[*].ipAssignments[*].zone",
            "status.scaler.pace"
        ]
    );
    assert_eq!(Inventory { unknown: Vec::new(), ..inventory }, parse(DYNAMIC).unwrap());
}

#[test]
fn what_has_no_addresses_is_refused() {
    for (text, expected) in [
        ("", "no networkContainers"),
        ("apiVersion: acn.azure.com/v2", "apiVersion: \"acn.azure.com/v2\" is not acn.azure.com/v1alpha"),
        (&DYNAMIC.replace("version: 1", "version: one"), "status.networkContainers[0].version: invalid type"),
        (
            &DYNAMIC.replace("dynamic", "magic"),
            "status.networkContainers[0].assignmentMode: unknown variant `magic`",
        ),
        (
            &DYNAMIC.replace("requestedIPCount: 16", "requestedIPCount: many"),
            "spec.requestedIPCount: invalid type",
        ),
        ("spec: {requestedIPCount: 1}", "no networkContainers"),
        ("status: {networkContainers: [{}]}", "id"),
        (
            &DYNAMIC.replace("10.241.0.5", "10.241.0"),
            "status.networkContainers[0].ipAssignments[0].ip: \"10.241.0\" is neither",
        ),
        (
            &DYNAMIC.replace("10.241.0.0/16", "x"),
            "status.networkContainers[0].subnetAddressSpace: \"x\" is no subnet",
        ),
        (&DYNAMIC.replace("10.241.0.5", "fd00::5"), "no subnet of its family"),
    ] {
        let says = parse(text).unwrap_err();
        assert!(says.contains(expected), "{says}: {text}");
    }
    let two_nodes = DYNAMIC.to_owned() + "  - {id: other, nodeIP: 10.240.0.9}\n";
    let says = parse(&two_nodes).unwrap_err();
    assert_eq!(
        says,
        "status.networkContainers[1].nodeIP: 10.240.0.9 is another node than 10.240.0.4 of status.networkContainers[0]"
    );
    let twice = parse(&DYNAMIC.replace("10.241.0.6", "10.241.0.5")).unwrap().checked();
    assert!(twice.unwrap_err().to_string().contains("overlaps"));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        parse(&text).ok();
    }
}
