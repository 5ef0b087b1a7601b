//! The plugins that the configurations name: there, and to be executed.

use std::collections::BTreeSet;
use std::env::current_exe;
use std::fs::metadata;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use podnet_cni::json::member;
use serde_json::Value;

use super::finding::{Finding, Severity, quoted};
use super::node::Node;
use crate::dropin;
use crate::ipam::Kind;
use crate::tool::conf_dir::{ConfFile, kind};

/// What is found under a plugin's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Missing,
    NotAFile,
    /// A file with these permissions.
    File(u32),
}

/// Looks at the plugins of all files, and at `loopback`, which containerd before 2.0 and CRI-O call besides.
pub(super) fn check(node: &Node) -> Vec<Finding> {
    let mut names: BTreeSet<&str> =
        node.files.iter().flat_map(ConfFile::entries).flat_map(executed).collect();
    names.extend(["podnet", "loopback"]);
    let own = current_exe().unwrap_or_else(|_| PathBuf::from("podnet"));
    names
        .into_iter()
        .filter_map(|name| finding(&node.bin_dir, name, state(&node.bin_dir.join(name)), &own))
        .collect()
}

/// The plugins that are executed for an entry: its own, and that of its addresses unless podnet is that itself.
fn executed(entry: &Value) -> Vec<&str> {
    let ipam = member(entry, "ipam").and_then(kind).filter(|ipam| !ipam.is_empty());
    let is_podnets = |name| matches!(name, "host-local" | "static") || Kind::named(name).is_some();
    let is_inside = kind(entry) == Some("podnet") && ipam.is_some_and(is_podnets);
    kind(entry).into_iter().chain(ipam.filter(|_| !is_inside)).collect()
}

fn state(path: &Path) -> State {
    match metadata(path) {
        Err(_) => State::Missing,
        Ok(found) if found.is_file() => State::File(found.permissions().mode()),
        Ok(_) => State::NotAFile,
    }
}

fn finding(bin_dir: &Path, name: &str, state: State, own: &Path) -> Option<Finding> {
    let path = bin_dir.join(name);
    let word = quoted(&path.to_string_lossy());
    let (problem, fix) = match state {
        State::Missing => ("it is missing", install(bin_dir, name, own)),
        State::NotAFile => ("it is no file", format!("rm -r {word} && {}", install(bin_dir, name, own))),
        State::File(mode) if mode & 0o111 == 0 => ("it cannot be executed", format!("chmod 0755 {word}")),
        State::File(mode) if mode & 0o022 != 0 => {
            return Some(Finding {
                severity: Severity::Warning,
                check: "binary",
                object: path.display().to_string(),
                problem: format!("others than root may write it (mode {:o})", mode & 0o7777),
                why: "runtimes execute it as root".to_owned(),
                fix: format!("chmod go-w {word}"),
            });
        }
        State::File(_) => return None,
    };
    let (severity, why) = match name {
        "loopback" => (Severity::Warning, "containerd before 2.0 and CRI-O start no pod without it"),
        _ => (Severity::Error, "no pod gets a network: runtimes look for the plugin here"),
    };
    let object = path.display().to_string();
    Some(Finding { severity, check: "binary", object, problem: problem.to_owned(), why: why.to_owned(), fix })
}

/// podnet from where it runs; what it can take the place of, by a link; the rest from the distribution.
fn install(bin_dir: &Path, name: &str, own: &Path) -> String {
    let path = bin_dir.join(name);
    let word = quoted(&path.to_string_lossy());
    if name == "podnet" {
        format!("install -D -m 0755 {} {word}", quoted(&own.to_string_lossy()))
    } else if dropin::called(Some(name.as_ref())).is_some() {
        format!("ln -s podnet {word}")
    } else {
        let packaged = format!("/usr/lib/cni/{name}");
        format!("apt-get install --yes containernetworking-plugins && ln -s {} {word}", quoted(&packaged))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn addresses_of_podnet_itself_need_no_plugin() {
        let kinds = |entry: Value| executed(&entry).into_iter().map(ToOwned::to_owned).collect::<Vec<_>>();
        for inside in ["host-local", "static", "podnet-ipamd", "azure-cns"] {
            assert_eq!(kinds(json!({"type": "podnet", "ipam": {"type": inside}})), ["podnet"]);
        }
        assert_eq!(
            kinds(json!({"type": "podnet", "ipam": {"type": "whereabouts"}})),
            ["podnet", "whereabouts"]
        );
        assert_eq!(
            kinds(json!({"type": "bridge", "ipam": {"type": "host-local"}})),
            ["bridge", "host-local"]
        );
        assert_eq!(kinds(json!({"type": "portmap"})), ["portmap"]);
    }

    #[test]
    fn every_state_has_its_command() {
        let fix = |name, state| {
            let found = finding(Path::new("/b"), name, state, Path::new("/src/podnet"));
            found.map(|found| (found.severity, found.fix))
        };
        assert_eq!(fix("podnet", State::File(0o100_755)), None);
        let chmod = (Severity::Error, "chmod 0755 /b/podnet".to_owned());
        assert_eq!(fix("podnet", State::File(0o100_644)), Some(chmod));
        let chmod = (Severity::Warning, "chmod go-w /b/podnet".to_owned());
        assert_eq!(fix("podnet", State::File(0o100_775)), Some(chmod));
        let install = (Severity::Error, "install -D -m 0755 /src/podnet /b/podnet".to_owned());
        assert_eq!(fix("podnet", State::Missing), Some(install));
        assert!(fix("macvlan", State::Missing).unwrap().1.ends_with("ln -s /usr/lib/cni/macvlan /b/macvlan"));
        assert!(fix("podnet", State::NotAFile).unwrap().1.starts_with("rm -r /b/podnet && install"));
    }
}
