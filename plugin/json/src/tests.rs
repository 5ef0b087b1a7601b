//! The decoder against Go's behaviour.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;
use proptest::prelude::*;
use serde_json::json;

use super::*;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Conf {
    name: String,
    mtu: u32,
    hairpin: Option<bool>,
    #[serde(rename = "isDefaultGateway")]
    default_gateway: bool,
    ipam: Ipam,
    runtime_config: RuntimeConfig,
    args: Value,
    labels: HashMap<String, Value>,
    kind: Kind,
    switch: Switch,
    id: Id,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Ipam {
    ranges: Vec<Vec<Range>>,
    gateway: Option<IpAddr>,
    data_dir: String,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Range {
    subnet: IpNet,
    #[serde(default)]
    range_start: Option<IpAddr>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RuntimeConfig {
    port_mappings: Vec<PortMapping>,
    bandwidth: Option<Bandwidth>,
    dns: Option<Dns>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PortMapping {
    host_port: u16,
    container_port: u16,
    protocol: String,
    #[serde(rename = "hostIP")]
    host_ip: String,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Bandwidth {
    ingress_rate: u64,
    ingress_burst: u64,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Dns {
    servers: Vec<String>,
    options: Vec<String>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    #[default]
    HairpinVeth,
    None,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Switch {
    Bool(bool),
    Mode(String),
}

impl Default for Switch {
    fn default() -> Self {
        Self::Bool(false)
    }
}

#[derive(Debug, Default, PartialEq, Deserialize)]
struct Id(u64);

fn full() -> Value {
    json!({
        "name": "net", "mtu": 1500, "hairpin": true, "isDefaultGateway": true,
        "ipam": {
            "ranges": [[{"subnet": "10.0.0.0/24", "rangeStart": "10.0.0.9"}], [{"subnet": "2001:db8::5/64"}]],
            "gateway": "10.0.0.1", "dataDir": "/d"
        },
        "runtimeConfig": {
            "portMappings": [{"hostPort": 1, "containerPort": 2, "protocol": "tcp", "hostIP": "10.9.9.9"}],
            "bandwidth": {"ingressRate": 5, "ingressBurst": 4_294_967_295_u32},
            "dns": {"servers": ["10.0.0.53"]}
        },
        "args": {"CNI": null, "cni": {"IPS": []}}, "labels": {"Name": 1, "name": null},
        "kind": "none", "switch": "auto", "id": 7
    })
}

#[test]
fn every_kind_of_field_is_read() {
    let conf: Conf = decode(&full()).unwrap();
    assert_eq!(conf.ipam.ranges[1][0].subnet.to_string(), "2001:db8::5/64", "host bits stay");
    assert_eq!(conf.runtime_config.bandwidth.unwrap().ingress_burst, 4_294_967_295);
    assert_eq!(conf.kind, Kind::None);
    assert_eq!(conf.switch, Switch::Mode("auto".to_owned()));
    assert_eq!(conf.id, Id(7));
    assert_eq!(conf.args, json!({"CNI": null, "cni": {"IPS": []}}), "data stays as it is");
    assert_eq!(conf.labels, HashMap::from([("Name".to_owned(), json!(1)), ("name".to_owned(), json!(null))]));
}

#[test]
fn containerd_sends_gos_own_names_and_null_for_empty_lists() {
    let runtime_config: RuntimeConfig = decode(&json!({
        "portMappings": [{"HostPort": 18081, "ContainerPort": 8080, "Protocol": "tcp", "HostIP": ""}],
        "bandwidth": {"IngressRate": 10_000_000, "IngressBurst": 4_294_967_295_u32, "EgressRate": 1, "EgressBurst": 2},
        "dns": {"Servers": ["10.255.255.53"], "Searches": ["a.b"], "Options": null},
        "io.kubernetes.cri.pod-annotations": {"kubernetes.io/ingress-bandwidth": "10M"}
    }))
    .unwrap();
    let mapping = PortMapping {
        host_port: 18081,
        container_port: 8080,
        protocol: "tcp".to_owned(),
        host_ip: String::new(),
    };
    assert_eq!(runtime_config.port_mappings, [mapping]);
    assert_eq!(
        runtime_config.bandwidth,
        Some(Bandwidth { ingress_rate: 10_000_000, ingress_burst: 4_294_967_295 })
    );
    assert_eq!(
        runtime_config.dns.unwrap(),
        Dns { servers: vec!["10.255.255.53".to_owned()], options: vec![] }
    );
}

#[test]
fn null_is_absent_and_absent_members_have_their_defaults() {
    let nulls =
        json!({"name": null, "mtu": null, "hairpin": null, "ipam": null, "labels": null, "kind": null});
    assert_eq!(decode::<Conf>(&nulls).unwrap(), Conf::default());
    assert_eq!(decode::<Conf>(&json!({})).unwrap(), Conf::default());
}

#[test]
fn the_exact_name_wins_else_the_last_key() {
    let mtu = |value: Value| decode::<Conf>(&value).unwrap().mtu;
    assert_eq!(mtu(json!({"MTU": 1, "mtu": 2, "Mtu": 3})), 2);
    assert_eq!(mtu(json!({"MTU": 1, "Mtu": 3})), 3);
    let object = json!({"MTU": 1, "Mtu": 3, "name": null});
    assert_eq!(member(&object, "mtu"), Some(&json!(3)));
    assert_eq!(member(&object, "NAME"), Some(&Value::Null));
    assert_eq!(member(&object, "nam"), None);
    assert_eq!(member(&json!([]), "name"), None);
}

#[test]
fn errors_name_the_member_and_what_it_holds() {
    let error = |value: Value| decode::<Conf>(&value).unwrap_err().to_string();
    assert_eq!(
        error(json!({"ipam": {"Ranges": [[{"subnet": "10.0.0/8"}]]}})),
        "ipam.Ranges[0][0].subnet: \"10.0.0/8\": invalid IP address syntax"
    );
    assert_eq!(error(json!({"ipam": {"ranges": [[], [{}]]}})), "ipam.ranges[1][0]: missing field `subnet`");
    assert_eq!(error(json!({"mtu": "1500"})), "mtu: invalid type: string \"1500\", expected u32");
    assert!(error(json!({"mtu": -1})).starts_with("mtu: invalid value: integer `-1`"));
    assert!(error(json!({"mtu": 1.5})).starts_with("mtu: invalid type: floating point `1.5`"));
    assert_eq!(error(json!({"ipam": []})), "ipam: invalid type: sequence, expected an object");
    assert_eq!(
        error(json!({"ipam": {"ranges": [[null]]}})),
        "ipam.ranges[0][0]: invalid type: unit value, expected an object"
    );
    assert!(error(json!({"kind": "nnoe"})).starts_with("kind: unknown variant `nnoe`"));
    assert_eq!(error(json!([])), "invalid type: sequence, expected an object");
    let long = "x".repeat(1000);
    assert!(error(json!({"ipam": {"gateway": long}})).len() < 100, "long texts are not repeated");
    assert_eq!(DecodeError::new("[0].x", "bad").within("a").to_string(), "a[0].x: bad");
    assert_eq!(DecodeError::new("", "bad").within("a").to_string(), "a: bad");
}

#[test]
fn inspection_finds_every_error_at_its_place() {
    let conf = json!({
        "mtu": "x", "name": "net",
        "ipam": {"ranges": [[{"subnet": 1}, {"rangeStart": "10.0.0.1"}], [{"subnet": "10.0.0.0/24", "rangeStart": ""}]]},
        "runtimeConfig": {"portMappings": [{"hostPort": 70000}, {"HostPort": 80}]}
    });
    let Inspection { decoded, errors, .. } = inspect::<Conf>(&conf);
    let mut paths: Vec<&str> = errors.iter().map(DecodeError::path).collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        [
            "ipam.ranges[0][0].subnet",
            "ipam.ranges[0][1]",
            "ipam.ranges[1][0].rangeStart",
            "mtu",
            "runtimeConfig.portMappings[0].hostPort"
        ]
    );
    assert_eq!(decoded.unwrap().name, "net");
    let root = inspect::<Range>(&json!({}));
    assert_eq!((root.decoded, root.errors.len()), (None, 1));
    let many = json!({"ipam": {"ranges": vec![0; 1000]}});
    assert_eq!(inspect::<Conf>(&many).errors.len(), MAX_ERRORS);
}

#[test]
fn inspection_lists_what_nobody_reads() {
    let conf = json!({
        "Name": "net", "mut": 1500, "zzz": 1, "cni.dev/x": 1,
        "ipam": {"ranges": [[{"subnet": "10.0.0.0/24", "rangestrat": "x"}]]},
        "args": {"anything": 1}, "labels": {"anything": 1}
    });
    let Inspection { errors, unknown, .. } = inspect::<Conf>(&conf);
    assert_eq!(errors, []);
    let texts: Vec<String> = unknown.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "[\"cni.dev/x\"]: unknown member",
            "ipam.ranges[0][0].rangestrat: unknown member, did you mean rangeStart?",
            "mut: unknown member, did you mean mtu?",
            "zzz: unknown member",
        ]
    );
    let exact = inspect_exact::<Ipam>(&json!({"Gateway": "10.0.0.1"}));
    assert_eq!((exact.decoded, exact.unknown.len()), (Some(Ipam::default()), 1));
}

/// The document with the letter case of its members' names changed where `flips` says so; the maps
/// of data in it are left alone.
fn recased(value: Value, flips: &mut impl Iterator<Item = bool>) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .map(|(key, value)| match key.as_str() {
                "args" | "labels" => (key, value),
                _ => {
                    let flip = |c: char| match flips.next() {
                        Some(true) if c.is_ascii_lowercase() => c.to_ascii_uppercase(),
                        Some(true) => c.to_ascii_lowercase(),
                        _ => c,
                    };
                    (key.chars().map(flip).collect(), recased(value, flips))
                }
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(elements) => elements.into_iter().map(|element| recased(element, flips)).collect(),
        scalar => scalar,
    }
}

proptest! {
    #[test]
    fn any_letter_case_of_names_reads_the_same(flips in proptest::collection::vec(any::<bool>(), 400)) {
        let changed = recased(full(), &mut flips.into_iter());
        prop_assert_eq!(decode::<Conf>(&changed).unwrap(), decode::<Conf>(&full()).unwrap());
        prop_assert!(inspect::<Conf>(&changed).unknown.is_empty());
    }
}
