//! Whatever comes, the answer keeps its form: exit code 0 or 1, one JSON document on standard output or nothing, and
//! with exit code 1 an error object that says something.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use podnet_tests::{Reply, Run};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::request::{SANDBOX, config_with, podnet};

const COMMANDS: &[&str] = &["ADD", "CHECK", "DEL", "GC", "STATUS", "VERSION", "add", "", "PING"];

/// The members that are spoilt; not `logFile`, which makes a file before anything else is looked at.
const MEMBERS: &[&str] = &[
    "cniVersion",
    "name",
    "type",
    "mode",
    "bridge",
    "mtu",
    "hairpinMode",
    "isGateway",
    "ipMasq",
    "ipam",
    "ipam.type",
    "ipam.ranges",
    "ipam.routes",
    "ipam.subnet",
    "dns",
    "args",
    "args.cni.ips",
    "runtimeConfig",
    "runtimeConfig.ips",
    "runtimeConfig.mac",
    "runtimeConfig.portMappings",
    "prevResult",
    "prevResult.ips",
    "prevResult.interfaces",
    "cni.dev/valid-attachments",
    "logLevel",
];

/// A value of a variable: often good, often nearly, sometimes any bytes that a variable can have.
fn value_of(good: &'static [&'static str]) -> impl Strategy<Value = OsString> {
    let bytes = vec(1..=u8::MAX, 0..24).prop_map(OsString::from_vec);
    prop_oneof![6 => select(good).prop_map(OsString::from), 1 => bytes]
}

fn variables() -> impl Strategy<Value = Vec<(&'static str, OsString)>> {
    let variable = |name: &'static str, good: &'static [&'static str]| {
        proptest::option::weighted(0.9, value_of(good))
            .prop_map(move |value| value.map(|value| (name, value)))
    };
    // The sandbox, and nothing that exists: a good request too ends there.
    let sandbox = proptest::option::weighted(0.9, select(&[SANDBOX, "", "\u{1}", "nonexistent"][..]));
    (
        variable("CNI_COMMAND", COMMANDS),
        variable("CNI_CONTAINERID", &["c1", "0123456789abcdef", "a b", "..", ""]),
        sandbox.prop_map(|path| path.map(|path| ("CNI_NETNS", OsString::from(path)))),
        variable("CNI_IFNAME", &["pod0", "0123456789abcdef", ".", "a:b", "eth%d"]),
        variable("CNI_ARGS", &["", "K8S_POD_NAME=x", "IP=x", "IP=10.244.1.9;MAC=02:00:00:00:00:01", ";=;"]),
        variable("CNI_PATH", &["/nonexistent", ":", ""]),
        variable("CNI_NETNS_OVERRIDE", &["1", "true", "0"]),
    )
        .prop_map(|(a, b, c, d, e, f, g)| [a, b, c, d, e, f, g].into_iter().flatten().collect())
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        select(&["10.244.1.0/24", "fd00::/64", "10.244.1.9", "host-local", "1.1.0", "02:00:00:00:00:01"][..])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let names =
            select(&["subnet", "Gateway", "address", "dst", "interface", "containerID", "HostPort", ""][..]);
        let members = vec((names, inner.clone()), 0..4);
        prop_oneof![
            vec(inner, 0..4).prop_map(Value::from),
            members.prop_map(|members| members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

fn stdin() -> impl Strategy<Value = Vec<u8>> {
    let spoilt = || (select(MEMBERS), json()).prop_map(|(path, value)| config_with(path, value).to_string());
    let cut = (spoilt(), any::<prop::sample::Index>())
        .prop_map(|(text, at)| text.as_bytes()[..at.index(text.len())].to_vec());
    prop_oneof![
        6 => spoilt().prop_map(String::into_bytes),
        2 => cut,
        2 => json().prop_map(|value| value.to_string().into_bytes()),
        1 => vec(any::<u8>(), 0..64),
    ]
}

fn keeps_its_form(reply: &Reply) -> bool {
    match reply.code {
        Some(0) => reply.stdout.is_empty() || reply.document().is_ok(),
        _ => reply.error().is_ok(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_answer_keeps_its_form(variables in variables(), stdin in stdin()) {
        let run = variables.iter().fold(Run::of(podnet()), |run, (name, value)| run.var(name, value));
        let reply = run.stdin(stdin).reply().unwrap();
        prop_assert!(keeps_its_form(&reply), "{reply}");
    }
}

#[test]
fn a_reply_without_form_is_noticed() {
    let reply = |command: &str, config: Value| crate::request::call(command).config(&config).reply().unwrap();
    let mut good = reply("ADD", json!({}));
    assert!(keeps_its_form(&good));
    good.stdout.push_str("{}");
    assert!(!keeps_its_form(&good));
    good.stdout = r#"{"code": 7, "msg": ""}"#.to_owned();
    assert!(!keeps_its_form(&good));
}
