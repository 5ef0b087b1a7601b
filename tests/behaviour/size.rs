//! Documents of hostile depth and size: answered like any other, and the answer stays small enough to be read.

use podnet_tests::Reply;
use serde_json::{Value, json};

use crate::request::{assert_passed, assert_refused, call, config, config_with};

const MIB: usize = 1 << 20;

/// What a person can be shown of an error, in bytes.
const READABLE: usize = 16 << 10;

fn add(stdin: String) -> Reply {
    call("ADD").stdin(stdin).reply().unwrap()
}

#[test]
fn a_mebibyte_of_nesting_is_refused() {
    let unreadable = ["error unmarshall network config", "recursion limit"];
    for opening in ["[", r#"{"a":"#, r#"[{"ipam":"#] {
        assert_refused(&add(opening.repeat(MIB / opening.len())), 6, &unreadable);
        let member = format!(r#"{{"name":"net","x":{}"#, opening.repeat(MIB / opening.len()));
        assert_refused(&add(member), 6, &unreadable);
    }
    let closed = format!(r#"{{"name":"net","x":{}{}}}"#, "[".repeat(MIB / 2), "]".repeat(MIB / 2));
    assert_refused(&add(closed), 6, &unreadable);
}

#[test]
fn as_much_nesting_as_anybody_needs_is_read() {
    let mut deep = json!("x");
    for _ in 0..100 {
        deep = json!([deep]);
    }
    assert_passed(&add(config_with("x", deep).to_string()));
}

#[test]
fn a_member_of_ten_mebibytes_that_nobody_reads_is_tolerated() {
    assert_passed(&add(config_with("x", "x".repeat(10 * MIB).into()).to_string()));
    let numbers: Vec<Value> = (0..MIB).map(|_| json!(1_000_000_000)).collect();
    assert_passed(&add(config_with("x", numbers.into()).to_string()));
}

#[test]
fn a_name_of_a_mebibyte_is_refused_in_few_words() {
    let long = "x".repeat(MIB);
    let spoilt = [
        ("name", format!("/{long}"), 7, "network name"),
        ("cniVersion", long.clone(), 1, "incompatible CNI versions"),
        ("mode", long.clone(), 7, "mode"),
        ("bridge", long.clone(), 7, "bridge"),
        ("hairpinMode", long.clone(), 7, "hairpinMode"),
        ("ipam.type", long.clone(), 7, "ipam.type"),
        ("ipam.resolvConf", format!("/{long}"), 5, "name servers"),
        ("ipam.subnet", long.clone(), 7, "ipam.subnet"),
        ("runtimeConfig.mac", long.clone(), 6, "runtimeConfig.mac"),
        ("logLevel", long, 6, "logLevel"),
    ];
    for (path, value, code, names) in spoilt {
        let reply = add(config_with(path, value.into()).to_string());
        assert_refused(&reply, code, &[names]);
        assert!(reply.stdout.len() <= READABLE, "{path}: an error of {} bytes", reply.stdout.len());
    }
}

#[test]
fn a_thousand_range_sets_are_read() {
    let sets: Vec<Value> =
        (0..1000).map(|set| json!([{"subnet": format!("10.{}.{}.0/24", set / 256, set % 256)}])).collect();
    let mut config = config();
    config["ipam"]["ranges"] = sets.into();
    assert_passed(&add(config.to_string()));
}
