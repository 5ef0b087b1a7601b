use proptest::prelude::*;

use super::*;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn peer(cidrs: &[&str], addresses: &[&str]) -> Peer {
    Peer {
        cidrs: cidrs.iter().map(|text| net(text)).collect(),
        addresses: addresses.iter().map(|text| ip(text)).collect(),
    }
}

/// The node `own`, and others.
fn with_others(others: &[(&str, &[&str], &[&str])]) -> Nodes {
    let mut nodes = Nodes::from([("own".into(), peer(&["10.244.1.0/24", "fd44:1::/64"], &["10.0.0.1"]))]);
    nodes.extend(others.iter().map(|(name, cidrs, addresses)| (Box::from(*name), peer(cidrs, addresses))));
    nodes
}

/// `eth0` is link 2, in `10.0.0.0/16` and `fd00::/64`, with a default route and an off-link part of its subnet; `br1` is link 3.
fn table() -> Table {
    let route = |dst: &str, via: Option<&str>, link| TableRoute {
        dst: net(dst),
        via: via.map(ip),
        link,
        priority: 0,
        protocol: 2,
    };
    Table {
        routes: vec![
            route("0.0.0.0/0", Some("10.0.0.254"), 2),
            route("10.0.0.0/16", None, 2),
            route("10.0.99.0/24", Some("10.0.0.254"), 2),
            route("fd00::/64", None, 2),
            route("fe80::/64", None, 2),
            route("172.17.0.0/16", None, 3),
            route("10.244.1.7/32", None, 9),
        ],
        links: HashMap::from([(2, "eth0".to_owned()), (3, "br1".to_owned())]),
    }
}

fn shown(plan: &Plan) -> (Vec<String>, Vec<String>) {
    let routes =
        plan.routes.iter().map(|route| format!("{} {} {}", route.dst, route.via.unwrap(), route.link));
    (routes.collect(), plan.refusals.iter().map(Refusal::to_string).collect())
}

#[test]
fn each_family_goes_by_the_nodes_first_address_of_it_that_is_on_a_link() {
    let nodes = with_others(&[
        ("b", &["10.244.2.0/24", "fd44:2::/64"], &["192.0.2.2", "10.0.0.2", "fd00::2"]),
        ("c", &["10.244.3.0/24"], &["10.0.0.3"]),
    ]);
    let (routes, refusals) = shown(&plan("own", &nodes, &table()));
    assert_eq!(routes, ["10.244.2.0/24 10.0.0.2 2", "10.244.3.0/24 10.0.0.3 2", "fd44:2::/64 fd00::2 2"]);
    assert_eq!(refusals, [""; 0]);
}

#[test]
fn what_cannot_be_is_refused_with_names() {
    let nodes = with_others(&[
        ("far", &["10.244.2.0/24"], &["10.0.99.2"]),
        ("mute", &["fd44:3::/64"], &["10.0.0.3"]),
        ("twin", &["10.244.4.0/24"], &["10.0.0.1"]),
        ("whole", &["10.244.0.0/16"], &["10.0.0.5"]),
        ("wide", &["172.16.0.0/12"], &["10.0.0.6"]),
    ]);
    let (routes, refusals) = shown(&plan("own", &nodes, &table()));
    assert_eq!(routes, [""; 0]);
    assert_eq!(
        refusals,
        [
            "node far, 10.244.2.0/24: its InternalIP 10.0.99.2 is on no link of this node",
            "node mute, fd44:3::/64: the node has no InternalIP of this family",
            "node twin, 10.244.4.0/24: its InternalIP 10.0.0.1 is this node's own",
            "node whole, 10.244.0.0/16: overlaps this node's own 10.244.1.0/24",
            "node wide, 172.16.0.0/12: overlaps 172.17.0.0/16 of link br1",
        ]
    );
}

#[test]
fn a_range_that_two_nodes_claim_stays_with_whom_it_leads_to_already() {
    let nodes = with_others(&[
        ("b", &["10.244.2.0/24"], &["10.0.0.2"]),
        ("c", &["10.244.2.0/24"], &["10.0.0.3"]),
        ("d", &["10.244.2.128/25"], &["10.0.0.4"]),
    ]);
    let mut table = table();
    let (routes, refusals) = shown(&plan("own", &nodes, &table));
    assert_eq!(routes, [""; 0]);
    assert_eq!(
        refusals,
        [
            "node b, 10.244.2.0/24: overlaps 10.244.2.0/24 of node c",
            "node c, 10.244.2.0/24: overlaps 10.244.2.0/24 of node b",
            "node d, 10.244.2.128/25: overlaps 10.244.2.0/24 of node c",
        ]
    );
    table.routes.push(TableRoute::new(net("10.244.2.0/24"), ip("10.0.0.3"), 2, PROTOCOL));
    let (routes, refusals) = shown(&plan("own", &nodes, &table));
    assert_eq!(routes, ["10.244.2.0/24 10.0.0.3 2"]);
    assert_eq!(refusals.len(), 2);
}

#[test]
fn a_foreign_route_stays_and_is_named_whatever_its_metric() {
    let nodes = with_others(&[("b", &["10.244.2.0/24"], &["10.0.0.2"])]);
    let mut table = table();
    let foreign = TableRoute { priority: 50, ..TableRoute::new(net("10.244.2.0/24"), ip("10.0.0.9"), 2, 4) };
    let ours = TableRoute::new(net("10.244.2.0/24"), ip("10.0.0.2"), 2, PROTOCOL);
    table.routes.extend([foreign, ours.clone()]);
    let plan = plan("own", &nodes, &table);
    let (_, refusals) = shown(&plan);
    assert_eq!(refusals, ["node b, 10.244.2.0/24: somebody else's route leads there, via 10.0.0.9"]);
    let difference = Difference::between(&plan.routes, &table);
    assert_eq!(difference, Difference { stale: vec![ours], missing: vec![] });
}

/// Few values, so that they meet.
fn any_cidr() -> impl Strategy<Value = IpNet> {
    (0_u8..4, prop_oneof![Just(22_u8), Just(24), Just(25)], 0_u8..2).prop_map(|(third, length, half)| {
        IpNet::new(IpAddr::from([10, 244, third, half * 128]), length).unwrap().trunc()
    })
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    (0_u8..3, 1_u8..5).prop_map(|(third, last)| IpAddr::from([10, 0, third, last]))
}

fn any_peer() -> impl Strategy<Value = Peer> {
    let cidrs = prop::collection::vec(any_cidr(), 0..3);
    let addresses = prop::collection::vec(any_address(), 0..3);
    (cidrs, addresses)
        .prop_map(|(cidrs, addresses)| Peer { cidrs: cidrs.into(), addresses: addresses.into() })
}

fn any_nodes() -> impl Strategy<Value = Nodes> {
    prop::collection::btree_map(prop::sample::select(vec!["a", "b", "c", "own"]), any_peer(), 0..5)
        .prop_map(|nodes| nodes.into_iter().map(|(name, peer)| (Box::from(name), peer)).collect())
}

fn any_table() -> impl Strategy<Value = Table> {
    let dst = prop_oneof![
        any_cidr(),
        (0_u8..3, 23_u8..=32).prop_map(|(third, length)| {
            IpNet::new(IpAddr::from([10, 0, third, 2]), length).unwrap().trunc()
        }),
    ];
    let via = prop::option::of(any_address());
    let protocol = prop_oneof![Just(2_u8), Just(PROTOCOL)];
    let route = (dst, via, 1_u32..3, 0_u32..2, protocol);
    let route = route.prop_map(|(dst, via, link, priority, protocol)| TableRoute {
        dst,
        via,
        link,
        priority,
        protocol,
    });
    prop::collection::vec(route, 0..12).prop_map(|mut routes: Vec<TableRoute>| {
        // One route a destination and metric, as in the kernel.
        routes.sort();
        routes.dedup_by_key(|route| (route.dst, route.priority));
        Table { routes, links: HashMap::new() }
    })
}

/// The link that the kernel would say an address is on, by looking at every route.
fn on_link(table: &Table, address: IpAddr) -> Option<u32> {
    let foreign =
        table.routes.iter().filter(|route| route.protocol != PROTOCOL && route.dst.contains(&address));
    let best = foreign.min_by_key(|route| (u8::MAX - route.dst.prefix_len(), route.priority))?;
    best.via.is_none().then_some(best.link)
}

/// Whether nothing but rivals speaks against a range.
fn is_lawful(own: Option<&Peer>, table: &Table, peer: &Peer, cidr: IpNet) -> bool {
    let own = own.cloned().unwrap_or_default();
    let subnets = table.routes.iter().filter(|route| {
        route.protocol != PROTOCOL && route.via.is_none() && (1..32).contains(&route.dst.prefix_len())
    });
    !own.cidrs.iter().chain(subnets.map(|route| &route.dst)).any(|other| overlap(*other, cidr))
        && !own.addresses.iter().any(|address| peer.addresses.contains(address))
}

/// Every range's route, by definition instead of by sweep and lookup.
fn model(nodes: &Nodes, table: &Table) -> Vec<TableRoute> {
    let own = nodes.get("own");
    let others = nodes.iter().filter(|(name, _)| &***name != "own");
    let claims: Vec<(&Peer, IpNet)> = others
        .flat_map(|(_, peer)| peer.cidrs.iter().map(move |cidr| (peer, *cidr)))
        .filter(|(peer, cidr)| is_lawful(own, table, peer, *cidr))
        .collect();
    let mut routes = Vec::new();
    for (place, (peer, cidr)) in claims.iter().enumerate() {
        let is_contested =
            claims.iter().enumerate().any(|(other, (_, range))| other != place && overlap(*cidr, *range));
        let mut there = table.routes.iter().filter(|route| route.dst == *cidr);
        let is_incumbent = there.clone().any(|route| {
            route.protocol == PROTOCOL && route.via.is_some_and(|via| peer.addresses.contains(&via))
        });
        let is_foreign = there.any(|route| route.protocol != PROTOCOL);
        let via = peer.addresses.iter().find_map(|via| Some((*via, on_link(table, *via)?)));
        if let Some((via, link)) = via
            && !is_foreign
            && (is_incumbent || !is_contested)
        {
            routes.push(TableRoute::new(*cidr, via, link, PROTOCOL));
        }
    }
    routes.sort();
    routes.dedup();
    routes
}

proptest! {
    #[test]
    fn the_plan_is_the_models(nodes in any_nodes(), table in any_table()) {
        let plan = plan("own", &nodes, &table);
        prop_assert_eq!(&plan.routes, &model(&nodes, &table));
        // Each range of another node's either has its route or a reason.
        let ranges: usize =
            nodes.iter().filter(|(name, _)| &***name != "own").map(|(_, peer)| peer.cidrs.len()).sum();
        prop_assert!(plan.routes.len() + plan.refusals.len() <= ranges);
        for (name, peer) in nodes.iter().filter(|(name, _)| &***name != "own") {
            for cidr in &peer.cidrs {
                let has_route = plan.routes.iter().any(|route| route.dst == *cidr);
                let is_refused = plan.refusals.iter().any(|one| one.node == *name && one.cidr == *cidr);
                prop_assert!(has_route || is_refused, "{} {}", name, cidr);
            }
        }
    }

    #[test]
    fn the_difference_leads_to_the_plan_in_one_step_and_touches_no_foreign_route(
        nodes in any_nodes(), mut table in any_table(),
    ) {
        let foreign = |table: &Table| -> Vec<TableRoute> {
            table.routes.iter().filter(|route| route.protocol != PROTOCOL).cloned().collect()
        };
        let before = foreign(&table);
        let wanted = plan("own", &nodes, &table).routes;
        let Difference { stale, missing } = Difference::between(&wanted, &table);
        for route in &stale {
            let at = table.routes.iter().position(|found| found == route);
            table.routes.remove(at.expect("what is deleted is there"));
        }
        for route in missing {
            let is_taken = |found: &TableRoute| (found.dst, found.priority) == (route.dst, route.priority);
            prop_assert!(!table.routes.iter().any(is_taken), "the kernel would refuse {route:?}");
            table.routes.push(route);
        }
        prop_assert_eq!(foreign(&table), before);
        // What is there now is what is wanted, and stays so: nothing flaps.
        prop_assert_eq!(Difference::between(&wanted, &table), Difference::default());
        prop_assert_eq!(plan("own", &nodes, &table).routes, wanted);
    }
}
