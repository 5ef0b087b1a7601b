//! No input, however wrong, ends in anything but an answer.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::{
    AddResult, Environment, ErrorObject, NetworkList, Request, RequestError, ValidAttachments, code,
};

const VARIABLES: [&str; 6] =
    ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH", "CNI_NETNS_OVERRIDE"];

/// Names that mean something to one reader or another, so that they get past the first member.
const MEMBERS: [&str; 20] = [
    "name",
    "cniVersion",
    "cniVersions",
    "type",
    "plugins",
    "prevResult",
    "interfaces",
    "ips",
    "routes",
    "dns",
    "ip4",
    "ip6",
    "ip",
    "address",
    "gateway",
    "dst",
    "interface",
    "containerID",
    "ifname",
    "cni.dev/valid-attachments",
];

const TEXTS: [&str; 9] = ["", "net", "1.1.0", "0.4.0", "adsf", "10.0.0.1/24", "::1", "eth0", "../x"];

fn call(command: &str, stdin: Vec<u8>) -> Result<Request, RequestError> {
    let environment = Environment::from_lookup(|name| match name {
        "CNI_COMMAND" => Some(command.into()),
        "CNI_ARGS" | "CNI_NETNS_OVERRIDE" => None,
        _ => Some("c1".into()),
    });
    Request::parse(&environment, || Ok(stdin))
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(&TEXTS[..]).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let member =
        || prop_oneof![9 => prop::sample::select(&MEMBERS[..]).prop_map(str::to_owned), 1 => any::<String>()];
    leaf.prop_recursive(4, 64, 6, move |inner| {
        let object = prop::collection::btree_map(member(), inner.clone(), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            object.prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

fn any_command() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["ADD", "CHECK", "DEL", "GC", "STATUS", "VERSION", "x"][..])
}

proptest! {
    #[test]
    fn any_bytes_are_answered(command in any_command(), stdin in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Err(error) = call(command, stdin) {
            prop_assert!(!ErrorObject::from(error).msg.is_empty());
        }
    }

    #[test]
    fn any_document_is_answered(command in any_command(), document in any_json()) {
        let bytes = document.to_string().into_bytes();
        if let Ok(Request::Add { attachment, .. }) = call(command, bytes.clone()) {
            drop(attachment.network.prev_result());
        }
        if let Ok(result) = AddResult::parse(&document) {
            prop_assert!(result.ips.iter().all(|ip| ip.interface.is_none_or(|index| index < result.interfaces.len())));
        }
        drop(ValidAttachments::from_config(&document));
        prop_assert_eq!(NetworkList::inspect(&bytes).is_ok(), document.is_object());
    }

    #[test]
    fn any_variables_are_answered(values in prop::collection::vec(prop::collection::vec(1_u8.., 0..20), VARIABLES.len())) {
        let variables: BTreeMap<&str, Vec<u8>> = VARIABLES.into_iter().zip(values).collect();
        let environment = Environment::from_lookup(|name| match name {
            "CNI_COMMAND" => Some(OsString::from("ADD")),
            name => variables.get(name).cloned().map(OsString::from_vec),
        });
        match Request::parse(&environment, || Ok(br#"{"name":"net"}"#.to_vec())) {
            Ok(Request::Add { attachment, .. }) => drop(attachment.args()),
            Ok(other) => prop_assert!(false, "{:?}", other),
            Err(error) => prop_assert_eq!(ErrorObject::from(error).code, code::INVALID_ENVIRONMENT),
        }
    }
}
