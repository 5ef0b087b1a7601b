//! What an installation does when nothing goes wrong.

use std::fs;
use std::path::Path;

use podnet_netns_tests::failure::{Failure, Outcome};
use podnet_netns_tests::netns::Place;
use podnet_netns_tests::process::tool;
use podnet_netns_tests::{ensure, ensure_eq, tools};

use super::Test;
use super::node::{Node, SOURCE, differences};

pub(super) const TESTS: &[Test] = &[
    ("the_node_is_afterwards_as_it_was_before", there_and_back),
    ("a_second_installation_touches_nothing", twice),
    ("another_version_takes_the_place_of_the_one_that_is_there", versions),
    ("what_somebody_changed_since_stays", changed_since),
    ("the_plugins_folder_is_containerd_s", containerd),
    ("the_list_that_the_daemon_wrote_goes_with_the_plugin", daemons_list),
    ("what_the_daemon_kept_on_the_node_goes_with_the_plugin", daemons_routes),
    ("a_machine_of_its_own_gets_everything_with_one_command", one_command),
];

fn there_and_back() -> Outcome {
    let node = Node::new()?;
    let before = node.tree()?;
    node.install(&["--links", "bridge,host-local", "--set", SOURCE])?;
    let bin = node.at("opt/cni/bin");
    for link in ["bridge", "host-local", "podnet-ipam", "loopback"] {
        ensure_eq!(fs::read_link(bin.join(link))?, Path::new("podnet"), "{link}");
    }
    ensure!(fs::read(bin.join("podnet"))? == fs::read(tools::podnet()?)?, "podnet is another program");
    ensure_eq!(fs::read_to_string(bin.join("bridge.orig"))?, "the reference plugin", "bridge.orig");
    ensure!(fs::read_to_string(node.at("etc/podnet/ipamd.yaml"))?.contains("10.224.1.0/24"), "ipamd.yaml");
    node.uninstall()?;
    ensure_eq!(differences(&before, &node.tree()?), Vec::<String>::new(), "after uninstall");
    ensure!(node.uninstall()?.contains("nothing was installed"), "a second uninstall");
    Ok(())
}

fn twice() -> Outcome {
    let node = Node::new()?;
    // Somebody's own loopback stays.
    node.write("opt/cni/bin/loopback", "the distribution's", 0o755)?;
    let words = ["--links", "bridge", "--set", SOURCE];
    node.install(&words)?;
    let first = node.tree()?;
    ensure_eq!(fs::read_to_string(node.at("opt/cni/bin/loopback"))?, "the distribution's", "loopback");
    for words in [&words[..], &[]] {
        let said = node.install(words)?.stdout;
        ensure!(said.contains("opt/cni/bin/podnet: up to date\n"), "{said}");
        ensure_eq!(node.tree()?, first, "after {words:?}");
    }
    Ok(())
}

fn versions() -> Outcome {
    let node = Node::new()?;
    let ours = tool(&[&tools::podnet()?.to_string_lossy(), "version"])?;
    let ours = ours.split_whitespace().nth(1).unwrap_or_default();
    for (there, expected) in [
        ("99.0.0", format!("version 99.0.0 is replaced by the older {ours}")),
        ("0.0.1", format!("version 0.0.1 is replaced by {ours}")),
    ] {
        node.write_podnet("opt/cni/bin/podnet", there)?;
        let finished = node.install(&[])?;
        ensure!([finished.stdout, finished.stderr].concat().contains(&expected), "{expected:?} is not said");
        let kept = fs::read_to_string(node.at("opt/cni/bin/podnet.orig"))?;
        ensure!(kept.contains(there), "podnet.orig: {kept}");
        node.uninstall()?;
        ensure!(fs::read_to_string(node.at("opt/cni/bin/podnet"))?.contains(there), "it did not come back");
    }
    // A version of an earlier installation is no longer of use to anybody.
    node.write_podnet("from/podnet", "0.0.2")?;
    fs::remove_file(node.at("opt/cni/bin/podnet"))?;
    node.install(&[])?;
    fs::copy(tools::podnet()?, node.at("from/podnet"))?;
    node.install(&[])?;
    ensure!(!node.at("opt/cni/bin/podnet.orig").exists(), "an earlier version was kept");
    Ok(())
}

fn changed_since() -> Outcome {
    let node = Node::new()?;
    node.install(&["--links", "bridge", "--set", SOURCE])?;
    // A package was upgraded, and somebody has edited the configuration.
    fs::remove_file(node.at("opt/cni/bin/bridge"))?;
    node.write("opt/cni/bin/bridge", "a newer reference plugin", 0o755)?;
    node.write("etc/podnet/ipamd.yaml", "source: {kind: imds}\n", 0o644)?;
    let before = node.tree()?;
    node.uninstall()?;
    let after = node.tree()?;
    for path in ["opt/cni/bin/bridge", "etc/podnet/ipamd.yaml"] {
        ensure_eq!(after.get(&node.at(path)), before.get(&node.at(path)), "{path}");
    }
    ensure!(!node.at("opt/cni/bin/podnet").exists() && !node.at("opt/cni/bin/bridge.orig").exists(), "left");
    Ok(())
}

fn containerd() -> Outcome {
    let node = Node::new()?;
    let elsewhere = node.at("usr/lib/cni");
    let config = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".cni]\nbin_dir = 'BIN_DIR'\n";
    let config = config.replace("BIN_DIR", &elsewhere.to_string_lossy());
    node.write("containerd.toml", &config, 0o644)?;
    let before = node.tree()?;
    let run = |verb: &str, words: &[&str]| -> Result<String, Failure> {
        let mut command = podnet_netns_tests::process::command(tools::ipamd()?, [verb]);
        command.arg("--containerd").arg(node.at("containerd.toml")).args(words);
        podnet_netns_tests::process::run(&mut command, b"")?.success()
    };
    let from = node.at("from");
    run("install", &["--skip-doctor", "--config", "/run/none", "--from", &from.to_string_lossy()])?;
    ensure!(elsewhere.join("podnet").exists(), "podnet is not where containerd looks");
    run("uninstall", &[])?;
    ensure_eq!(differences(&before, &node.tree()?), Vec::<String>::new(), "after uninstall");
    Ok(())
}

fn daemons_list() -> Outcome {
    let node = Node::new()?;
    let before = node.tree()?;
    let list = node.at("etc/cni/net.d/10-podnet.conflist");
    let member = format!("conflist={{path: {}, template: kubenet}}", list.display());
    node.install(&["--set", SOURCE, "--set", &member])?;
    ensure!(!list.exists(), "the list is the daemon's to write");
    fs::copy(tools::workspace().join("conf/kubenet-ipamd.conflist"), &list)?;
    node.uninstall()?;
    ensure_eq!(differences(&before, &node.tree()?), Vec::<String>::new(), "after uninstall");
    node.install(&["--set", SOURCE, "--set", &member])?;
    fs::write(&list, r#"{"plugins": [{"type": "calico"}]}"#)?;
    node.uninstall()?;
    ensure!(list.exists(), "another network's list was removed");
    Ok(())
}

fn daemons_routes() -> Outcome {
    let node = Node::new()?;
    node.install(&[])?;
    Place::Node.ip(&["link", "add", "up0", "type", "bridge"])?;
    Place::Node.ip(&["addr", "add", "10.0.0.1/16", "dev", "up0"])?;
    Place::Node.ip(&["link", "set", "up0", "up"])?;
    // podnet-ipamd's, by its mark, and an administrator's.
    Place::Node.ip(&["route", "add", "10.244.2.0/24", "via", "10.0.0.2", "proto", "112"])?;
    Place::Node.ip(&["route", "add", "10.244.3.0/24", "via", "10.0.0.3"])?;
    let said = node.uninstall()?;
    ensure!(said.contains("1 routes to other nodes' pods: removed\n"), "{said}");
    let routes = Place::Node.ip(&["route", "show"])?;
    ensure!(!routes.contains("10.244.2.0/24"), "the daemon's route is left: {routes}");
    ensure!(routes.contains("10.244.3.0/24"), "an administrator's route is gone: {routes}");
    Ok(())
}

fn one_command() -> Outcome {
    let node = Node::new()?;
    for folder in ["/usr/local/bin", "/etc/systemd"] {
        fs::create_dir_all(folder)?;
        tool(&["mount", "-t", "tmpfs", "none", folder])?;
    }
    for (program, path) in [("podnet-ipamd", tools::ipamd()?), ("podnet-masq-agent", tools::masq_agent()?)] {
        fs::copy(path, node.at("from").join(program))?;
    }
    let list = tools::workspace().join("conf/kubenet.conflist");
    let finished = node.call("install", &["--services", "--conflist", &list.to_string_lossy()])?;
    let said = finished.clone().success()?;
    // The doctor has seen the list, and no error of this node's plugins.
    ensure!(said.contains("podnet doctor:\n") && said.contains("errors: "), "{finished}");
    ensure!(!said.contains("there is no network configuration"), "{said}");
    ensure_eq!(
        fs::read(node.at("etc/cni/net.d/10-podnet.conflist"))?,
        fs::read(&list)?,
        "the configuration list"
    );
    for name in ["podnet-ipamd", "podnet-masq-agent"] {
        let unit = fs::read_to_string(format!("/etc/systemd/system/{name}.service"))?;
        ensure!(unit.contains(&format!("ExecStart=/usr/local/bin/{name} ")), "{unit}");
        ensure!(Path::new("/usr/local/bin").join(name).exists(), "{name}");
    }
    node.uninstall()?;
    for folder in ["/usr/local/bin", "/etc/systemd"] {
        ensure_eq!(fs::read_dir(folder)?.count(), 0, "what is left in {folder}");
    }
    Ok(())
}
