//! What pods are kept from without anybody's asking.

use std::net::{IpAddr, SocketAddr};

use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::network::Pod;
use podnet_netns_tests::node::OtherNode;
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::{ensure, ensure_eq, probe};

use super::{Test, daemon, inside, network};
use crate::guard::{arrives, only_the_last_arrives};
use crate::look;

pub(super) const TESTS: &[Test] = &[
    ("foreign_sources_are_dropped", foreign_sources),
    ("another_ethernet_address_is_dropped", other_station),
    ("wireserver_is_closed_but_for_dns", wireserver),
];

fn pods(family: Family) -> Result<[(Pod, Vec<IpAddr>); 2], Failure> {
    let _daemon = daemon(family)?;
    let network = network()?;
    let pod = |name| {
        let pod = Pod::create(name)?;
        let addresses = network.add(&pod)?.addresses()?;
        Ok::<_, Failure>((pod, addresses))
    };
    Ok([pod("a")?, pod("b")?])
}

/// One that nobody has and one that a neighbour has, whichever way the packet would go.
fn foreign_sources(family: Family) -> Outcome {
    let [(a, own), (b, neighbour)] = pods(family)?;
    let nobodys: Vec<IpAddr> = family
        .pick("10.244.1.200".parse(), "fd00:10:244:1::200".parse())
        .into_iter()
        .collect::<Result<_, _>>()?;
    let third = Pod::create("c")?;
    let _daemon = daemon(family)?;
    let of_third = network()?.add(&third)?.addresses()?;
    for (index, foreign) in nobodys.into_iter().enumerate() {
        probe::first_packet(inside(&a), inside(&b), neighbour[index])?;
        for foreign in [foreign, of_third[index]] {
            inside(&a).ip(&["addr", "add", &foreign.to_string(), "dev", "eth0", "nodad"])?;
            only_the_last_arrives(&a, [foreign, own[index]], inside(&b), neighbour[index])?;
        }
    }
    Ok(())
}

fn other_station(family: Family) -> Outcome {
    let [(a, _), (b, to)] = pods(family)?;
    probe::first_packet(inside(&a), inside(&b), to[0])?;
    let gateway = if to[0].is_ipv4() { "169.254.1.1" } else { "fe80::1234:5678:9abc" };
    let node = look::link(inside(&a), "eth0")?;
    let own = node["address"].as_str().unwrap_or_default().to_owned();
    let neighbours = inside(&a).ip_json(&["neigh", "show", "to", gateway, "dev", "eth0"])?;
    let host = neighbours[0]["lladdr"].as_str().unwrap_or_default().to_owned();
    let become_station = |address: &str| -> Outcome {
        inside(&a).ip(&["link", "set", "eth0", "address", address])?;
        // The kernel forgets its neighbours with its address.
        inside(&a)
            .ip(&["neigh", "replace", gateway, "lladdr", &host, "dev", "eth0", "nud", "permanent"])
            .map(drop)
    };
    become_station("02:00:00:00:00:01")?;
    let passed = probe::first_packet(inside(&a), inside(&b), to[0]);
    ensure!(passed.is_err(), "a frame from another Ethernet address passes");
    become_station(&own)?;
    probe::first_packet(inside(&a), inside(&b), to[0]).map(drop)
}

fn wireserver(family: Family) -> Outcome {
    if !family.has_v4() {
        return Ok(());
    }
    let other = OtherNode::create(family)?;
    other.serve("168.63.129.16")?;
    other.serve("169.254.169.254")?;
    let [(a, _), _] = pods(family)?;
    for (port, is_open) in [(53, true), (80, false), (32526, false)] {
        let found = arrives(&a, &other, SocketAddr::new([168, 63, 129, 16].into(), port))?;
        ensure_eq!(found, is_open, "TCP port {port} of the wireserver is open");
    }
    let metadata = SocketAddr::new([169, 254, 169, 254].into(), 80);
    ensure!(arrives(&a, &other, metadata)?, "the metadata are closed though nobody asked for it");
    Ok(())
}
