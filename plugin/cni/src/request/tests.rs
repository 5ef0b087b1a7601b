//! Golden vectors: what the reference plugins answered to these inputs, and what real clients send.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use serde_json::json;

use super::*;

/// The variables of a valid ADD.
const ADD: [(&str, &str); 5] = [
    ("CNI_COMMAND", "ADD"),
    ("CNI_CONTAINERID", "c1"),
    ("CNI_NETNS", "/nope"),
    ("CNI_IFNAME", "eth0"),
    ("CNI_PATH", "/opt/cni/bin"),
];

const CONFIG: &str = r#"{"cniVersion":"1.1.0","name":"net","type":"podnet"}"#;

fn environment(variables: &[(&str, &str)]) -> Environment {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    Environment::from_lookup(|name| variables.get(name).map(OsString::from))
}

/// The variables of a valid ADD with some set otherwise; empty means absent.
fn add_but(changes: &[(&str, &str)]) -> Environment {
    environment(&[&ADD, changes].concat())
}

fn parse(environment: &Environment, stdin: &str) -> Result<Request, ErrorObject> {
    Request::parse(environment, || Ok(stdin.as_bytes().to_vec())).map_err(ErrorObject::from)
}

/// Code, message and details of the refusal.
fn refused(environment: &Environment, stdin: &str) -> (u32, String, String) {
    let error = parse(environment, stdin).unwrap_err();
    (error.code, error.msg, error.details)
}

fn with_version(version: &str) -> String {
    json!({"cniVersion": version, "name": "net"}).to_string()
}

#[test]
fn a_valid_add() {
    let environment =
        add_but(&[("CNI_PATH", "/a:/b"), ("CNI_ARGS", "IP=10.0.0.9;X=1"), ("CNI_NETNS_OVERRIDE", "True")]);
    let Request::Add { attachment, netns } = parse(&environment, CONFIG).unwrap() else { panic!() };
    assert_eq!(netns, "/nope");
    assert_eq!(attachment.key().to_string(), "net/c1/eth0");
    assert_eq!(attachment.network.version, Version::V1_1_0);
    assert_eq!(attachment.network.config["type"], "podnet");
    assert_eq!(attachment.network.plugin_dirs, [Path::new("/a"), Path::new("/b")]);
    assert_eq!(attachment.args().unwrap().ips, ["10.0.0.9".parse().unwrap()]);
    assert!(attachment.netns_override);
    let Request::Add { attachment, .. } = parse(&add_but(&[("CNI_NETNS_OVERRIDE", "0")]), CONFIG).unwrap()
    else {
        panic!()
    };
    assert!(!attachment.netns_override);
}

#[test]
fn version_reads_nothing_and_checks_nothing() {
    let podman = [
        ("CNI_COMMAND", "VERSION"),
        ("CNI_CONTAINERID", ""),
        ("CNI_IFNAME", "dummy"),
        ("CNI_NETNS", "dummy"),
        ("CNI_PATH", "dummy"),
        ("CNI_ARGS", ""),
    ];
    let nonsense = [
        ("CNI_COMMAND", "VERSION"),
        ("CNI_CONTAINERID", "/"),
        ("CNI_IFNAME", "a name too long"),
        ("CNI_ARGS", "IP"),
    ];
    for environment in
        [environment(&podman), environment(&nonsense), environment(&[("CNI_COMMAND", "VERSION")])]
    {
        let request = Request::parse(&environment, || panic!("standard input was read"));
        assert_eq!(request.unwrap(), Request::Version);
    }
}

#[test]
fn a_missing_command_is_reported_alone() {
    for environment in [environment(&[]), add_but(&[("CNI_COMMAND", "")])] {
        assert!(!environment.has_command());
        let missing = "required env variables [CNI_COMMAND] missing".to_owned();
        assert_eq!(refused(&environment, ""), (4, missing, String::new()));
    }
}

#[test]
fn an_unknown_command_is_found_after_the_configuration() {
    for command in ["add", "NOPE", "ADD "] {
        let environment = environment(&[("CNI_COMMAND", command)]);
        let unknown = format!("unknown CNI_COMMAND: {command}");
        assert_eq!(refused(&environment, r#"{"name":"x"}"#), (4, unknown, String::new()));
        assert_eq!(refused(&environment, "{").0, 6);
        assert_eq!(refused(&environment, "{}").0, 7);
    }
}

#[test]
fn missing_variables_are_listed_in_order_before_stdin_is_read() {
    let missing = |command: &str| {
        let request =
            Request::parse(&environment(&[("CNI_COMMAND", command)]), || panic!("standard input was read"));
        let error = ErrorObject::from(request.unwrap_err());
        assert_eq!((error.code, error.details.as_str()), (4, ""));
        error.msg
    };
    let all = "required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH] missing";
    assert_eq!(missing("ADD"), all);
    assert_eq!(missing("CHECK"), all);
    assert_eq!(missing("DEL"), "required env variables [CNI_CONTAINERID,CNI_IFNAME,CNI_PATH] missing");
    assert_eq!(missing("GC"), "required env variables [CNI_PATH] missing");
    assert_eq!(missing("STATUS"), "required env variables [CNI_PATH] missing");
}

#[test]
fn malformed_names_win_over_missing_ones() {
    let refused = |changes: &[(&str, &str)]| refused(&add_but(changes), "{");
    let error = |msg: &str, details: &str| (4, msg.to_owned(), details.to_owned());
    for id in ["a b", "../x", "-", "a\n"] {
        let found = refused(&[("CNI_CONTAINERID", id), ("CNI_PATH", ""), ("CNI_IFNAME", "/")]);
        assert_eq!(found, error("invalid characters in containerID", id));
    }
    assert_eq!(
        refused(&[("CNI_IFNAME", "0123456789abcdef"), ("CNI_CONTAINERID", "")]),
        error("interface name is too long", "interface name should be less than 16 characters")
    );
    assert_eq!(refused(&[("CNI_IFNAME", "..")]), error("interface name is . or ..", ""));
    let characters = "interface name contains / or : or whitespace characters";
    for ifname in ["a/b", "a:b", "a b", "a\u{a0}"] {
        assert_eq!(refused(&[("CNI_IFNAME", ifname)]), error(characters, ifname));
    }
}

#[test]
fn what_a_command_does_not_need_is_not_checked() {
    for command in ["GC", "STATUS"] {
        let environment = add_but(&[
            ("CNI_COMMAND", command),
            ("CNI_CONTAINERID", "/"),
            ("CNI_IFNAME", "/"),
            ("CNI_NETNS", ""),
        ]);
        assert!(parse(&environment, CONFIG).is_ok());
    }
    let Request::Del { netns, .. } =
        parse(&add_but(&[("CNI_COMMAND", "DEL"), ("CNI_NETNS", "")]), CONFIG).unwrap()
    else {
        panic!()
    };
    assert_eq!(netns, None);
    // A malformed argument would make a DEL fail for ever.
    assert!(parse(&add_but(&[("CNI_COMMAND", "DEL"), ("CNI_ARGS", "IP=x")]), CONFIG).is_ok());
}

#[test]
fn variables_that_are_no_text_are_named() {
    let broken = || Some(OsString::from_vec(vec![b'a', 0xff]));
    for variable in ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"] {
        let valid =
            |name: &str| ADD.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        let environment =
            Environment::from_lookup(|name| if name == variable { broken() } else { valid(name) });
        assert_eq!(
            refused(&environment, CONFIG),
            (4, format!("{variable} is not valid UTF-8"), String::new())
        );
    }
    let environment = Environment::from_lookup(|name| if name == "CNI_COMMAND" { broken() } else { None });
    assert_eq!(refused(&environment, CONFIG).0, 4);
}

#[test]
fn stdin_must_be_an_object_with_a_name() {
    for stdin in ["", "{", "[]", "null", "5", "{} x", r#"{"name":5}"#, "\u{feff}{}", r#"["net"]"#] {
        let (code, msg, _) = refused(&add_but(&[]), stdin);
        assert_eq!(code, 6, "{stdin}");
        assert!(msg.starts_with("error unmarshall network config: "), "{msg}");
    }
    for stdin in ["{}", r#"{"name":""}"#, r#"{"name":null}"#] {
        assert_eq!(refused(&add_but(&[]), stdin), (7, "missing network name".to_owned(), String::new()));
    }
    for name in ["a/b", "..", ".a", "a\u{0}b"] {
        let found = refused(&add_but(&[]), &json!({"name": name}).to_string());
        assert_eq!(found, (7, "invalid characters found in network name".to_owned(), name.to_owned()));
    }
    let error =
        Request::parse(&add_but(&[]), || Err(io::Error::other("broken pipe"))).map_err(ErrorObject::from);
    let error = error.unwrap_err();
    assert_eq!((error.code, error.msg.as_str()), (5, "error reading from stdin: broken pipe"));
}

#[test]
fn a_megabyte_of_nesting_is_refused() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let depth = (1 << 20) / open.len();
        let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
        let stdin = format!(r#"{{"name":"net","x":{nested}}}"#);
        assert_eq!(refused(&add_but(&[]), &stdin).0, 6);
        assert_eq!(refused(&add_but(&[]), &open.repeat(depth)).0, 6);
    }
}

#[test]
fn member_names_match_in_any_case() {
    let Request::Add { attachment, .. } =
        parse(&add_but(&[]), r#"{"CNIVERSION":"0.3.1","NAME":"net"}"#).unwrap()
    else {
        panic!()
    };
    assert_eq!((attachment.network.name.as_str(), attachment.network.version), ("net", Version::V0_3_1));
}

#[test]
fn the_version_is_judged_last() {
    let command =
        |command, version: &str| refused(&add_but(&[("CNI_COMMAND", command)]), &with_version(version));
    let (code, msg, details) = command("ADD", "9.9.9");
    assert_eq!((code, msg.as_str()), (1, "incompatible CNI versions"));
    assert!(details.starts_with(r#"config is "9.9.9", plugin supports ["0.1.0" "0.2.0" "#), "{details}");
    assert_eq!(command("DEL", "adsf").0, 1);
    assert_eq!(command("CHECK", "0.3.1").1, "config version does not allow CHECK");
    assert_eq!(command("CHECK", "adsf").0, 6);
    assert_eq!(command("CHECK", "2.0.0").1, "plugin version does not allow CHECK");
    assert_eq!(command("GC", "1.0.0").1, "config version does not allow GC");
    assert_eq!(command("STATUS", "1.0.0").1, "config version does not allow STATUS");
    let (code, msg, _) = refused(&add_but(&[]), r#"{"name":"net","cniVersion":1}"#);
    assert_eq!(code, 6);
    assert!(msg.starts_with("decoding version from network config: cniVersion: "), "{msg}");
    for absent in
        [r#"{"name":"net"}"#, r#"{"name":"net","cniVersion":""}"#, r#"{"name":"net","cniVersion":null}"#]
    {
        let Request::Add { attachment, .. } = parse(&add_but(&[]), absent).unwrap() else { panic!() };
        assert_eq!(attachment.network.version, Version::V0_1_0);
    }
}

#[test]
fn the_earlier_result_is_found_in_any_case_and_its_errors_are_placed() {
    let network = |stdin: Value| match parse(&add_but(&[("CNI_COMMAND", "GC")]), &stdin.to_string()).unwrap()
    {
        Request::Gc(network) => network,
        other => panic!("{other:?}"),
    };
    let with = |result: Value| network(json!({"cniVersion": "1.1.0", "name": "net", "PrevResult": result}));
    assert_eq!(with(Value::Null).prev_result(), Ok(None));
    assert_eq!(with(json!({})).prev_result(), Ok(Some(AddResult::default())));
    let error = ErrorObject::from(with(json!({"ips": [{"address": "10.0.0.1"}]})).prev_result().unwrap_err());
    assert_eq!(error.code, 6);
    assert!(error.msg.contains("prevResult.ips[0].address: \"10.0.0.1\""), "{}", error.msg);
    assert_eq!(with(json!({})).valid_attachments(), Ok(None));
}
