use podnet_cni::json::decode;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn check(entries: &Value) -> Result<PortMappings, ConfigError> {
    PortMappings::check(&decode::<Vec<Entry>>(entries).unwrap(), true)
}

fn lease(address: &str) -> Lease {
    Lease { address: address.parse().unwrap(), gateway: Some("10.244.1.1".parse().unwrap()) }
}

fn dual() -> [Lease; 2] {
    [lease("10.244.1.5/24"), lease("fd00:1::5/64")]
}

/// Protocol, address of the node, port, pod's address, pod's port.
fn planned(entries: &Value, leases: &[Lease]) -> Vec<String> {
    let host_ports = check(entries).unwrap().plan(leases);
    let text = |port: &HostPort| {
        let host_ip = port.host_ip.map_or("any".to_owned(), |ip| ip.to_string());
        format!("{} {host_ip} {} -> {} {}", port.transport, port.port, port.pod, port.pod_port)
    };
    host_ports.ports.iter().map(text).collect()
}

#[test]
fn both_runtimes_spellings_mean_the_same() {
    let containerd = json!([{"HostPort": 18081, "ContainerPort": 8080, "Protocol": "TCP", "HostIP": ""}]);
    let podman = json!([{"hostPort": 18081, "containerPort": 8080, "protocol": "tcp"}]);
    assert_eq!(check(&containerd).unwrap(), check(&podman).unwrap());
    let wanted = ["tcp any 18081 -> 10.244.1.5/24 8080", "tcp any 18081 -> fd00:1::5/64 8080"];
    assert_eq!(planned(&containerd, &dual()), wanted);
}

#[test]
fn an_address_of_the_node_limits_a_port_to_its_family() {
    let port =
        |host_ip: &str| json!([{"hostPort": 1, "containerPort": 2, "protocol": "sctp", "hostIP": host_ip}]);
    assert_eq!(planned(&port("192.0.2.1"), &dual()), ["sctp 192.0.2.1 1 -> 10.244.1.5/24 2"]);
    assert_eq!(planned(&port("2001:db8::1"), &dual()), ["sctp 2001:db8::1 1 -> fd00:1::5/64 2"]);
    assert_eq!(planned(&port("0.0.0.0"), &dual()), ["sctp any 1 -> 10.244.1.5/24 2"]);
    assert_eq!(planned(&port("::"), &dual()), ["sctp any 1 -> fd00:1::5/64 2"]);
    assert_eq!(planned(&port("::ffff:192.0.2.1"), &dual()), ["sctp 192.0.2.1 1 -> 10.244.1.5/24 2"]);
    assert_eq!(planned(&port("2001:db8::1"), &dual()[..1]), [""; 0], "no address of the family");
}

#[test]
fn only_the_first_address_of_a_family_is_led_to() {
    let leases = [lease("10.244.1.5/24"), lease("10.244.2.5/24")];
    let entries = json!([{"hostPort": 1, "containerPort": 2}]);
    assert_eq!(planned(&entries, &leases), ["tcp any 1 -> 10.244.1.5/24 2"]);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let good = json!({"hostPort": 80, "containerPort": 80});
    for (member, value, words) in [
        ("hostPort", json!(0), "hostPort: 0 is not valid: ports are 1 to 65535"),
        ("hostPort", json!(65536), "hostPort: 65536 is not valid"),
        ("containerPort", json!(-1), "containerPort: -1 is not valid"),
        ("protocol", json!("icmp"), "protocol: \"icmp\" is not valid"),
        ("hostIP", json!("10.0.0.256"), "hostIP: \"10.0.0.256\" is not valid"),
        ("hostPort", json!(80), "hostPort: 80 is not valid: runtimeConfig.portMappings[0] has it already"),
    ] {
        let mut bad = good.clone();
        bad["hostPort"] = json!(81);
        bad[member] = value;
        let error = check(&json!([good, bad])).unwrap_err().to_string();
        assert!(error.starts_with(&format!("runtimeConfig.portMappings[1].{words}")), "{error}");
    }
}

#[test]
fn a_port_is_taken_once_a_protocol_family_and_address() {
    let port = |protocol: &str, host_ip: &str| json!({"hostPort": 80, "containerPort": 80, "protocol": protocol, "hostIP": host_ip});
    for (other, is_free) in [
        (port("tcp", ""), false),
        (port("TCP", "0.0.0.0"), false),
        (port("tcp", "::"), false),
        (port("udp", ""), true),
        (port("tcp", "192.0.2.1"), true),
    ] {
        assert_eq!(check(&json!([port("tcp", ""), other])).is_ok(), is_free, "{other}");
    }
    check(&json!([port("tcp", "0.0.0.0"), port("tcp", "::")])).unwrap();
}

proptest! {
    #[test]
    fn a_record_gives_back_what_was_put_in(
        ports in prop::collection::btree_map(1_u16.., (1_u16.., any::<Option<IpAddr>>(), 0..3_usize), 0..9),
        snat: bool,
    ) {
        let entries: Vec<_> = ports.iter().map(|(host, (pod, ip, protocol))| Entry {
            host_port: (*host).into(),
            container_port: (*pod).into(),
            protocol: ["", "Udp", "sctp"][*protocol].to_owned(),
            host_ip: ip.map(|ip| ip.to_string()).unwrap_or_default(),
        }).collect();
        let mappings = PortMappings::check(&entries, snat).unwrap();
        let text = serde_json::to_string(&mappings).unwrap();
        prop_assert_eq!(serde_json::from_str::<PortMappings>(&text).unwrap(), mappings);
    }
}
