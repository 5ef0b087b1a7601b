//! What a pod looks like from outside, without what every program chooses for itself: names of host links, Ethernet
//! addresses, indices.

use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::netns::Place;
use crate::network::Pod;
use crate::reply::Added;

/// The result of ADD with the host link's name and all Ethernet addresses left out.
pub fn of_result(added: &Added) -> Value {
    let mut result = added.0.clone();
    for interface in result["interfaces"].as_array_mut().into_iter().flatten() {
        let is_drawn = interface["name"].as_str().is_some_and(|name| name.starts_with("veth"))
            && interface["sandbox"].is_null();
        if is_drawn {
            interface["name"] = json!("the host link");
        }
        if interface["mac"].is_string() {
            interface["mac"] = json!("an address");
        }
    }
    result
}

/// The pod's link, addresses and routes, and the host link and bridge of the result.
pub fn of_pod(pod: &Pod, added: &Added) -> Result<Value, Failure> {
    let inside = Place::from(&pod.netns);
    let mut view = Map::new();
    view.insert("pod link".into(), link(inside, &pod.ifname)?);
    for (family, name) in [("-4", "IPv4 routes"), ("-6", "IPv6 routes")] {
        view.insert(name.into(), routes(inside.ip_json(&[family, "route", "show", "dev", &pod.ifname])?));
    }
    for (index, interface) in added.0["interfaces"].as_array().into_iter().flatten().enumerate() {
        if let Some(name) = interface["name"].as_str().filter(|_| interface["sandbox"].is_null()) {
            view.insert(format!("host interface {index}"), link(Place::Node, name)?);
            let host_routes = Place::Node.ip_json(&["route", "show", "dev", name])?;
            view.insert(format!("host routes {index}"), routes(host_routes));
        }
    }
    Ok(Value::Object(view))
}

fn link(place: Place<'_>, name: &str) -> Result<Value, Failure> {
    let mut link = place.ip_json(&["-d", "addr", "show", "dev", name])?[0].take();
    let port = &link["linkinfo"]["info_slave_data"];
    let port = json!({"hairpin": port["hairpin"], "isolated": port["isolated"], "state": port["state"]});
    let mut addresses: Vec<Value> = link["addr_info"].as_array_mut().map(std::mem::take).unwrap_or_default();
    addresses.retain(|address| !is_link_local(&address["local"]));
    let addresses: Vec<Value> = addresses
        .iter()
        .map(|address| {
            json!([address["local"], address["prefixlen"], address["scope"], address["broadcast"]])
        })
        .collect();
    let is_up = link["flags"].as_array().is_some_and(|flags| flags.contains(&json!("UP")));
    let is_promiscuous = link["flags"].as_array().is_some_and(|flags| flags.contains(&json!("PROMISC")));
    Ok(
        json!({"mtu": link["mtu"], "up": is_up, "promiscuous": is_promiscuous, "addresses": addresses, "port": port,
        "kind": link["linkinfo"]["info_kind"]}),
    )
}

fn routes(mut routes: Value) -> Value {
    let list = routes.as_array_mut().map(std::mem::take).unwrap_or_default();
    let kept = list.into_iter().filter(|route| !is_link_local(&route["dst"]));
    kept.map(|route| {
        json!([
            route["dst"],
            route["gateway"],
            route["scope"],
            route["protocol"],
            route["prefsrc"],
            route["metric"]
        ])
    })
    .collect()
}

fn is_link_local(address: &Value) -> bool {
    address.as_str().is_some_and(|text| text.starts_with("fe80:"))
}
