//! podnet called by the names of other plugins.

use podnet_tests::{Program, Reply, Run};
use serde_json::json;

/// The plugins that podnet takes the place of, and the oldest version that each speaks.
const NAMES: [(&str, &str); 7] = [
    ("bridge", "0.1.0"),
    ("ptp", "0.1.0"),
    ("loopback", "0.1.0"),
    ("host-local", "0.1.0"),
    ("static", "0.1.0"),
    ("portmap", "0.1.0"),
    ("bandwidth", "0.3.0"),
];

fn called(name: &str, run: impl FnOnce(Run<'_>) -> Run<'_>) -> Reply {
    let podnet = Program::podnet().unwrap();
    run(Run::of(&podnet).called(name)).reply().unwrap()
}

#[test]
fn the_name_says_the_plugin_and_its_folder_does_not_matter() {
    for (name, _) in NAMES {
        for path in [name.to_owned(), format!("/opt/cni/bin/{name}"), format!("./{name}")] {
            let reply = called(&path, |run| run);
            assert!(
                reply.stderr.starts_with(&format!("CNI plugin {name}, by podnet ")),
                "{path}: {}",
                reply.stderr
            );
            assert!(reply.stdout.is_empty());
        }
    }
}

#[test]
fn every_other_name_is_podnet() {
    for path in ["podnet", "/opt/cni/bin/podnet", "bridge.orig", "Bridge", "bridge/", "", "/"] {
        let reply = called(path, |run| run);
        let is_bridge = reply.stderr.starts_with("CNI plugin bridge");
        // A path that ends in a slash still ends in the name.
        assert_eq!(is_bridge, path == "bridge/", "{path}: {}", reply.stderr);
    }
}

#[test]
fn arguments_make_no_tool_of_another_plugin() {
    let reply = called("bridge", |run| run.arg("list"));
    assert!(reply.stderr.starts_with("CNI plugin bridge"), "{}", reply.stderr);
    let reply = called("podnet", |run| run.arg("version"));
    assert!(reply.stdout.contains("podnet"), "{}", reply.stdout);
}

#[test]
fn each_tells_the_versions_that_it_speaks() {
    for (name, oldest) in NAMES {
        let reply = called(name, |run| run.var("CNI_COMMAND", "VERSION"));
        let versions: serde_json::Value = serde_json::from_str(&reply.stdout).unwrap();
        assert_eq!(versions["supportedVersions"][0], json!(oldest), "{name}");
    }
}
