//! What an installation refuses, or says: each message names the object, and nothing has changed.

use std::fs;

use podnet_netns_tests::failure::Outcome;
use podnet_netns_tests::network::{Network, Pod};
use podnet_netns_tests::process::tool;
use podnet_netns_tests::subject::{Family, Subject};
use podnet_netns_tests::{ensure, ensure_eq, tools};

use super::Test;
use super::node::{Node, SOURCE, differences};

pub(super) const TESTS: &[Test] = &[
    ("a_read_only_folder_is_named_and_nothing_changes", read_only),
    ("a_list_that_comes_before_ours_is_named", earlier_list),
    ("a_program_that_is_not_what_its_sum_says_is_refused", wrong_sum),
    ("what_cannot_be_installed_is_named_and_nothing_changes", bad_input),
    ("a_plugin_that_pods_need_stays", pods),
];

/// An installation that fails, says this, and leaves the node as it was.
fn refused(node: &Node, words: &[&str], expected: &str) -> Outcome {
    let before = node.tree()?;
    let finished = node.call("install", &[words, &["--skip-doctor"]].concat())?;
    ensure_eq!(finished.status.code(), Some(1), "exit code of {finished}");
    ensure!(finished.stderr.contains(expected), "{expected:?} is not in {finished}");
    ensure_eq!(differences(&before, &node.tree()?), Vec::<String>::new(), "after {words:?}");
    Ok(())
}

fn read_only() -> Outcome {
    let node = Node::new()?;
    let folder = node.at("etc/cni/net.d").display().to_string();
    tool(&["mount", "--bind", &folder, &folder])?;
    tool(&["mount", "-o", "remount,ro,bind", &folder])?;
    let list = tools::workspace().join("conf/kubenet.conflist");
    let expected = format!("cannot write into {folder}: Read-only file system");
    refused(&node, &["--conflist", &list.to_string_lossy()], &expected)?;
    let member = format!("conflist={{path: {folder}/10-podnet.conflist, template: kubenet}}");
    refused(&node, &["--set", SOURCE, "--set", &member], &expected)?;
    // Nothing that is written there is asked for.
    node.install(&[])?;
    Ok(())
}

fn earlier_list() -> Outcome {
    let node = Node::new()?;
    node.write("etc/cni/net.d/05-cilium.conflist", "{}", 0o644)?;
    let said = node.install(&[])?.stderr;
    ensure!(said.contains("05-cilium.conflist: it comes before"), "{said}");
    ensure!(!said.contains("87-podman"), "{said}");
    Ok(())
}

fn wrong_sum() -> Outcome {
    let node = Node::new()?;
    node.write("from/SHA256SUMS", "00  podnet\n", 0o644)?;
    refused(&node, &[], "from/podnet: SHA-256 ")?;
    let sums = tool(&["sha256sum", &node.at("from/podnet").to_string_lossy()])?;
    node.write("from/SHA256SUMS", &sums.replace(&*node.at("from/").to_string_lossy(), ""), 0o644)?;
    node.install(&[])?;
    Ok(())
}

fn bad_input() -> Outcome {
    let node = Node::new()?;
    refused(&node, &["--links", "bridge,brigde"], "--links: podnet is no brigde")?;
    refused(&node, &["--set", "source.kind=dhcp"], "there is no source \"dhcp\"")?;
    node.write("bad.conflist", r#"{"cniVersion": "1.0.0", "name": "x", "plugins": [{}]}"#, 0o644)?;
    refused(&node, &["--conflist", &node.at("bad.conflist").to_string_lossy()], "bad.conflist: error: ")?;
    node.write("opt/cni/bin/bridge.orig", "an older one of somebody's", 0o755)?;
    refused(&node, &["--links", "bridge"], "bridge.orig: it would become the copy of")?;
    fs::create_dir(node.at("opt/cni/bin/podnet-ipam"))?;
    refused(&node, &[], "podnet-ipam: it is no file")?;
    fs::remove_dir(node.at("opt/cni/bin/podnet-ipam"))?;
    node.write("opt/cni/bin/.podnet-install.json", r#"{"schema": 2}"#, 0o600)?;
    refused(&node, &[], ".podnet-install.json: schema 2 is of a later version")?;
    node.write("opt/cni/bin/.podnet-install.json", "{", 0o600)?;
    refused(&node, &[], ".podnet-install.json: it is no state of an installation")?;
    Ok(())
}

fn pods() -> Outcome {
    let node = Node::new()?;
    node.install(&[])?;
    let network = Network::of(Subject::Podnet, Family::V4)?;
    let pod = Pod::create("pod")?;
    network.add(&pod)?;
    let finished = node.call("uninstall", &[])?;
    ensure_eq!(finished.status.code(), Some(1), "exit code of {finished}");
    ensure!(finished.stderr.contains("drain the node first"), "{finished}");
    ensure!(node.at("opt/cni/bin/podnet").exists(), "the plugin is gone");
    network.del(&pod, None)?;
    node.uninstall()?;
    Ok(())
}
