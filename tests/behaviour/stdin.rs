//! Standard input as every command reads it: JSON, the network's name, the version.

use std::fs::File;

use serde_json::{Value, json};

use crate::request::{assert_passed, assert_refused, call, config, config_with};
use crate::vector::{Answer, Vector, check};

const UNREADABLE: &str = "error unmarshall network config: ";

fn add(stdin: impl Into<String>) -> Vector {
    let stdin = stdin.into();
    Vector::attached("ADD").named(stdin.clone()).stdin(stdin)
}

#[test]
fn stdin_is_one_json_object() {
    let unreadable = |stdin: &str| add(stdin).answers(Answer::ErrorBegins(6, UNREADABLE));
    check(&[
        unreadable(""),
        unreadable(" \n"),
        unreadable("{"),
        unreadable("[]"),
        unreadable("7"),
        unreadable("\"net\""),
        unreadable("{'name':'net'}"),
        unreadable("\u{feff}{\"name\":\"net\"}"),
        unreadable(&format!("{} {{}}", config())),
        unreadable(&format!("{} x", config())),
        unreadable("null").reference(Answer::Error(7, "missing network name", ""), "null is no object"),
        add(format!("\n {}\n\n", config())).answers(Answer::Passed),
    ]);
}

#[test]
fn text_in_stdin_is_utf_8() {
    let stdin = [br#"{"name":"net","cniVersion":"1.1.0","x":""#, &b"\xff"[..], br#""}"#].concat();
    // Go's decoder would put a replacement character there: two names could become one.
    assert_refused(&call("ADD").stdin(stdin).reply().unwrap(), 6, &[UNREADABLE]);
}

#[test]
fn stdin_that_cannot_be_read_is_an_input_failure() {
    let folder = File::open("/").unwrap();
    assert_refused(&call("ADD").reply_to(folder).unwrap(), 5, &["error reading from stdin"]);
}

#[test]
fn the_networks_name_follows_its_rule() {
    let named = |name: Value| add(config_with("name", name).to_string());
    let missing = || Answer::Error(7, "missing network name", "");
    let refused = |name: &'static str| {
        named(name.into()).answers(Answer::Error(7, "invalid characters found in network name", name))
    };
    let unreadable = |name: Value| named(name).answers(Answer::ErrorBegins(6, UNREADABLE));
    check(&[
        add("{}").answers(missing()),
        named("".into()).answers(missing()),
        named(Value::Null).answers(missing()),
        refused("a/b"),
        refused("../a"),
        refused(".."),
        refused("."),
        refused(".a"),
        refused("-a"),
        refused("a b"),
        refused("a\n"),
        refused("a\u{0}b"),
        refused("ä"),
        unreadable(7.into()),
        unreadable(json!(["net"])),
        named("A0_.-".into()).answers(Answer::Passed),
    ]);
}

#[test]
fn every_command_wants_a_name() {
    let commands = ["ADD", "CHECK", "DEL", "GC", "STATUS"];
    let unnamed = |command: &&str| {
        let stdin = config_with("name", Value::Null).to_string();
        Vector::attached(command).stdin(stdin).answers(Answer::Error(7, "missing network name", ""))
    };
    check(&commands.iter().map(unnamed).collect::<Vec<_>>());
}

fn with_version(command: &str, version: impl Into<Value>) -> Vector {
    let version = version.into();
    Vector::attached(command).named(version.to_string()).stdin(config_with("cniVersion", version).to_string())
}

#[test]
fn versions_are_compared_as_text() {
    let passes = |version: &str| with_version("ADD", version).answers(Answer::Passed);
    let incompatible = |version: &str| {
        with_version("ADD", version).answers(Answer::ErrorBegins(1, "incompatible CNI versions"))
    };
    check(&[
        passes("0.1.0"),
        passes("0.2.0"),
        passes("0.3.0"),
        passes("0.3.1"),
        passes("0.4.0"),
        passes("1.0.0"),
        passes("1.1.0"),
        passes(""),
        with_version("ADD", Value::Null).answers(Answer::Passed),
        incompatible("1.1"),
        incompatible("v1.1.0"),
        incompatible("1.1.0 "),
        incompatible("1.2.0"),
        incompatible("adsf"),
        with_version("DEL", "9.9.9").answers(Answer::ErrorBegins(1, "incompatible CNI versions")),
        with_version("ADD", 1).answers(Answer::ErrorBegins(6, "decoding version from network config: ")),
    ]);
}

#[test]
fn later_commands_compare_versions_as_numbers() {
    let too_old =
        |command: &str, version: &str, msg| with_version(command, version).answers(Answer::Error(1, msg, ""));
    let malformed = |version: &str, msg| with_version("CHECK", version).answers(Answer::Error(6, msg, ""));
    let other_words = "one wording for every malformed version";
    check(&[
        too_old("CHECK", "", "config version does not allow CHECK"),
        too_old("CHECK", "0.3.1", "config version does not allow CHECK"),
        too_old("GC", "1.0.0", "config version does not allow GC"),
        too_old("STATUS", "1.0.0", "config version does not allow STATUS"),
        too_old("STATUS", "0.4.0", "config version does not allow STATUS"),
        too_old("CHECK", "1.2.0", "plugin version does not allow CHECK"),
        too_old("GC", "2", "plugin version does not allow GC"),
        too_old("STATUS", "1.1.1", "plugin version does not allow STATUS"),
        with_version("CHECK", "1.1").answers(Answer::ErrorBegins(1, "incompatible CNI versions")),
        malformed("1.1.0.0", "invalid version \"1.1.0.0\": too many parts"),
        malformed("1.1.0-rc1", "invalid version \"1.1.0-rc1\": a part is not a number")
            .reference(Answer::ErrorBegins(6, "failed to convert micro version part \"0-rc1\""), other_words),
        malformed("1..0", "invalid version \"1..0\": a part is not a number")
            .reference(Answer::ErrorBegins(6, "failed to convert minor version part \"\""), other_words),
    ]);
}

#[test]
fn the_name_is_looked_at_before_the_version() {
    check(&[add(r#"{"cniVersion":"9.9.9"}"#).answers(Answer::Error(7, "missing network name", ""))]);
}

#[test]
fn member_names_match_in_any_case() {
    let shouted = json!({"CNIVERSION": "9.9.9", "NAME": "net"}).to_string();
    check(&[
        add(shouted).answers(Answer::ErrorBegins(1, "incompatible CNI versions")),
        add(r#"{"Name":"a/b"}"#).answers(Answer::Error(7, "invalid characters found in network name", "a/b")),
    ]);
    let config = json!({
        "cniversion": "1.1.0", "NAME": "net", "Type": "podnet", "MODE": "kubenet", "Bridge": "cbr0",
        "IPAM": {"TYPE": "host-local", "RANGES": [[{"SUBNET": "10.244.1.0/24", "rangestart": "10.244.2.1"}]]},
    });
    let reply = call("ADD").config(&config).reply().unwrap();
    assert_refused(&reply, 7, &["rangeStart", "RangeStart 10.244.2.1 not in network 10.244.1.0/24"]);
}

#[test]
fn unknown_members_are_tolerated() {
    let mut config = config();
    config["whatever"] = json!({"deep": [1, null, "x"]});
    config["cni.dev/something"] = json!(true);
    config["ipam"]["color"] = json!("green");
    config["ipam"]["ranges"][0][0]["color"] = json!("green");
    config["runtimeConfig"] =
        json!({"aliases": {"net": ["a"]}, "deviceID": "0000:04:00.5", "cgroupPath": "/x"});
    config["args"] = json!({"cni": {"labels": [{"key": "a", "value": "b"}]}, "other": {}});
    assert_passed(&call("ADD").config(&config).reply().unwrap());
}

#[test]
fn null_is_an_absent_member() {
    let mut config = config();
    for name in ["bridge", "mtu", "hairpinMode", "dns", "runtimeConfig", "args", "prevResult", "ipMasq"] {
        config[name] = Value::Null;
    }
    config["ipam"]["routes"] = Value::Null;
    assert_passed(&call("ADD").config(&config).reply().unwrap());
}
