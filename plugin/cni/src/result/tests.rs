//! Results of every version as documents.

use serde_json::json;

use super::*;
use crate::error::ErrorObject;
use crate::version::Version;

pub(super) const OLD: [Version; 2] = [Version::V0_1_0, Version::V0_2_0];
pub(super) const MIDDLE: [Version; 3] = [Version::V0_3_0, Version::V0_3_1, Version::V0_4_0];
pub(super) const NEW: [Version; 2] = [Version::V1_0_0, Version::V1_1_0];

/// A pod on a bridge, dual stack, as the reference bridge reports it.
fn dual_stack() -> AddResult {
    let interface = |name: &str, mac: &str, sandbox: Option<&str>| Interface {
        name: name.to_owned(),
        mac: Some(mac.to_owned()),
        sandbox: sandbox.map(ToOwned::to_owned),
        ..Interface::default()
    };
    let ip = |address: &str, gateway: &str| IpConfig {
        address: address.parse().unwrap(),
        gateway: Some(gateway.parse().unwrap()),
        interface: Some(2),
    };
    let route = Route::new("192.0.2.0/24".parse().unwrap(), Some("10.1.0.254".parse().unwrap()));
    AddResult {
        interfaces: vec![
            Interface { mtu: Some(1400), ..interface("cbr0", "02:00:00:00:00:01", None) },
            interface("veth1", "02:00:00:00:00:02", None),
            interface("eth0", "02:00:00:00:00:03", Some("/run/netns/pod")),
        ],
        ips: vec![ip("10.1.0.2/16", "10.1.0.1"), ip("2001:db8::2/64", "2001:db8::1")],
        routes: vec![
            Route::new("0.0.0.0/0".parse().unwrap(), None),
            Route { mtu: Some(1400), priority: Some(7), table: Some(0), ..route },
            Route::new("::/0".parse().unwrap(), None),
        ],
        dns: Dns::default(),
        extra: Map::new(),
    }
}

pub(super) fn print(result: &AddResult, version: Version) -> Value {
    serde_json::from_str(&result.to_json(version).unwrap()).unwrap()
}

#[test]
fn before_0_3_0_each_family_has_one_address() {
    for version in OLD {
        let expected = format!(
            r#"{{
    "cniVersion": "{version}",
    "ip4": {{
        "ip": "10.1.0.2/16",
        "gateway": "10.1.0.1",
        "routes": [
            {{
                "dst": "0.0.0.0/0"
            }},
            {{
                "dst": "192.0.2.0/24",
                "gw": "10.1.0.254"
            }}
        ]
    }},
    "ip6": {{
        "ip": "2001:db8::2/64",
        "gateway": "2001:db8::1",
        "routes": [
            {{
                "dst": "::/0"
            }}
        ]
    }},
    "dns": {{}}
}}"#
        );
        assert_eq!(dual_stack().to_json(version).unwrap(), expected);
    }
}

#[test]
fn from_0_3_0_on_addresses_name_their_family_and_interface() {
    let mut result = dual_stack();
    result.interfaces.drain(..2);
    result.ips.truncate(1);
    result.ips[0].interface = Some(0);
    result.routes.truncate(2);
    for version in MIDDLE {
        let expected = format!(
            r#"{{
    "cniVersion": "{version}",
    "interfaces": [
        {{
            "name": "eth0",
            "mac": "02:00:00:00:00:03",
            "sandbox": "/run/netns/pod"
        }}
    ],
    "ips": [
        {{
            "version": "4",
            "interface": 0,
            "address": "10.1.0.2/16",
            "gateway": "10.1.0.1"
        }}
    ],
    "routes": [
        {{
            "dst": "0.0.0.0/0"
        }},
        {{
            "dst": "192.0.2.0/24",
            "gw": "10.1.0.254",
            "mtu": 1400,
            "priority": 7,
            "table": 0
        }}
    ],
    "dns": {{}}
}}"#
        );
        assert_eq!(result.to_json(version).unwrap(), expected);
    }
}

#[test]
fn from_1_0_0_on_members_are_sorted_and_an_empty_dns_is_omitted() {
    let mut result = dual_stack();
    result.interfaces.drain(1..);
    result.ips.truncate(1);
    result.ips[0].interface = Some(0);
    result.routes.truncate(1);
    for version in NEW {
        let expected = format!(
            r#"{{
    "cniVersion": "{version}",
    "interfaces": [
        {{
            "mac": "02:00:00:00:00:01",
            "mtu": 1400,
            "name": "cbr0"
        }}
    ],
    "ips": [
        {{
            "address": "10.1.0.2/16",
            "gateway": "10.1.0.1",
            "interface": 0
        }}
    ],
    "routes": [
        {{
            "dst": "0.0.0.0/0"
        }}
    ]
}}"#
        );
        assert_eq!(result.to_json(version).unwrap(), expected);
    }
}

#[test]
fn an_empty_result_can_be_printed_from_0_3_0_on() {
    let empty = AddResult::default();
    for version in OLD {
        let error = empty.to_json(version).unwrap_err();
        assert_eq!(error.to_string(), "cannot convert: no valid IP addresses");
        assert_eq!(ErrorObject::from(error).code, 7);
    }
    for version in MIDDLE {
        assert_eq!(print(&empty, version), json!({"cniVersion": version.as_str(), "dns": {}}));
    }
    for version in NEW {
        assert_eq!(print(&empty, version), json!({"cniVersion": version.as_str()}));
    }
}

#[test]
fn ipv4_mapped_into_ipv6_counts_as_ipv4() {
    let ips =
        vec![IpConfig { address: "::ffff:10.0.0.1/120".parse().unwrap(), gateway: None, interface: None }];
    let result = AddResult { ips, ..AddResult::default() };
    assert_eq!(print(&result, Version::V0_4_0)["ips"][0]["version"], "4");
    assert_eq!(print(&result, Version::V0_2_0)["ip4"]["ip"], "::ffff:10.0.0.1/120");
}

#[test]
fn indices_that_no_interface_has_are_neither_read_nor_printed() {
    let parsed = AddResult::parse(&json!({
        "cniVersion": "1.0.0", "interfaces": [{"name": "eth0"}],
        "ips": [
            {"address": "10.0.0.1/8", "interface": -1}, {"address": "10.0.0.2/8", "interface": 1},
            {"address": "10.0.0.3/8", "interface": null}, {"address": "10.0.0.4/8", "interface": 0}
        ]
    }))
    .unwrap();
    let indices = |result: &AddResult| result.ips.iter().map(|ip| ip.interface).collect::<Vec<_>>();
    assert_eq!(indices(&parsed), [None, None, None, Some(0)]);
    let printed = print(&AddResult { interfaces: Vec::new(), ..parsed }, Version::V1_1_0);
    assert_eq!(printed["ips"][3], json!({"address": "10.0.0.4/8"}));
}

#[test]
fn results_are_read_leniently() {
    assert_eq!(AddResult::parse(&Value::Null), Ok(AddResult::default()));
    let parsed = AddResult::parse(&json!({
        "cniversion": "", "Interfaces": null, "dns": null,
        "ips": [{"Version": "4", "Address": "10.0.0.5/8", "gateway": ""}],
        "interfaces": [{"name": "a", "mac": "", "mtu": 0, "sandbox": ""}, {}],
        "routes": [{"dst": "10.0.0.0/8", "gw": "", "mtu": 0, "priority": 0, "scope": 0, "table": 0}]
    }))
    .unwrap();
    assert_eq!(parsed.interfaces[0], Interface { name: "a".to_owned(), ..Interface::default() });
    assert_eq!(parsed.ips[0].gateway, None);
    let route = Route::new("10.0.0.0/8".parse().unwrap(), None);
    assert_eq!(parsed.routes, [Route { scope: Some(0), table: Some(0), ..route }]);
    assert_eq!(parsed.extra, Map::new());
}

#[test]
fn a_result_that_cannot_be_understood_is_refused() {
    for (result, text) in [
        (json!({"cniVersion": "9.9.9"}), "cniVersion: \"9.9.9\" is no supported version"),
        (json!({"ips": [{"address": "1.2.3.4"}]}), "ips[0].address: \"1.2.3.4\": "),
        (json!({"ips": [{"address": "1.2.3.4/8", "gateway": "x"}]}), "ips[0].gateway: \"x\": "),
        (json!({"ips": [{}]}), "ips[0]: missing field `address`"),
        (json!({"ip4": {"ip": "::/129"}}), "ip4.ip: "),
        (json!({"interfaces": [{"name": "a", "mtu": "5"}]}), "interfaces[0].mtu: "),
        (json!([]), "invalid type"),
    ] {
        let error = ErrorObject::from(AddResult::parse(&result).unwrap_err());
        assert_eq!(error.code, 6);
        assert!(error.msg.starts_with(&format!("cannot decode result: {text}")), "{}", error.msg);
    }
}

#[test]
fn other_members_are_printed_back() {
    let document =
        json!({"cniVersion": "1.1.0", "vendor": {"B": 1, "a": null}, "ips": [{"address": "10.0.0.1/8"}]});
    let result = AddResult::parse(&document).unwrap();
    for version in NEW {
        assert_eq!(print(&result, version)["vendor"], document["vendor"]);
    }
    for version in MIDDLE {
        assert_eq!(print(&result, version)["vendor"], document["vendor"]);
    }
    for version in OLD {
        assert!(print(&result, version).get("vendor").is_none());
    }
}

#[test]
fn a_chained_plugin_adds_behind_what_was_there() {
    let dns = |domain: &str| Dns { domain: Some(domain.to_owned()), ..Dns::default() };
    let mut result = AddResult { dns: dns("theirs"), ..dual_stack() };
    result.ips[0].interface = Some(3);
    result.extend(AddResult { dns: Dns::default(), ..dual_stack() });
    assert_eq!((result.interfaces.len(), result.ips.len(), result.routes.len()), (6, 4, 6));
    let indices: Vec<_> = result.ips.iter().map(|ip| ip.interface).collect();
    assert_eq!(
        indices,
        [None, Some(2), Some(5), Some(5)],
        "a dangling index must not come to mean one of ours"
    );
    assert_eq!(result.dns, dns("theirs"));
    let ours = IpConfig { interface: Some(0), ..dual_stack().ips[0].clone() };
    result.extend(AddResult { dns: dns("ours"), ips: vec![ours], ..AddResult::default() });
    assert_eq!(result.dns, dns("ours"));
    assert_eq!(result.ips.last().unwrap().interface, None);
}
