//! The network configuration list: for the container runtime, the sign that the node's network is ready.
//!
//! It is there from the moment on that the daemon can serve. One that an earlier life left behind is removed at the
//! start, unless this life can serve at once and replaces it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde_json::{Value, json};

use crate::config::{Config, Conflist, Template};

/// The file could not be written or removed.
#[derive(Debug, thiserror::Error)]
pub enum ConflistError {
    /// The compiled-in template is none.
    #[error("the template is no JSON")]
    Template(#[source] serde_json::Error),
    /// A file operation failed.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// What was being done, as a verb.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ConflistError {
    let path = path.to_owned();
    move |source| ConflistError::File { doing, path, source }
}

impl Template {
    fn text(self) -> &'static str {
        match self {
            Self::VnetTransparent => include_str!("../../conf/vnet-transparent.conflist"),
            Self::VnetBridge => include_str!("../../conf/vnet-bridge.conflist"),
            Self::Kubenet => include_str!("../../conf/kubenet-ipamd.conflist"),
            Self::KubenetHostLocal => include_str!("../../conf/kubenet.conflist"),
        }
    }
}

/// What the file says, with the socket of this daemon in it, or with the node's pod ranges; nothing as long as it needs
/// ranges and there are none.
pub fn render(template: Template, socket: &Path, ranges: &[IpNet]) -> Result<Option<String>, ConflistError> {
    let mut document: Value = serde_json::from_str(template.text()).map_err(ConflistError::Template)?;
    let entry = &mut document["plugins"][0];
    if template == Template::KubenetHostLocal {
        if ranges.is_empty() {
            return Ok(None);
        }
        entry["ipam"]["ranges"] = ranges.iter().map(|range| json!([{"subnet": range}])).collect();
        entry["ipam"]["routes"] = default_routes(ranges);
        // A node whose range changes keeps the gateway of the pods that it has.
        entry["keepSubnets"] = true.into();
    } else {
        entry["ipam"]["socket"] = socket.display().to_string().into();
    }
    let text = serde_json::to_string_pretty(&document).map_err(ConflistError::Template)?;
    Ok(Some(text + "\n"))
}

/// One of each family that there is.
fn default_routes(ranges: &[IpNet]) -> Value {
    let has = |v4: bool| ranges.iter().any(|range| range.addr().is_ipv4() == v4);
    let routes = [(has(true), "0.0.0.0/0"), (has(false), "::/0")];
    routes.into_iter().filter(|(has, _)| *has).map(|(_, destination)| json!({"dst": destination})).collect()
}

/// Puts the file in its place, complete from its first moment: renamed within the directory that the runtime watches, from a
/// name that it does not read. containerd looks only when a file there is written, removed or renamed away
/// (`cni_conf_syncer.go`); one that comes from elsewhere is none of these, and would never be seen.
pub fn write(conflist: &Conflist, config: &Config, ranges: &[IpNet]) -> Result<(), ConflistError> {
    let Some(text) = render(conflist.template, &config.listen.socket, ranges)? else { return Ok(()) };
    let path = &conflist.path;
    if fs::read(path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(());
    }
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(file("create the directory of", path))?;
    }
    place(&draft_of(path), path, &text).map_err(file("write", path))
}

fn draft_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.podnet-ipamd"))
}

fn place(new: &Path, path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    // What a crash left there is nobody's.
    remove_if_there(new)?;
    let mut draft = fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(new)?;
    draft.write_all(text.as_bytes())?;
    fs::rename(new, path).inspect_err(|_| drop(fs::remove_file(new)))
}

/// The file that the container runtime reads instead: it takes the first by name, whoever wrote it.
pub fn overshadowed_by(conflist: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(conflist.parent()?).ok()?;
    let is_read = |path: &PathBuf| {
        path.extension().is_some_and(|end| ["conf", "conflist", "json"].iter().any(|read| end == *read))
    };
    let before = entries.flatten().map(|entry| entry.path()).filter(|path| is_read(path) && path < conflist);
    before.min()
}

/// What to say of that.
pub fn shadow_warning(other: &Path, conflist: &Path) -> String {
    let (other, conflist) = (other.display(), conflist.display());
    format!("the container runtime uses {other} instead of {conflist}, which comes after it")
}

/// Removes the file, if it is there.
pub fn remove(conflist: &Conflist) -> Result<(), ConflistError> {
    remove_if_there(&conflist.path).map_err(file("remove", &conflist.path))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(directory: &Path) -> Config {
        Config::parse(&format!(
            "{{state: {0}, source: {{kind: podCIDR, file: /f}},
               conflist: {{path: {0}/net.d/10-podnet.conflist, template: kubenet}}}}",
            directory.display()
        ))
        .unwrap()
    }

    #[test]
    fn the_file_names_this_daemons_socket_and_nothing_else_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let conflist = config.conflist.clone().unwrap();
        write(&conflist, &config, &[]).unwrap();
        let document: Value = serde_json::from_slice(&fs::read(&conflist.path).unwrap()).unwrap();
        assert_eq!(document["plugins"][0]["ipam"]["socket"], config.listen.socket.display().to_string());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(fs::read_dir(folder.path().join("net.d")).unwrap().count(), 1);
        remove(&conflist).unwrap();
        remove(&conflist).unwrap();
        assert!(!conflist.path.exists());
    }

    #[test]
    fn a_file_of_other_content_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let conflist = config.conflist.clone().unwrap();
        fs::create_dir(folder.path().join("net.d")).unwrap();
        fs::write(&conflist.path, "{}").unwrap();
        fs::write(draft_of(&conflist.path), "half").unwrap();
        write(&conflist, &config, &[]).unwrap();
        assert!(fs::read_to_string(&conflist.path).unwrap().contains("podnet-ipamd"));
        assert!(!draft_of(&conflist.path).exists());
    }

    #[test]
    fn a_file_that_comes_before_is_the_runtimes() {
        let folder = tempfile::tempdir().unwrap();
        let conflist = folder.path().join("10-podnet.conflist");
        for name in ["10-podnet.conflist", "05-cilium.conf.bak", "99-other.conflist"] {
            fs::write(folder.path().join(name), "{}").unwrap();
        }
        assert_eq!(overshadowed_by(&conflist), None);
        for name in ["10-azure.conflist", "05-cilium.conf"] {
            fs::write(folder.path().join(name), "{}").unwrap();
            assert_eq!(overshadowed_by(&conflist), Some(folder.path().join(name)));
        }
    }

    #[test]
    fn every_template_is_a_list_with_the_daemon_as_ipam() {
        for template in [Template::VnetTransparent, Template::VnetBridge, Template::Kubenet] {
            let text = render(template, Path::new("/s"), &[]).unwrap().unwrap();
            let document: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(document["plugins"][0]["ipam"]["type"], "podnet-ipamd", "{template:?}");
            assert_eq!(document["plugins"][0]["ipam"]["socket"], "/s", "{template:?}");
        }
    }

    #[test]
    fn the_nodes_ranges_are_the_pods_once_there_are_any() {
        let render = |ranges: &[&str]| {
            let ranges: Vec<IpNet> = ranges.iter().map(|range| range.parse().unwrap()).collect();
            let text = render(Template::KubenetHostLocal, Path::new("/s"), &ranges).unwrap();
            text.map(|text| serde_json::from_str::<Value>(&text).unwrap()["plugins"][0]["ipam"].take())
        };
        assert_eq!(render(&[]), None);
        assert_eq!(
            render(&["10.244.1.0/24"]).unwrap(),
            json!({"type": "host-local", "ranges": [[{"subnet": "10.244.1.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]})
        );
        let both = render(&["10.244.1.0/24", "fd00:1::/64"]).unwrap();
        assert_eq!(both["ranges"][1][0]["subnet"], "fd00:1::/64");
        assert_eq!(both["routes"], json!([{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]));
    }
}
