use proptest::prelude::*;

use super::*;
use crate::inventory::{Host, Inventory, Network};

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn networks(subnets: &[&str], host: Host) -> Networks {
    let network =
        |subnet: &&str| Network { id: "n".into(), subnet: net(subnet), gateway: None, blocks: Vec::new() };
    let networks = subnets.iter().map(network).collect();
    Networks::of(&Inventory { host, networks, ..Inventory::default() })
}

fn on_link(dst: &str, link: u32) -> TableRoute {
    TableRoute { via: None, ..via(dst, "10.224.0.1", link) }
}

fn via(dst: &str, via: &str, link: u32) -> TableRoute {
    TableRoute::new(net(dst), via.parse().unwrap(), link, STATIC)
}

fn host(address: &str, subnet: Option<&str>) -> Host {
    Host { address: Some(address.parse().unwrap()), subnet: subnet.map(net), gateway: None }
}

#[test]
fn a_subnet_of_its_own_is_behind_the_gateway_of_the_nodes() {
    let table = [on_link("10.224.0.0/16", 2), on_link("10.0.0.0/8", 3), via("0.0.0.0/0", "10.0.0.9", 3)];
    let node = host("10.224.0.4", Some("10.224.0.0/16"));
    let expected = vec![via("10.241.0.0/16", "10.224.0.1", 2)];
    assert_eq!(wanted(&networks(&["10.241.0.0/16", "10.241.0.0/16"], node), &table), Ok(expected));
    // Without a subnet of the node's: where everything goes.
    let node = host("10.224.0.4", None);
    let expected = vec![via("10.241.0.0/16", "10.0.0.9", 3)];
    assert_eq!(wanted(&networks(&["10.241.0.0/16"], node), &table), Ok(expected));
}

#[test]
fn a_subnet_that_the_node_is_in_needs_none() {
    let table = [on_link("10.224.0.0/16", 2)];
    for node in [host("10.224.0.4", None), host("10.224.0.4", Some("10.224.0.0/16"))] {
        assert_eq!(wanted(&networks(&["10.224.0.0/16"], node), &table), Ok(Vec::new()));
    }
}

#[test]
fn where_there_is_no_way_the_subnet_is_named() {
    let node = host("10.224.0.4", Some("10.224.0.0/16"));
    let subnet = net("10.241.0.0/16");
    let gateway = "10.224.0.1".parse().unwrap();
    assert_eq!(wanted(&networks(&["10.241.0.0/16"], node), &[]), Err(NoRoute::NoLink { gateway, subnet }));
    assert_eq!(wanted(&networks(&["fd00::/64"], node), &[]), Err(NoRoute::NoGateway(net("fd00::/64"))));
}

fn any_routes() -> impl Strategy<Value = Vec<TableRoute>> {
    let route = (0_u8..4, 1_u8..3, 3_u8..5).prop_map(|(subnet, gateway, protocol)| {
        let via = IpAddr::from([10, 224, 0, gateway]);
        TableRoute::new(net(&format!("10.{subnet}.0.0/16")), via, 2, protocol)
    });
    // Of one destination and metric there is one route.
    prop::collection::vec(route, 0..5).prop_map(|mut routes| {
        routes.sort_by_key(|route| route.dst);
        routes.dedup_by_key(|route| route.dst);
        routes
    })
}

proptest! {
    /// Carried out, a change leaves all that is wanted but for what is taken, nothing else of ours, and all of others'.
    #[test]
    fn others_routes_stay(wanted in any_routes(), found in any_routes(), recorded in any_routes()) {
        let change = Change::of(&wanted, &found, &recorded);
        let mut table = found.clone();
        table.retain(|route| !change.delete.contains(route));
        for route in &change.add {
            prop_assert!(table.iter().all(|other| other.dst != route.dst), "{route:?} would be refused");
            table.push(route.clone());
        }
        for route in &wanted {
            prop_assert_ne!(table.contains(route), change.taken.contains(route));
        }
        for route in found.iter().filter(|route| !recorded.contains(route)) {
            prop_assert!(table.contains(route));
        }
        for route in table.iter().filter(|route| !found.contains(route) || recorded.contains(route)) {
            prop_assert!(wanted.contains(route) && change.ours.contains(route));
        }
    }
}
