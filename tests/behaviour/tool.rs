//! The node's tool: what podnet is when a person runs it with arguments.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use podnet_tests::{Reply, Run, workspace};
use serde_json::{Value, json};

use crate::request::{call, podnet};

fn tool(arguments: &[&str]) -> Run<'static> {
    arguments.iter().fold(Run::of(podnet()), Run::arg)
}

/// `podnet conf -`, with this content.
fn conf(content: impl Into<Vec<u8>>) -> Reply {
    tool(&["conf", "-"]).stdin(content).reply().unwrap()
}

/// The findings of `podnet conf - --output json`: errors and unknown members.
fn findings(content: &Value) -> (Vec<String>, Vec<String>) {
    let reply = tool(&["conf", "-", "--output", "json"]).config(content).reply().unwrap();
    let document: Value =
        serde_json::from_str(&reply.stdout).unwrap_or_else(|error| panic!("{error}: {reply}"));
    let texts = |name: &str| serde_json::from_value::<Vec<String>>(document[name].clone()).unwrap();
    let (errors, unknown) = (texts("errors"), texts("unknown"));
    assert_eq!(document["file"], "-");
    assert_eq!(reply.code, Some(i32::from(!errors.is_empty())), "{reply}");
    (errors, unknown)
}

fn entry() -> Value {
    json!({
        "type": "podnet",
        "mode": "kubenet",
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.1.0/24"}]]},
    })
}

fn list(plugins: &[Value]) -> Value {
    json!({"cniVersion": "1.1.0", "name": "net", "plugins": plugins})
}

#[test]
fn the_shipped_configurations_are_good() {
    let mut seen = 0;
    for file in fs::read_dir(workspace().join("conf")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "conflist") {
            let reply = conf(fs::read(&path).unwrap());
            assert_eq!(
                (reply.code, reply.stdout.as_str()),
                (Some(0), "-: good\n"),
                "{}: {reply}",
                path.display()
            );
            seen += 1;
        }
    }
    assert!(seen >= 3, "only {seen} configurations in conf/");
}

#[test]
fn every_error_and_every_unknown_member_is_named_at_once() {
    let mut spoilt = entry();
    spoilt["mtu"] = json!("1500");
    spoilt["bridg"] = json!("cbr0");
    spoilt["ipam"]["ranges"][0][0] = json!({"subnet": 7, "rangeStrat": "10.244.1.5"});
    spoilt["runtimeconfig"] = json!({});
    spoilt["xyzzy"] = json!(1);
    let (errors, unknown) = findings(&list(&[spoilt]));
    for path in ["plugins[0].mtu: ", "plugins[0].ipam.ranges[0][0].subnet: "] {
        assert!(errors.iter().any(|error| error.starts_with(path)), "{path} {errors:?}");
    }
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert_eq!(
        unknown,
        [
            "plugins[0].bridg: unknown member, did you mean bridge?",
            "plugins[0].ipam.ranges[0][0].rangeStrat: unknown member, did you mean rangeStart?",
            "plugins[0].xyzzy: unknown member",
        ]
    );
}

#[test]
fn people_get_a_line_each() {
    let mut spoilt = entry();
    spoilt["mode"] = json!("kubent");
    spoilt["bridg"] = json!("cbr0");
    let reply = conf(list(&[spoilt]).to_string());
    assert_eq!(reply.code, Some(1), "{reply}");
    let lines: Vec<&str> = reply.stdout.lines().collect();
    let [error, warning] = lines.as_slice() else { panic!("wanted two lines: {reply}") };
    assert!(error.starts_with("-: error: plugins[0]: mode: \"kubent\""), "{reply}");
    assert_eq!(*warning, "-: warning: plugins[0].bridg: unknown member, did you mean bridge?");
}

#[test]
fn an_unknown_member_alone_is_no_failure() {
    let mut odd = entry();
    odd["bridg"] = json!("cbr0");
    let (errors, unknown) = findings(&list(&[odd]));
    assert_eq!((errors.len(), unknown.len()), (0, 1));
}

#[test]
fn entries_of_other_plugins_are_their_own_matter() {
    let foreign =
        json!({"type": "portmap", "mode": 7, "whatever": true, "capabilities": {"portMappings": true}});
    assert_eq!(findings(&list(&[entry(), foreign.clone()])), (vec![], vec![]));
    let mut spoilt = entry();
    spoilt["mtu"] = json!(5);
    let (errors, _) = findings(&list(&[foreign, spoilt]));
    assert!(matches!(errors.as_slice(), [error] if error.starts_with("plugins[1]: mtu: 5")), "{errors:?}");
}

#[test]
fn subnets_in_each_others_way_are_errors() {
    let with_ranges = |ranges: Value| {
        let mut entry = entry();
        entry["ipam"]["ranges"] = ranges;
        entry
    };
    let nested = with_ranges(json!([
        [{"subnet": "10.244.1.0/24"}],
        [{"subnet": "10.244.0.0/16", "rangeStart": "10.244.9.1", "rangeEnd": "10.244.9.9"}],
    ]));
    let (errors, _) = findings(&list(&[nested]));
    let wanted = "plugins[0]: ipam: subnet 10.244.0.0/16 is not valid: it overlaps 10.244.1.0/24";
    assert!(matches!(errors.as_slice(), [error] if error.starts_with(wanted)), "{errors:?}");

    let divided = with_ranges(json!([
        [{"subnet": "10.244.0.0/16", "rangeEnd": "10.244.0.99"}],
        [{"subnet": "10.244.0.0/16", "rangeStart": "10.244.1.0"}],
        [{"subnet": "fd00::/64"}],
    ]));
    assert_eq!(findings(&list(&[divided])), (vec![], vec![]));

    let (errors, _) = findings(&list(&[entry(), with_ranges(json!([[{"subnet": "10.244.1.128/25"}]]))]));
    let wanted = "plugins[1]: subnet 10.244.1.128/25 overlaps 10.244.1.0/24 of plugins[0]";
    assert!(matches!(errors.as_slice(), [error] if error.starts_with(wanted)), "{errors:?}");
}

#[test]
fn who_may_not_look_is_told_so() {
    let reply = tool(&["doctor", "--conf-dir", "/nonexistent", "--output", "json"]).reply().unwrap();
    assert_eq!(reply.code, Some(2), "{reply}");
    assert!(reply.stderr.starts_with("podnet doctor: kernel: "), "{reply}");
    let found: Vec<Value> = serde_json::from_str(&reply.stdout).unwrap();
    assert!(found.iter().any(|finding| finding["check"] == "conflist"), "{reply}");
}

#[test]
fn an_empty_list_of_the_living_is_not_believed() {
    for (list, words) in
        [("", "the list is empty"), (" \n", "the list is empty"), ("ID NAME\n1 a", "neither ids")]
    {
        let reply = tool(&["gc", "--network", "net", "--alive", "-"]).stdin(list).reply().unwrap();
        assert_eq!((reply.code, reply.stdout.as_str()), (Some(2), ""), "{reply}");
        assert!(reply.stderr.contains(words), "{reply}");
    }
}

#[test]
fn the_lists_own_members_are_checked() {
    for (member, value, names) in [
        ("name", json!(""), "name"),
        ("name", json!("a/b"), "name: \"a/b\""),
        ("name", json!(7), "name"),
        ("cniVersion", json!("9.9.9"), "cniVersion: \"9.9.9\""),
        ("cniVersion", json!(1), "cniVersion"),
        ("cniVersions", json!(["1.1.0", "x"]), "cniVersions[1]"),
        ("disableCheck", json!("perhaps"), "disableCheck"),
        ("disableGC", json!(7), "disableGC"),
        ("plugins", json!([]), "plugins"),
        ("plugins", json!({}), "plugins"),
        ("plugins", json!([7]), "plugins[0]"),
        ("plugins", json!([{"mode": "kubenet"}]), "plugins[0].type"),
    ] {
        let mut spoilt = list(&[entry()]);
        spoilt[member] = value.clone();
        let (errors, _) = findings(&spoilt);
        assert!(errors.iter().any(|error| error.contains(names)), "{member} {value}: {errors:?}");
    }
    let mut odd = list(&[entry()]);
    odd["cniVersoin"] = json!("1.1.0");
    assert_eq!(findings(&odd).1, ["cniVersoin: unknown member, did you mean cniVersion?"]);
}

#[test]
fn a_single_plugin_is_a_configuration_too() {
    let mut single = entry();
    single["cniVersion"] = json!("0.4.0");
    single["name"] = json!("net");
    assert_eq!(findings(&single), (vec![], vec![]));
    single["name"] = json!("../net");
    single["mtu"] = json!(5);
    let (errors, _) = findings(&single);
    assert!(errors.iter().any(|error| error.contains("name: \"../net\"")), "{errors:?}");
}

#[test]
fn what_is_no_configuration_at_all_is_said_so() {
    for (content, words) in
        [("", "not valid JSON"), ("{", "not valid JSON"), ("[]", "not a JSON object"), ("{}", "name")]
    {
        let reply = conf(content);
        assert!(reply.code == Some(1) && reply.stdout.contains(words), "{content}: {reply}");
    }
}

#[test]
fn a_file_is_read_and_named() {
    let open_to_all = Permissions::from_mode(0o644);
    let mut file = tempfile::Builder::new().suffix(".conflist").permissions(open_to_all).tempfile().unwrap();
    file.write_all(list(&[entry()]).to_string().as_bytes()).unwrap();
    let name = file.path().to_str().unwrap();
    let reply = tool(&["conf", name]).reply().unwrap();
    assert_eq!((reply.code, reply.stdout), (Some(0), format!("{name}: good\n")));

    let reply = tool(&["conf", "/nonexistent/10.conflist"]).reply().unwrap();
    assert_eq!(reply.code, Some(1), "{reply}");
    assert!(reply.stdout.contains("/nonexistent/10.conflist: error: No such file or directory"), "{reply}");
}

#[test]
fn version_tells_the_protocols() {
    let document = tool(&["version", "--output", "json"]).reply().unwrap().document().unwrap();
    assert_eq!(document["version"], env!("CARGO_PKG_VERSION"));
    let supported = call("VERSION").reply().unwrap().document().unwrap();
    assert_eq!(document["cniVersions"], supported["supportedVersions"]);

    let reply = tool(&["version"]).reply().unwrap();
    let expected = format!(
        "podnet {}\nCNI 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0\n",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!((reply.code, reply.stdout), (Some(0), expected));
}

#[test]
fn help_mentions_every_command() {
    for arguments in [["--help"], ["-h"]] {
        let reply = tool(&arguments).reply().unwrap();
        assert_eq!(reply.code, Some(0), "{reply}");
        for command in ["version", "list", "check", "gc", "doctor", "conf"] {
            let described = |line: &str| line.trim_start().starts_with(&format!("{command} "));
            assert!(reply.stdout.lines().any(described), "{command}: {reply}");
        }
    }
}

#[test]
fn wrong_usage_is_told_on_stderr() {
    for arguments in [
        &["conf"][..],
        &["frobnicate"],
        &["--frobnicate"],
        &["version", "--output", "yaml"],
        &["list", "x"],
        &["check", "net"],
        &["gc"],
        &["doctor", "--service-cidr", "10.96.0.0/33"],
    ] {
        let reply = tool(arguments).reply().unwrap();
        assert_eq!((reply.code, reply.stdout.as_str()), (Some(2), ""), "{reply}");
        assert!(reply.stderr.starts_with("error: ") && reply.stderr.contains("--help"), "{reply}");
    }
}

#[test]
fn arguments_make_it_the_tool_whatever_the_variables_say() {
    let reply = tool(&["version"]).var("CNI_COMMAND", "ADD").reply().unwrap();
    assert!(reply.code == Some(0) && reply.stdout.starts_with("podnet "), "{reply}");
}
