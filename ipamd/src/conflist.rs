//! The network configuration list: for the container runtime, the sign that the node's network is ready.
//!
//! It is there from the moment on that the daemon can serve. One that an earlier life left behind is removed at the
//! start, unless this life can serve at once and replaces it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

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
            Self::Kubenet => include_str!("../../conf/kubenet-ipamd.conflist"),
        }
    }
}

/// What the file says, with the socket of this daemon in it.
pub fn render(template: Template, socket: &Path) -> Result<String, ConflistError> {
    let mut document: Value = serde_json::from_str(template.text()).map_err(ConflistError::Template)?;
    if let Some(ipam) = document.pointer_mut("/plugins/0/ipam") {
        ipam["socket"] = socket.display().to_string().into();
    }
    serde_json::to_string_pretty(&document).map(|text| text + "\n").map_err(ConflistError::Template)
}

/// Puts the file in its place, complete from its first moment. It is written outside of the directory that the
/// runtime watches, where that can be renamed from: else under a name that the runtime does not read.
pub fn write(conflist: &Conflist, config: &Config) -> Result<(), ConflistError> {
    let text = render(conflist.template, &config.listen.socket)?;
    let path = &conflist.path;
    if fs::read(path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(());
    }
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(file("create the directory of", path))?;
    }
    let outside = outside_of(path);
    place(&outside, path, &text)
        .or_else(|error| {
            // Where only the watched directory is the node's, as in a container.
            use io::ErrorKind::{CrossesDevices, PermissionDenied, ReadOnlyFilesystem};
            if matches!(error.kind(), CrossesDevices | PermissionDenied | ReadOnlyFilesystem) {
                place(&path.with_extension("new"), path, &text)
            } else {
                Err(error)
            }
        })
        .map_err(file("write", path))
}

/// Beside the watched directory.
fn outside_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let directory = path.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
    directory.join(format!(".{name}.podnet-ipamd"))
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
        write(&conflist, &config).unwrap();
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
        fs::write(outside_of(&conflist.path), "half").unwrap();
        write(&conflist, &config).unwrap();
        assert!(fs::read_to_string(&conflist.path).unwrap().contains("podnet-ipamd"));
        assert!(!outside_of(&conflist.path).exists());
    }

    #[test]
    fn every_template_is_a_list_with_the_daemon_as_ipam() {
        for template in [Template::VnetTransparent, Template::Kubenet] {
            let document: Value = serde_json::from_str(&render(template, Path::new("/s")).unwrap()).unwrap();
            assert_eq!(document["plugins"][0]["ipam"]["type"], "podnet-ipamd", "{template:?}");
            assert_eq!(document["plugins"][0]["ipam"]["socket"], "/s", "{template:?}");
        }
    }
}
