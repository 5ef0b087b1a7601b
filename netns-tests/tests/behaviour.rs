//! What a pod's network is like after ADD: seen in the kernel and felt by traffic.

use std::time::Duration;

use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::network::Pod;
use podnet_netns_tests::node::OtherNode;
use podnet_netns_tests::snapshot::Snapshot;
use podnet_netns_tests::subject::Family;
use podnet_netns_tests::watch::Watch;
use podnet_netns_tests::{ensure, ensure_eq, probe, reply};
use serde_json::json;

use crate::differences::{LATE_ANNOUNCEMENT, LATE_GATEWAY};
use crate::look;
use crate::table::{self, Scene};

/// How long traffic may need to pass where nothing is said about the first packet.
const SOON: Duration = Duration::from_secs(8);

pub(crate) fn cases() -> Vec<Case> {
    let every = table::cases(
        "behaviour",
        &Family::ALL,
        &[
            ("pods_reach_each_other", pods_reach_each_other, None),
            ("pod_and_node_reach_each_other", pod_and_node_reach_each_other, None),
            ("pod_and_pod_of_another_node_reach_each_other", another_node, None),
            ("first_packets_pass", first_packets_pass, Some(&LATE_GATEWAY)),
            ("addresses_are_announced", addresses_are_announced, Some(&LATE_ANNOUNCEMENT)),
            ("links_are_as_configured", links_are_as_configured, None),
            ("hairpin_can_be_switched_off", hairpin_can_be_switched_off, None),
            ("default_gateway_without_ipam_routes", default_gateway_without_ipam_routes, None),
            ("routes_of_ipam_are_set", routes_of_ipam_are_set, None),
            ("masquerade_leaves_the_subnet_alone", masquerade, None),
            ("mtu_is_set_everywhere", mtu_is_set_everywhere, None),
            ("nodes_forward", nodes_forward, None),
            ("bridge_keeps_its_mac", bridge_keeps_its_mac, None),
            ("second_add_leaves_the_first_untouched", second_add, None),
        ],
    );
    let one = table::cases(
        "behaviour",
        &[Family::V4],
        &[
            ("foreign_bridge_address_is_an_error", foreign_bridge_address, None),
            ("foreign_bridge_address_is_replaced_by_force", forced_bridge_address, None),
            ("resolv_conf_is_in_the_result", resolv_conf, None),
        ],
    );
    every.into_iter().chain(one).collect()
}

fn pods_reach_each_other(scene: Scene) -> Outcome {
    let network = scene.network()?;
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    let from_a = network.add(&a)?.addresses()?;
    let from_b = network.add(&b)?.addresses()?;
    for (&source, &target) in from_a.iter().zip(&from_b) {
        let seen = probe::reach((&a.netns).into(), (&b.netns).into(), target, SOON)?;
        ensure_eq!(seen, source, "source that {target} sees");
        probe::stream((&b.netns).into(), (&a.netns).into(), source, 1 << 20)?;
    }
    Ok(())
}

fn pod_and_node_reach_each_other(scene: Scene) -> Outcome {
    let pod = Pod::create("a")?;
    let addresses = scene.network()?.add(&pod)?.addresses()?;
    for (address, gateway) in addresses.into_iter().zip(scene.family.gateways()) {
        ensure_eq!(
            probe::reach((&pod.netns).into(), Place::Node, gateway, SOON)?,
            address,
            "source on the node"
        );
        ensure_eq!(
            probe::reach(Place::Node, (&pod.netns).into(), address, SOON)?,
            gateway,
            "source in the pod"
        );
    }
    Ok(())
}

fn another_node(scene: Scene) -> Outcome {
    let other = OtherNode::create(scene.family)?;
    let pod = Pod::create("a")?;
    let addresses = scene.network()?.add(&pod)?.addresses()?;
    for (here, there) in addresses.into_iter().zip(other.pod_addresses()?) {
        ensure_eq!(
            probe::reach((&pod.netns).into(), other.place(), there, SOON)?,
            here,
            "source on the other node"
        );
        probe::reach(other.place(), (&pod.netns).into(), here, SOON)?;
    }
    Ok(())
}

fn first_packets_pass(scene: Scene) -> Outcome {
    let network = scene.network()?;
    // The first pod makes the bridge, the second one finds it.
    for name in ["a", "b"] {
        let pod = Pod::create(name)?;
        let addresses = network.add(&pod)?.addresses()?;
        for (address, gateway) in addresses.into_iter().zip(scene.family.gateways()) {
            probe::first_packet((&pod.netns).into(), Place::Node, gateway)?;
            probe::first_packet(Place::Node, (&pod.netns).into(), address)?;
        }
    }
    Ok(())
}

fn addresses_are_announced(scene: Scene) -> Outcome {
    let network = scene.settled()?;
    let watch = Watch::start("cbr0", "arp or (icmp6 and ip6[40] == 136)")?;
    let pod = Pod::create("a")?;
    let cidrs = network.add(&pod)?.cidrs();
    let mac = look::link((&pod.netns).into(), "eth0")?["address"].as_str().doing("MAC of eth0")?.to_owned();
    for cidr in cidrs {
        let address = cidr.split('/').next().unwrap_or_default();
        let said = if address.contains(':') { "neighbor advertisement" } else { "Request who-has" };
        watch.expect(&[&mac, said, address], SOON)?;
    }
    Ok(())
}

fn links_are_as_configured(scene: Scene) -> Outcome {
    let pod = Pod::create("a")?;
    let added = scene.network()?.add(&pod)?;
    let inside = look::link((&pod.netns).into(), "eth0")?;
    let host = look::link(Place::Node, added.interface(1)?)?;
    let bridge = look::link(Place::Node, "cbr0")?;

    ensure_eq!(look::addresses(&inside), added.cidrs(), "addresses of eth0");
    let gateways: Vec<_> = scene.family.gateways().iter().map(ToString::to_string).collect();
    ensure_eq!(look::default_gateways((&pod.netns).into())?, gateways, "default routes");
    for (link, what) in [(&inside, "eth0"), (&host, "host link"), (&bridge, "bridge")] {
        ensure!(look::has_flag(link, "UP"), "{what} is down: {link}");
    }
    ensure_eq!(host["master"], json!("cbr0"), "master of the host link");
    ensure_eq!(host["linkinfo"]["info_slave_data"]["hairpin"], json!(true), "hairpin of the port");
    ensure_eq!(bridge["linkinfo"]["info_kind"], json!("bridge"), "kind of cbr0");
    let lengths = scene.family.pick("24", "64");
    let wanted: Vec<_> =
        gateways.iter().zip(lengths).map(|(gateway, length)| format!("{gateway}/{length}")).collect();
    ensure_eq!(look::addresses(&bridge), wanted, "addresses of the bridge");
    for (index, link) in [&bridge, &host, &inside].into_iter().enumerate() {
        ensure_eq!(
            added.0["interfaces"][index]["mac"],
            link["address"],
            "MAC of interface {index} in the result"
        );
    }
    Ok(())
}

fn hairpin_can_be_switched_off(scene: Scene) -> Outcome {
    let pod = Pod::create("a")?;
    let added = scene.network()?.with("/hairpinMode", false).add(&pod)?;
    let host = look::link(Place::Node, added.interface(1)?)?;
    ensure_eq!(host["linkinfo"]["info_slave_data"]["hairpin"], json!(false), "hairpin of the port");
    Ok(())
}

fn default_gateway_without_ipam_routes(scene: Scene) -> Outcome {
    let network = scene.network()?.with("/ipam/routes", json!([]));
    let gateways: Vec<_> = scene.family.gateways().iter().map(ToString::to_string).collect();
    for (name, wanted) in [("with", true), ("without", false)] {
        let pod = Pod::create(name)?;
        network.clone().with("/isGateway", true).with("/isDefaultGateway", wanted).add(&pod)?;
        let expected = if wanted { gateways.clone() } else { Vec::new() };
        ensure_eq!(
            look::default_gateways((&pod.netns).into())?,
            expected,
            "default routes {name} isDefaultGateway"
        );
    }
    Ok(())
}

fn routes_of_ipam_are_set(scene: Scene) -> Outcome {
    let (dst, via) = (["192.0.2.0/24", "2001:db8::/48"], ["10.244.1.99", "fd00:10:244:1::99"]);
    let routes =
        scene.family.pick(json!({"dst": dst[0], "gw": via[0]}), json!({"dst": dst[1], "gw": via[1]}));
    let pod = Pod::create("a")?;
    let added = scene.network()?.with("/ipam/routes", json!(routes)).add(&pod)?;
    for (dst, via) in scene.family.pick((dst[0], via[0]), (dst[1], via[1])) {
        let family = if dst.contains(':') { "-6" } else { "-4" };
        let found = Place::from(&pod.netns).ip_json(&[family, "route", "show", dst])?;
        ensure_eq!(found[0]["gateway"], json!(via), "gateway of {dst} in the pod");
        ensure!(added.0["routes"].to_string().contains(dst), "{dst} is not in the result {}", added.0);
    }
    Ok(())
}

fn masquerade(scene: Scene) -> Outcome {
    let other = OtherNode::create(scene.family)?;
    let network = scene.network()?.with("/ipMasq", true);
    let (a, b) = (Pod::create("a")?, Pod::create("b")?);
    let (from_a, added_b) = (network.add(&a)?.addresses()?, network.add(&b)?);
    let outside = other.pod_addresses()?.into_iter().zip(other.masquerade_addresses()?);
    for ((target, node), (source, neighbour)) in outside.zip(from_a.into_iter().zip(added_b.addresses()?)) {
        ensure_eq!(probe::reach((&a.netns).into(), other.place(), target, SOON)?, node, "source outside");
        ensure_eq!(
            probe::reach((&a.netns).into(), (&b.netns).into(), neighbour, SOON)?,
            source,
            "source in the subnet"
        );
    }
    Ok(())
}

fn mtu_is_set_everywhere(scene: Scene) -> Outcome {
    let pod = Pod::create("a")?;
    // Below 1280 the kernel keeps IPv6 off a link (RFC 8200 section 5).
    let mtu = if scene.family.has_v6() { 1400 } else { 1200 };
    let added = scene.network()?.with("/mtu", mtu).add(&pod)?;
    let links = [
        look::link((&pod.netns).into(), "eth0")?,
        look::link(Place::Node, added.interface(1)?)?,
        look::link(Place::Node, "cbr0")?,
    ];
    for link in links {
        ensure_eq!(link["mtu"], json!(mtu), "MTU of {}", link["ifname"]);
    }
    Ok(())
}

fn nodes_forward(scene: Scene) -> Outcome {
    scene.network()?.add(&Pod::create("a")?)?;
    for name in scene.family.pick("ipv4/ip_forward", "ipv6/conf/all/forwarding") {
        ensure_eq!(Place::Node.sysctl(name)?, "1", "{name}");
    }
    Ok(())
}

fn bridge_keeps_its_mac(scene: Scene) -> Outcome {
    let network = scene.settled()?;
    let mac = || Ok::<_, Failure>(look::link(Place::Node, "cbr0")?["address"].clone());
    let before = mac()?;
    let pods = (0..4).map(|number| Pod::create(&format!("pod{number}"))).collect::<Result<Vec<_>, _>>()?;
    for pod in &pods {
        network.add(pod)?;
        ensure_eq!(mac()?, before, "the bridge's MAC with {}", pod.container);
    }
    for pod in &pods {
        network.del(pod, None)?;
        ensure_eq!(mac()?, before, "the bridge's MAC without {}", pod.container);
    }
    Ok(())
}

fn second_add(scene: Scene) -> Outcome {
    let network = scene.network()?;
    let pod = Pod::create("a")?;
    let added = network.add(&pod)?;
    let (node, inside) = (Snapshot::take()?, Snapshot::take_in((&pod.netns).into(), &[])?);
    let error = reply::error(&network.call("ADD", Some(&pod), &[])?)?;
    ensure!(error.code >= 100, "code of {error:?}");
    node.ensure_unchanged("a second ADD")?;
    let after = Snapshot::take_in((&pod.netns).into(), &[])?;
    ensure_eq!(inside.differences(&after), Vec::<String>::new(), "changes in the pod by a second ADD");
    network.check(&pod, &added)
}

fn foreign_bridge_address(scene: Scene) -> Outcome {
    bridge_with("10.244.1.200/24")?;
    let pod = Pod::create("a")?;
    let error = reply::error(&scene.network()?.call("ADD", Some(&pod), &[])?)?;
    ensure!(error.code >= 100, "code of {error:?}");
    ensure!(error.names("cbr0"), "the bridge is not named in {error:?}");
    ensure_eq!(look::addresses(&look::link(Place::Node, "cbr0")?), ["10.244.1.200/24"], "addresses of cbr0");
    Ok(())
}

fn forced_bridge_address(scene: Scene) -> Outcome {
    bridge_with("10.244.1.200/24")?;
    scene.network()?.with("/forceAddress", true).add(&Pod::create("a")?)?;
    ensure_eq!(look::addresses(&look::link(Place::Node, "cbr0")?), ["10.244.1.1/24"], "addresses of cbr0");
    Ok(())
}

fn bridge_with(address: &str) -> Outcome {
    Place::Node.ip(&["link", "add", "cbr0", "type", "bridge"])?;
    Place::Node.ip(&["addr", "add", address, "dev", "cbr0"])?;
    Place::Node.ip(&["link", "set", "cbr0", "up"])?;
    Ok(())
}

fn resolv_conf(scene: Scene) -> Outcome {
    let file = "/run/resolv.conf";
    std::fs::write(
        file,
        "# of a test\nnameserver 192.0.2.53\nsearch a.example b.example\noptions ndots:5\n",
    )?;
    let added = scene.network()?.with("/ipam/resolvConf", file).add(&Pod::create("a")?)?;
    let wanted = json!({
        "nameservers": ["192.0.2.53"], "search": ["a.example", "b.example"], "options": ["ndots:5"],
    });
    ensure_eq!(added.0["dns"], wanted, "dns of the result");
    Ok(())
}
