use proptest::prelude::*;

use super::*;
use crate::inventory::{Block, Host, Network};

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().copied().map(net).collect()
}

fn on(link: &str, address: &str) -> LinkAddress {
    LinkAddress { link: link.to_owned(), is_bridge: false, address: net(address) }
}

fn inventory(is_overlay: bool, subnet: &str, gateway: Option<&str>, block: Option<&str>) -> Inventory {
    let network = Network {
        id: "n".into(),
        subnet: net(subnet),
        gateway: gateway.map(|gateway| gateway.parse().unwrap()),
        blocks: block.into_iter().map(|block| Block::of(net(block))).collect(),
    };
    Inventory { networks: vec![network], is_overlay, ..Inventory::default() }
}

fn azure() -> Ranges {
    Ranges { service: nets(&["10.0.0.0/16"]), vnet: nets(&["10.224.0.0/12"]) }
}

fn said(checked: Result<(), RangeError>) -> String {
    checked.map_or_else(|error| error.to_string(), |()| "apart".to_owned())
}

#[test]
fn pods_of_the_vnet_may_be_in_the_nodes_subnet() {
    let node = [on("eth0", "10.224.0.4/16"), on("docker0", "172.17.0.1/16")];
    for (subnet, block, expected) in [
        ("10.224.0.0/16", "10.224.1.0/24", "apart"),
        ("10.225.0.0/16", "10.225.1.0/24", "apart"),
        ("192.168.0.0/16", "192.168.1.0/24", "apart"),
        (
            "10.224.0.0/16",
            "10.224.0.0/28",
            "pod range 10.224.0.0/28 contains 10.224.0.4, the node's own address on link eth0",
        ),
        ("10.0.0.0/24", "10.0.0.0/24", "pod range 10.0.0.0/24 overlaps service range 10.0.0.0/16"),
        ("10.0.0.0/8", "10.9.0.0/24", "pod range 10.0.0.0/8 overlaps service range 10.0.0.0/16"),
        ("10.192.0.0/10", "10.193.0.0/24", "pod range 10.192.0.0/10 overlaps VNet range 10.224.0.0/12"),
        (
            "172.16.0.0/12",
            "172.17.0.0/24",
            "pod range 172.17.0.0/24 contains 172.17.0.1, the node's own address on link docker0",
        ),
    ] {
        let pods = inventory(false, subnet, None, Some(block));
        assert_eq!(said(azure().check_pods(&pods, &node)), expected, "{subnet} {block}");
    }
}

#[test]
fn pods_of_an_overlay_are_apart_from_everything() {
    let node = [on("eth0", "10.224.0.4/16"), on("cbr0", "10.244.1.1/24"), on("docker0", "172.17.0.1/16")];
    for (subnet, gateway, expected) in [
        ("10.244.1.0/24", Some("10.244.1.1"), "apart"),
        ("10.245.1.0/24", None, "apart"),
        (
            "10.244.1.0/24",
            None,
            "pod range 10.244.1.0/24 overlaps subnet 10.244.1.0/24 of the node's link cbr0",
        ),
        ("10.225.1.0/24", None, "pod range 10.225.1.0/24 overlaps VNet range 10.224.0.0/12"),
        (
            "172.17.5.0/24",
            None,
            "pod range 172.17.5.0/24 overlaps subnet 172.17.0.0/16 of the node's link docker0",
        ),
    ] {
        let pods = inventory(true, subnet, gateway, None);
        let ranges = Ranges { vnet: nets(&["10.224.0.0/12"]), ..Ranges::default() };
        assert_eq!(said(ranges.check_pods(&pods, &node)), expected, "{subnet}");
    }
    let pods = inventory(true, "10.224.128.0/24", None, None);
    let host = Host { subnet: Some(net("10.224.0.0/16")), ..Host::default() };
    assert_eq!(
        said(Ranges::default().check_pods(&Inventory { host, ..pods }, &[])),
        "pod range 10.224.128.0/24 overlaps the node's subnet 10.224.0.0/16"
    );
}

#[test]
fn services_are_apart_from_the_vnet_and_the_nodes_subnets() {
    assert_eq!(said(azure().check_node(&[on("eth0", "10.224.0.4/16")])), "apart");
    // As kube-proxy in IPVS mode and the node's DNS cache have them.
    assert_eq!(said(azure().check_node(&[on("kube-ipvs0", "10.0.0.1/32")])), "apart");
    assert_eq!(
        said(azure().check_node(&[on("eth1", "10.0.7.4/24")])),
        "service range 10.0.0.0/16 overlaps subnet 10.0.7.0/24 of the node's link eth1"
    );
    let wrong = Ranges { service: nets(&["fd00::/48", "10.230.0.0/16"]), ..azure() };
    assert_eq!(said(wrong.check_node(&[])), "service range 10.230.0.0/16 overlaps VNet range 10.224.0.0/12");
    let pods = inventory(false, "10.244.0.0/16", None, None);
    let host = Host { subnet: Some(net("10.0.4.0/24")), ..Host::default() };
    assert_eq!(
        said(azure().check_pods(&Inventory { host, ..pods }, &[])),
        "the node's subnet 10.0.4.0/24 overlaps service range 10.0.0.0/16"
    );
}

/// A network within 10.0.0.0/24, so that any two often meet.
fn any_net() -> impl Strategy<Value = IpNet> {
    (any::<u8>(), 24_u8..=32).prop_map(|(last, length)| {
        IpNet::new(std::net::Ipv4Addr::new(10, 0, 0, last).into(), length).unwrap().trunc()
    })
}

fn shares(one: IpNet, other: IpNet) -> bool {
    let addresses =
        |net: IpNet| (0..=255_u8).filter(move |last| net.contains(&IpAddr::from([10, 0, 0, *last])));
    addresses(one).any(|last| other.contains(&IpAddr::from([10, 0, 0, last])))
}

proptest! {
    /// Address by address: pods of an overlay pass only where nobody else has any of theirs.
    #[test]
    fn an_overlay_that_passes_shares_no_address(
        pods in any_net(),
        service in prop::collection::vec(any_net(), 0..2),
        vnet in prop::collection::vec(any_net(), 0..2),
        links in prop::collection::vec((any::<u8>(), 24_u8..=32), 0..3),
    ) {
        let node: Vec<_> = links
            .iter()
            .map(|(last, length)| on("eth0", &format!("10.0.0.{last}/{length}")))
            .collect();
        let ranges = Ranges { service: service.clone(), vnet: vnet.clone() };
        let own = inventory(true, &pods.to_string(), None, Some(&pods.to_string()));
        let mut others = service.into_iter().chain(vnet).chain(node.iter().map(|own| own.address.trunc()));
        let is_apart = others.all(|other| !shares(pods, other));
        prop_assert_eq!(ranges.check_pods(&own, &node).is_ok(), is_apart);
    }
}
