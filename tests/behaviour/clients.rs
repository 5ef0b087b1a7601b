//! What real clients were seen to send: containerd through CRI, podman, cnitool.

use serde_json::{Value, json};

use crate::request::{assert_passed, assert_refused, call, config_with};

/// libcni's view of a pod of Kubernetes; containerd gives the pairs in another order each time.
const KUBERNETES_ARGS: &str = "K8S_POD_NAME=spy;K8S_POD_INFRA_CONTAINER_ID=6f1ae1c4d2c54f1d;\
    K8S_POD_UID=043f8655-94c2-4bb6-8f0b-3e7b6c2d1f00;IgnoreUnknown=1;K8S_POD_NAMESPACE=default";

fn with_runtime_config(runtime_config: Value) -> Value {
    config_with("runtimeConfig", runtime_config)
}

#[test]
fn containerd_sends_members_as_go_names_them() {
    let runtime_config = json!({
        "portMappings": null,
        "bandwidth": null,
        "dns": {"Servers": ["10.255.255.53", "1.2.3.4"], "Searches": ["a.b"], "Options": null},
        "ipRanges": [[{"Subnet": "10.245.0.0/24", "RangeStart": "", "RangeEnd": "", "Gateway": ""}]],
        "io.kubernetes.cri.pod-annotations": {"kubernetes.io/config.source": "api"},
    });
    let config = with_runtime_config(runtime_config);
    assert_passed(&call("ADD").config(&config).var("CNI_ARGS", KUBERNETES_ARGS).reply().unwrap());
}

#[test]
fn ranges_in_gos_names_are_seen() {
    let config =
        with_runtime_config(json!({"ipRanges": [[{"Subnet": "10.245.0.0/24", "Gateway": "10.9.9.9"}]]}));
    let reply = call("ADD").config(&config).reply().unwrap();
    assert_refused(&reply, 7, &["runtimeConfig.ipRanges[0][0].gateway", "10.9.9.9"]);
}

#[test]
fn host_ports_are_read_in_every_runtimes_spelling() {
    for mapping in [
        json!({"HostPort": 0, "ContainerPort": 8080, "Protocol": "tcp", "HostIP": ""}),
        json!({"hostPort": 0, "containerPort": 80, "protocol": "tcp"}),
    ] {
        for member in ["portMappings", "PortMappings", "portmappings"] {
            let config = with_runtime_config(json!({member: [mapping.clone()]}));
            let reply = call("ADD").config(&config).reply().unwrap();
            assert_refused(&reply, 7, &["runtimeConfig.portMappings[0].hostPort", "1 to 65535"]);
        }
    }
}

#[test]
fn limits_are_read_in_every_runtimes_spelling() {
    for rate in ["IngressRate", "ingressRate"] {
        for member in ["bandwidth", "Bandwidth", "bandWidth"] {
            let limits =
                |burst: &str| with_runtime_config(json!({member: {rate: 10_000_000, burst: u32::MAX}}));
            assert_passed(&call("ADD").config(&limits("ingressBurst")).reply().unwrap());
            let reply = call("ADD").config(&limits("egressBurst")).reply().unwrap();
            assert_refused(&reply, 7, &["runtimeConfig.bandwidth.ingressRate: 10000000"]);
        }
    }
}

#[test]
fn annotations_about_bandwidth_have_to_be_good() {
    let call_with = |value: &str| {
        let annotations =
            json!({"kubernetes.io/ingress-bandwidth": value, "kubernetes.io/config.source": "api"});
        let config = with_runtime_config(json!({"io.kubernetes.cri.pod-annotations": annotations}));
        call("ADD").config(&config).reply().unwrap()
    };
    assert_passed(&call_with("10M"));
    for value in ["", "10MB", "999", "1e16"] {
        let quoted = format!("{value:?}");
        assert_refused(&call_with(value), 7, &["kubernetes.io/ingress-bandwidth", &quoted]);
    }
}

#[test]
fn unknown_arguments_never_fail() {
    for args in [
        KUBERNETES_ARGS,
        "K8S_POD_NAME=x",
        "K8S_POD_NAME=;K8S_POD_NAMESPACE=",
        "FOO=BAR",
        "FOO",
        "FOO=a=b",
        "=",
        ";;;",
        "FOO=BAR;",
        "ip=not-an-address",
        "IP=;MAC=",
    ] {
        assert_passed(&call("ADD").var("CNI_ARGS", args).reply().unwrap());
    }
}

#[test]
fn podman_gives_address_and_mac_by_arguments() {
    let args = "IgnoreUnknown=1;K8S_POD_NAME=z;MAC=02:11:22:33:44:55;IP=10.244.1.9";
    let mut config = with_runtime_config(json!({"aliases": {"r6net": ["1a574f16c290"]}}));
    config["cniVersion"] = "0.4.0".into();
    assert_passed(&call("ADD").config(&config).var("CNI_ARGS", args).reply().unwrap());
}

#[test]
fn arguments_that_are_known_have_to_be_good() {
    for (args, key, value) in [
        ("IP=10.244.1", "IP", "10.244.1"),
        ("IgnoreUnknown=1;IP=10.244.1.9/33", "IP", "10.244.1.9/33"),
        ("IP=10.244.1.9,", "IP", "10.244.1.9,"),
        ("IP", "IP", ""),
        ("MAC=02:11:22:33:44", "MAC", "02:11:22:33:44"),
        ("MAC=ff:ff:ff:ff:ff:ff", "MAC", "ff:ff:ff:ff:ff:ff"),
        ("MAC=01:00:5e:00:00:01;IP=10.244.1.9", "MAC", "01:00:5e:00:00:01"),
        ("MAC=00:00:00:00:00:00", "MAC", "00:00:00:00:00:00"),
    ] {
        for command in ["ADD", "CHECK"] {
            let reply = call(command).var("CNI_ARGS", args).reply().unwrap();
            assert_refused(&reply, 4, &[&format!("invalid {key} in CNI_ARGS: {value:?}")]);
        }
    }
}

#[test]
fn libcni_leaves_capabilities_in_and_sends_both_names_of_the_gc_list() {
    let mut config = config_with("capabilities", json!({"portMappings": true, "bandwidth": true}));
    assert_passed(&call("ADD").config(&config).reply().unwrap());
    config["cni.dev/valid-attachments"] = json!([{"containerID": "../c1", "ifname": "eth0"}]);
    config["cni.dev/attachments"] = config["cni.dev/valid-attachments"].clone();
    let reply = call("GC").config(&config).reply().unwrap();
    assert_refused(&reply, 7, &["cni.dev/valid-attachments", "[0].containerID", "../c1"]);
}

#[test]
fn a_list_that_gc_cannot_rely_on_removes_nothing() {
    for (list, names) in [
        (json!("c1"), "cni.dev/valid-attachments"),
        (json!({"containerID": "c1", "ifname": "eth0"}), "cni.dev/valid-attachments"),
        (json!(["c1"]), "[0]"),
        (json!([{"containerID": "c1"}]), "ifname"),
        (json!([{"ifname": "eth0"}]), "containerID"),
        (json!([{"containerID": "c1", "ifname": "a/b"}]), "[0].ifname"),
        (json!([{"containerID": 1, "ifname": "eth0"}]), "[0].containerID"),
    ] {
        let mut config = crate::request::config();
        config["cni.dev/valid-attachments"] = list;
        assert_refused(&call("GC").config(&config).reply().unwrap(), 7, &[names]);
    }
}

#[test]
fn a_previous_result_of_any_version_is_read() {
    let results = [
        json!({"cniVersion": "0.2.0", "ip4": {"ip": "10.0.0.2/24"}, "dns": {}}),
        json!({"cniVersion": "0.4.0", "ips": [{"version": "4", "interface": -1, "address": "10.0.0.2/24"}]}),
        json!({"cniVersion": "1.1.0", "interfaces": [{"name": "eth0", "sandbox": "/x"}], "ips": [{"interface": 9, "address": "10.0.0.2/24", "gateway": ""}]}),
        json!({}),
        json!(null),
    ];
    for result in results {
        assert_passed(&call("ADD").config(&config_with("prevResult", result)).reply().unwrap());
    }
}
