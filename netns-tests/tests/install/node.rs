//! The node that is installed on: folders of its own, a reference plugin in them, programs to install.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::mount::{MsFlags, mount};
use podnet_netns_tests::failure::{Context as _, Failure, Outcome};
use podnet_netns_tests::process::{Finished, command, run};
use podnet_netns_tests::tools;

/// The member `source` of a daemon that needs nobody.
pub(super) const SOURCE: &str = "source={kind: static, subnet: 10.224.0.0/16, ranges: [10.224.1.0/24]}";

/// A node's folders, under one.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) root: PathBuf,
}

/// What lies at each path: its permissions, what it is, and of a file when it was written.
pub(super) type Tree = BTreeMap<PathBuf, (u32, String)>;

impl Node {
    /// A node with a plugin `bridge`, an ancient list that names it, and programs to install from.
    pub(super) fn new() -> Result<Self, Failure> {
        let node = Self { root: "/run/node".into() };
        for folder in ["", "opt/cni/bin", "etc/cni/net.d", "from"] {
            let folder = node.root.join(folder);
            fs::create_dir_all(&folder).doing(folder.display())?;
            if folder.ends_with("node/") {
                // The sandbox's /run executes nothing.
                mount(Some("tmpfs"), &folder, Some("tmpfs"), MsFlags::empty(), None::<&str>)?;
            }
        }
        fs::copy(tools::podnet()?, node.at("from/podnet"))?;
        node.write("opt/cni/bin/bridge", "the reference plugin", 0o755)?;
        node.write("etc/cni/net.d/87-podman.conflist", "{}", 0o644)?;
        Ok(node)
    }

    pub(super) fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    pub(super) fn write(&self, path: &str, text: &str, mode: u32) -> Outcome {
        fs::write(self.at(path), text).doing(path)?;
        fs::set_permissions(self.at(path), fs::Permissions::from_mode(mode)).doing(path)
    }

    /// A program that says it is podnet of a version, and has no pods.
    pub(super) fn write_podnet(&self, path: &str, version: &str) -> Outcome {
        let script = "#!/bin/sh\ncase $1 in list) echo '[]';; *) echo '{\"version\": \"VERSION\"}';; esac\n";
        self.write(path, &script.replace("VERSION", version), 0o755)
    }

    /// The daemon's program with a verb and this node's folders.
    pub(super) fn command(&self, verb: &str, words: &[&str]) -> Result<Command, Failure> {
        let mut command = command(tools::ipamd()?, [verb]);
        for (flag, folder) in [("--bin-dir", "opt/cni/bin"), ("--conf-dir", "etc/cni/net.d")] {
            command.arg(flag).arg(self.at(folder));
        }
        if verb == "install" {
            command.arg("--from").arg(self.at("from"));
            command.arg("--config").arg(self.at("etc/podnet/ipamd.yaml"));
        }
        command.args(words);
        Ok(command)
    }

    pub(super) fn call(&self, verb: &str, words: &[&str]) -> Result<Finished, Failure> {
        run(&mut self.command(verb, words)?, b"")
    }

    /// An installation that has to succeed; the doctor is not asked.
    pub(super) fn install(&self, words: &[&str]) -> Result<Finished, Failure> {
        let finished = self.call("install", &[words, &["--skip-doctor"]].concat())?;
        finished.clone().success()?;
        Ok(finished)
    }

    pub(super) fn uninstall(&self) -> Result<String, Failure> {
        self.call("uninstall", &[])?.success()
    }

    pub(super) fn tree(&self) -> Result<Tree, Failure> {
        let mut tree = Tree::new();
        read(&self.root, &mut tree)?;
        Ok(tree)
    }
}

fn read(folder: &Path, tree: &mut Tree) -> Outcome {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let metadata = fs::symlink_metadata(&path)?;
        let what = if metadata.is_symlink() {
            format!("-> {}", fs::read_link(&path)?.display())
        } else if metadata.is_dir() {
            read(&path, tree)?;
            "folder".to_owned()
        } else {
            let content = fs::read(&path)?;
            let text = String::from_utf8(content)
                .unwrap_or_else(|binary| format!("{} bytes", binary.as_bytes().len()));
            format!("written {}: {text}", metadata.mtime_nsec())
        };
        tree.insert(path, (metadata.mode(), what));
    }
    Ok(())
}

/// What differs between two trees, times aside.
pub(super) fn differences(expected: &Tree, found: &Tree) -> Vec<String> {
    let plain = |tree: &Tree, path: &PathBuf| {
        tree.get(path).map(|(mode, what)| {
            let what = what
                .strip_prefix("written ")
                .and_then(|rest| rest.split_once(": "))
                .map_or(what.as_str(), |(_, text)| text);
            format!("{mode:o} {what}")
        })
    };
    let mut paths: Vec<&PathBuf> = expected.keys().chain(found.keys()).collect();
    paths.sort();
    paths.dedup();
    let differs = |path: &&PathBuf| plain(expected, path) != plain(found, path);
    let line = |path: &PathBuf| {
        format!("{}: {:?}, not {:?}", path.display(), plain(found, path), plain(expected, path))
    };
    paths.into_iter().filter(differs).map(line).collect()
}
