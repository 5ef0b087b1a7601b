use proptest::prelude::*;

use super::*;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn with_blocks(blocks: &[&str]) -> Inventory {
    let network = Network {
        id: "n".into(),
        subnet: net("10.224.0.0/16"),
        gateway: Some("10.224.0.1".parse().unwrap()),
        blocks: blocks.iter().map(|block| Block::of(net(block))).collect(),
    };
    let host = Host { address: Some("10.224.0.4".parse().unwrap()), ..Host::default() };
    Inventory { host, networks: vec![network], ..Inventory::default() }
}

#[test]
fn every_fault_names_both_sides() {
    for (blocks, expected) in [
        (&["10.224.1.0/24"][..], None),
        (&["10.224.1.0/24", "10.224.2.0/24"], None),
        (&["10.224.1.1/24"], Some("10.224.1.1/24 has host bits set: the network is 10.224.1.0/24")),
        (&["10.225.1.0/24"], Some("range 10.225.1.0/24 is not in subnet 10.224.0.0/16")),
        (&["10.0.0.0/8"], Some("range 10.0.0.0/8 is not in subnet 10.224.0.0/16")),
        (&["10.224.0.0/30"], Some("range 10.224.0.0/30 contains the gateway 10.224.0.1")),
        (&["10.224.0.4/32"], Some("range 10.224.0.4/32 contains the node's own address 10.224.0.4")),
        (&["10.224.1.0/24", "10.224.1.7/32"], Some("range 10.224.1.7/32 overlaps range 10.224.1.0/24")),
        (&["10.224.1.0/24", "10.224.1.0/24"], Some("range 10.224.1.0/24 overlaps range 10.224.1.0/24")),
    ] {
        let faults = with_blocks(blocks).faults();
        assert_eq!(faults.first().map(|(_, error)| error.to_string()).as_deref(), expected, "{blocks:?}");
    }
}

#[test]
fn a_fault_says_which_block_it_is_about() {
    let faults = with_blocks(&["10.224.1.0/24", "10.224.1.0/24", "10.224.0.0/30"]).faults();
    let places: Vec<_> = faults.iter().map(|(place, _)| *place).collect();
    assert_eq!(places, [Some((0, 2)), Some((0, 1))]);
}

#[test]
fn a_gateway_of_another_subnet_is_refused() {
    let mut inventory = with_blocks(&[]);
    inventory.networks[0].gateway = Some("10.0.0.1".parse().unwrap());
    let error = inventory.checked().unwrap_err().to_string();
    assert_eq!(error, "gateway 10.0.0.1 is not in subnet 10.224.0.0/16");
}

#[test]
fn the_first_host_of_tiny_networks_is_none() {
    assert_eq!(first_host(net("10.1.0.0/16")), Some("10.1.0.1".parse().unwrap()));
    assert_eq!(first_host(net("fd00::/64")), Some("fd00::1".parse().unwrap()));
    for tiny in ["10.0.0.0/31", "10.0.0.0/32", "fd00::/127", "fd00::/128"] {
        assert_eq!(first_host(net(tiny)), None, "{tiny}");
    }
}

proptest! {
    #[test]
    fn taking_one_address_out_leaves_all_others(base: u32, length in 20_u8..=32, offset: u32) {
        let net = Ipv4Net::new(base.into(), length).unwrap().trunc();
        let size = 1_u64 << (32 - length);
        let taken = u32::from(net.network()) + u32::try_from(u64::from(offset) % size).unwrap();
        let blocks = without(IpNet::V4(net), IpAddr::V4(taken.into()));
        let total: u64 = blocks.iter().map(|block| 1_u64 << (32 - block.prefix_len())).sum();
        prop_assert_eq!(total, size - 1);
        prop_assert!(blocks.len() <= usize::from(32 - length));
        prop_assert!(blocks.iter().all(|block| !block.contains(&IpAddr::V4(taken.into()))));
        prop_assert_eq!(overlap(blocks), None);
    }
}
