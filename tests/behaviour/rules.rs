//! The rules of the workspace that no linter knows.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use podnet_tests::workspace;
use serde_json::Value;

/// The members' folders, by path from the root, and their manifests.
fn members() -> Vec<(String, PathBuf)> {
    let metadata = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let manifest = |package: &Value| {
        let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap());
        let folder = manifest.parent().and_then(|folder| folder.strip_prefix(workspace()).ok());
        (folder.and_then(Path::to_str).unwrap().to_owned(), manifest)
    };
    metadata["packages"].as_array().unwrap().iter().map(manifest).collect()
}

fn cargo(arguments: &[&str]) -> String {
    #[expect(clippy::disallowed_methods, reason = "only cargo knows the graph of crates")]
    let mut command = Command::new(env!("CARGO"));
    let output =
        command.args(arguments).args(["--locked", "--offline"]).current_dir(workspace()).output().unwrap();
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn page(name: &str) -> String {
    fs::read_to_string(workspace().join(name)).unwrap()
}

#[test]
fn the_plugin_carries_no_runtime_and_no_regular_expressions() {
    let tree = cargo(&["tree", "-p", "podnet", "-e", "normal", "--prefix", "none", "-f", "{p}"]);
    let crates: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(crates.contains("serde_json"), "no list of crates: {tree}");
    for heavy in ["tokio", "async-std", "smol", "futures", "hyper", "regex", "regex-automata", "rtnetlink"] {
        assert!(!crates.contains(heavy), "podnet depends on {heavy}");
    }
}

#[test]
fn every_member_inherits_the_lints() {
    for (folder, manifest) in members() {
        let manifest = fs::read_to_string(manifest).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true\n"), "{folder} does not inherit the lints");
    }
}

#[test]
fn the_architecture_page_names_every_member_and_no_other_folder() {
    let page = page("ARCHITECTURE.md");
    for (folder, _) in members() {
        assert!(page.contains(&format!("`{folder}/`")), "ARCHITECTURE.md has no row for {folder}/");
    }
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("/` |"));
    for (folder, _) in rows {
        assert!(
            workspace().join(folder).is_dir(),
            "ARCHITECTURE.md has a row for {folder}/, which is not there"
        );
    }
}

#[test]
fn the_top_level_is_the_agreed_one() {
    let agreed = ["plugin", "ipamd", "masq-agent", "conf", "tests", "netns-tests", "target"];
    for item in fs::read_dir(workspace()).unwrap() {
        let item = item.unwrap();
        let name = item.file_name().into_string().unwrap();
        let is_agreed = name.starts_with('.') || item.path().is_file() || agreed.contains(&name.as_str());
        assert!(is_agreed, "{name} is no folder of the top level (ARCHITECTURE.md)");
    }
}

#[test]
fn the_pages_link_to_what_is_there() {
    let names =
        fs::read_dir(workspace()).unwrap().map(|item| item.unwrap().file_name().into_string().unwrap());
    for name in names.filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "md")) {
        let page = page(&name);
        let targets =
            page.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        for target in targets.filter(|target| !target.contains("://")) {
            let file = target.split('#').next().unwrap_or(target);
            assert!(workspace().join(file).exists(), "{name} links to {target}, which is not there");
        }
    }
}
