use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<Inventory, String> {
    super::parse(&serde_saphyr::from_str(text).map_err(|error| error.to_string())?)
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

#[test]
fn what_has_no_addresses_is_refused() {
    for (text, expected) in [
        ("", "no networkContainers"),
        ("spec: {requestedIPCount: 1}", "no networkContainers"),
        ("status: {networkContainers: [{}]}", "id"),
        (&DYNAMIC.replace("10.241.0.5", "10.241.0"), "\"10.241.0\" is neither an address nor a block"),
        (&DYNAMIC.replace("10.241.0.0/16", "x"), "\"x\" is no subnet"),
        (&DYNAMIC.replace("10.241.0.5", "fd00::5"), "no subnet of its family"),
    ] {
        let says = parse(text).unwrap_err();
        assert!(says.contains(expected), "{says}: {text}");
    }
    let twice = parse(&DYNAMIC.replace("10.241.0.6", "10.241.0.5")).unwrap().checked();
    assert!(twice.unwrap_err().to_string().contains("overlaps"));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        parse(&text).ok();
    }
}
