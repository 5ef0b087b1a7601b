use podnet_cni::json::decode;
use podnet_host_local::{Ipam, IpamConfig};
use serde_json::json;

use super::*;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn pods(network: &str, subnet: &str) -> Pods {
    let file = format!("/c/{network}").into();
    let bridge = Some("cbr0".to_owned());
    Pods { network: network.to_owned(), file, bridge, subnet: net(subnet), share: None }
}

/// Pods of mode vnet, by either datapath, that get addresses from 10.224.1.16 on, to 10.224.1.31, of the node's own subnet.
fn of_vnet(bridge: Option<&str>) -> Pods {
    let range = json!({"subnet": "10.224.0.0/16", "rangeStart": "10.224.1.16", "rangeEnd": "10.224.1.31",
        "gateway": "10.224.1.17"});
    let config: IpamConfig = decode(&json!({"type": "host-local", "ranges": [[range]]})).unwrap();
    let share = Ipam::new(&config, &[], false).unwrap().range_sets[0].ranges()[0].clone();
    Pods { bridge: bridge.map(ToOwned::to_owned), share: Some(share), ..pods("azure", "10.224.0.0/16") }
}

fn address(link: &str, address: &str) -> LinkAddress {
    LinkAddress { link: link.to_owned(), is_bridge: false, address: net(address) }
}

fn route(dst: &str, link: &str) -> NodeRoute {
    NodeRoute { dst: net(dst), via: Some("192.0.2.1".parse().unwrap()), link: link.to_owned() }
}

/// Severity and problem of each finding.
fn seen(plan: &Plan) -> Vec<(Severity, String)> {
    plan.findings().into_iter().map(|finding| (finding.severity, finding.problem)).collect()
}

#[test]
fn a_usual_node_is_fine() {
    let plan = Plan {
        pods: vec![pods("net", "10.244.1.0/24"), pods("net", "fd00:1::/64"), pods("other", "10.99.0.0/24")],
        addresses: vec![
            address("eth0", "10.240.0.4/16"),
            address("cbr0", "10.244.1.1/24"),
            address("lo", "127.0.0.1/8"),
            address("kube-ipvs0", "10.96.0.1/32"),
        ],
        routes: vec![
            route("0.0.0.0/0", "eth0"),
            NodeRoute { via: None, ..route("10.244.1.0/24", "cbr0") },
            route("10.244.2.0/24", "eth0"),
            route("10.0.0.0/8", "vpn"),
        ],
        pod_links: BTreeSet::new(),
        cidrs: Cidrs {
            pods: vec![net("10.244.0.0/16"), net("10.99.0.0/24"), net("fd00:1::/48")],
            services: vec![net("10.96.0.0/16")],
            nodes: vec![net("10.240.0.0/16")],
        },
    };
    assert_eq!(seen(&plan), []);
}

#[test]
fn two_ranges_of_one_network_may_share_a_subnet() {
    let twice = vec![pods("net", "10.244.1.0/24"), pods("net", "10.244.1.0/24")];
    assert_eq!(seen(&Plan { pods: twice, ..Plan::default() }), []);
}

#[test]
fn pods_of_two_networks_and_of_services_and_nodes_are_kept_apart() {
    let plan = Plan {
        pods: vec![pods("a", "10.244.1.0/24"), pods("b", "10.244.0.0/16")],
        cidrs: Cidrs {
            services: vec![net("10.244.1.128/25")],
            nodes: vec![net("10.244.200.0/24")],
            ..Cidrs::default()
        },
        ..Plan::default()
    };
    let problems = [
        "it overlaps the Services' range 10.244.1.128/25",
        "it overlaps subnet 10.244.1.0/24 of network a",
        "it overlaps the Services' range 10.244.1.128/25",
        "it overlaps the nodes' range 10.244.200.0/24",
    ];
    assert_eq!(seen(&plan), problems.map(|problem| (Severity::Error, problem.to_owned())));
    let fixes: Vec<_> = plan.findings().into_iter().map(|finding| finding.fix).collect();
    assert_eq!(fixes[0], r#"sed -i "s|10.244.1.0/24|$NEW_SUBNET|" /c/a"#);
    assert_eq!(fixes[1], "mv /c/b /c/b.disabled");
}

#[test]
fn the_nodes_own_addresses_and_subnets_are_seen() {
    let plan = Plan {
        pods: vec![pods("net", "10.244.1.0/24")],
        addresses: vec![
            address("eth0", "10.244.1.9/28"),
            address("eth1", "10.244.200.1/16"),
            address("lo", "10.244.1.99/32"),
        ],
        ..Plan::default()
    };
    let inside = "it holds the node's own address 10.244.1.9/28 of link eth0".to_owned();
    let around = "it is part of the subnet 10.244.0.0/16 of link eth1".to_owned();
    let single = "it holds the node's own address 10.244.1.99/32 of link lo".to_owned();
    let wanted = [(Severity::Error, inside), (Severity::Warning, around), (Severity::Warning, single)];
    assert_eq!(seen(&plan), wanted);
}

#[test]
fn a_route_into_the_pods_subnet_is_deleted() {
    let plan = Plan {
        pods: vec![pods("net", "10.244.1.0/24")],
        routes: vec![route("10.244.1.64/26", "vpn"), route("10.244.1.0/24", "eth0")],
        ..Plan::default()
    };
    let fixes: Vec<_> = plan.findings().into_iter().map(|finding| finding.fix).collect();
    assert_eq!(fixes, ["ip route del 10.244.1.64/26 dev vpn", "ip route del 10.244.1.0/24 dev eth0"]);
}

#[test]
fn pods_outside_of_what_other_nodes_route_here_are_a_warning() {
    let plan = Plan {
        pods: vec![pods("net", "10.244.1.0/24")],
        cidrs: Cidrs { pods: vec![net("fd00::/48"), net("10.244.2.0/24")], ..Cidrs::default() },
        ..Plan::default()
    };
    let problem = "it is not within the pods' range 10.244.2.0/24".to_owned();
    assert_eq!(seen(&plan), [(Severity::Warning, problem)]);
    assert_eq!(plan.findings()[0].fix, "sed -i 's|10.244.1.0/24|10.244.2.0/24|' /c/net");
}

#[test]
fn services_do_not_overlap_nodes_or_pods() {
    let plan = Plan {
        cidrs: Cidrs {
            services: vec![net("10.96.0.0/12")],
            pods: vec![net("10.100.0.0/16")],
            ..Cidrs::default()
        },
        addresses: vec![address("eth0", "10.97.0.4/16"), address("kube-ipvs0", "10.96.0.10/32")],
        ..Plan::default()
    };
    let problems =
        ["it overlaps the pods' range 10.100.0.0/16", "it overlaps the subnet of link eth0 10.97.0.0/16"];
    assert_eq!(seen(&plan), problems.map(|problem| (Severity::Error, problem.to_owned())));
}

/// A route of the link's own.
fn on_link(dst: &str, link: &str) -> NodeRoute {
    NodeRoute { via: None, ..route(dst, link) }
}

#[test]
fn pods_of_mode_vnet_may_have_addresses_of_the_nodes_own_subnet() {
    for (bridge, uplink) in [(None, "eth0"), (Some("azure0"), "azure0"), (Some("azure0"), "eth0")] {
        let plan = Plan {
            pods: vec![of_vnet(bridge)],
            addresses: vec![address(uplink, "10.224.0.4/16"), address("cbr0", "10.224.1.17/16")],
            routes: vec![
                on_link("10.224.0.0/16", uplink),
                on_link("10.224.0.1/32", "azv1"),
                on_link("10.224.1.20/32", "azv1"),
            ],
            pod_links: BTreeSet::from(["azv1".to_owned()]),
            cidrs: Cidrs { pods: vec![net("10.224.0.0/16")], ..Cidrs::default() },
        };
        assert_eq!(seen(&plan), [], "{bridge:?}");
    }
}

#[test]
fn what_stands_in_the_way_of_pods_of_mode_vnet_is_seen() {
    let plan = Plan {
        pods: vec![of_vnet(None)],
        addresses: vec![address("eth0", "10.224.1.18/16")],
        routes: vec![
            // The network's gateway has one of its own in Azure, and the whole subnet may lead to it.
            on_link("10.224.0.1/32", "eth0"),
            route("10.224.0.0/16", "eth0"),
            route("10.224.1.0/24", "eth0"),
            route("10.224.1.20/32", "vpn"),
        ],
        cidrs: Cidrs { nodes: vec![net("10.224.0.0/17")], ..Cidrs::default() },
        ..Plan::default()
    };
    let node = (Severity::Error, "it overlaps the nodes' range 10.224.0.0/17".to_owned());
    let own = (Severity::Warning, "it holds the node's own address 10.224.1.18/16 of link eth0".to_owned());
    let route = (Severity::Error, "the route to 10.224.1.20/32 leads to link vpn".to_owned());
    assert_eq!(seen(&plan), [node.clone(), own, route]);
    let on_network = Plan { pods: vec![of_vnet(Some("azure0"))], ..plan };
    assert!(!seen(&on_network).contains(&node), "pods are among the nodes by datapath bridge");
    let problems = seen(&on_network);
    assert!(problems.iter().any(|(_, problem)| problem.contains("10.224.1.0/24")), "{problems:?}");
}
