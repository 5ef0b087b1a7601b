//! A daemon that says all routes of a pod: with `SkipDefaultRoutes` none is added, neither a default route nor one of the
//! configuration's.

use std::fs;

use podnet_netns_tests::ensure_eq;
use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::reply::Added;
use podnet_netns_tests::stand_in::Answer;
use podnet_netns_tests::subject::Family;
use serde_json::{Value, json};

use super::Test;
use super::answers::stage;

pub(super) const TESTS: &[Test] = &[
    ("all_routes_of_a_pod_behind_the_node", behind_the_node),
    ("all_routes_of_a_pod_on_the_network", on_the_network),
];

/// A destination and the next hop to it, of each of the family's.
type Routes = Vec<(&'static str, &'static str)>;

/// `SkipDefaultRoutes`: an address of each of the family's, and these routes alone.
fn granted(family: Family, routes: &Routes) -> Answer {
    let configs = family.pick(
        json!({"IPSubnet": {"IPAddress": "10.244.1.0", "PrefixLength": 24}, "GatewayIPAddress": "10.244.1.1"}),
        json!({"IPSubnetV6": {"IPAddress": "fd00:10:244:1::", "PrefixLength": 64},
            "GatewayIPv6Address": "fd00:10:244:1::1"}),
    );
    let addresses = family.pick("10.244.1.5", "fd00:10:244:1::5").into_iter();
    let infos: Value = addresses
        .zip(configs)
        .zip(routes)
        .map(|((address, config), (dst, gateway))| {
            let route = json!({"IPAddress": dst, "GatewayIPAddress": gateway, "InterfaceToUse": ""});
            json!({"PodIPConfig": {"IPAddress": address}, "NetworkContainerPrimaryIPConfig": config,
                "NICType": "InfraNIC", "SkipDefaultRoutes": true, "Routes": [route]})
        })
        .collect();
    Answer::ok(&json!({"podIPInfo": infos, "response": {"ReturnCode": 0, "Message": ""}}))
}

/// The result tells the daemon's routes, none that the configuration names, and CHECK is content, without record too.
fn add(network: &Network, routes: &Routes) -> Result<(Pod, Added), Failure> {
    let network = network.clone().with("/ipam/routes", json!([{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]));
    let pod = Pod::create("a")?;
    let added = network.add(&pod)?;
    let expected: Value = routes.iter().map(|(dst, gw)| json!({"dst": dst, "gw": gw})).collect();
    ensure_eq!(added.0["routes"], expected, "the result's routes");
    network.check(&pod, &added)?;
    fs::remove_dir_all("/run/podnet/attachments")?;
    network.check(&pod, &added)?;
    Ok((pod, added))
}

/// The destinations of what ADD put into the pod's table.
fn destinations(pod: &Pod, version: &str) -> Result<Vec<String>, Failure> {
    let routes = Place::from(&pod.netns).ip_json(&[version, "route", "show", "dev", "eth0"])?;
    let own = routes.as_array().into_iter().flatten().filter(|route| route["protocol"] != "kernel");
    let mut found: Vec<String> = own.filter_map(|route| Some(route["dst"].as_str()?.to_owned())).collect();
    found.sort_unstable();
    Ok(found)
}

fn behind_the_node(family: Family) -> Outcome {
    let (daemon, network) = stage(family)?;
    let routes = family.pick(("10.96.0.0/12", "169.254.1.1"), ("fd00:96::/108", "fe80::1234:5678:9abc"));
    daemon.answers(granted(family, &routes));
    let (pod, added) = add(&network, &routes)?;
    for (version, (dst, gateway)) in family.pick("-4", "-6").into_iter().zip(routes) {
        ensure_eq!(destinations(&pod, version)?, [dst, gateway], "routes of the pod");
    }
    network.del(&pod, Some(&added))
}

fn on_the_network(family: Family) -> Outcome {
    let _fabric = super::bridge::fabric(family)?;
    let (daemon, network) = stage(family)?;
    let network = network.with("/datapath", "bridge");
    let routes = family.pick(("10.96.0.0/12", "10.244.1.1"), ("fd00:96::/108", "fd00:10:244:1::1"));
    daemon.answers(granted(family, &routes));
    let (pod, added) = add(&network, &routes)?;
    for (version, (dst, _)) in family.pick("-4", "-6").into_iter().zip(routes) {
        ensure_eq!(destinations(&pod, version)?, [dst], "routes of the pod");
    }
    network.del(&pod, Some(&added))
}
