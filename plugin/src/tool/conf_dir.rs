//! The folder that a runtime reads its networks from.
//!
//! containerd and CRI-O take the files in the order of their names; those whose extension is none of three are not looked
//! at.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use podnet_cni::json::member;
use podnet_cni::{InspectedList, NetworkList};
use podnet_host_local::DEFAULT_DATA_DIR;
use serde_json::Value;

/// Where it is, by convention.
pub(super) const CONF_DIR: &str = "/etc/cni/net.d";

const EXTENSIONS: [&str; 3] = ["conf", "conflist", "json"];

/// A file of the folder.
#[derive(Debug)]
pub(super) struct ConfFile {
    pub(super) path: PathBuf,
    /// Its content, or why nobody can read it.
    pub(super) content: Result<Vec<u8>, String>,
    /// What it says, so far as it says something.
    list: Option<InspectedList>,
}

/// The files that a runtime reads, in its order; none where there is no folder.
pub(super) fn read(dir: &Path) -> io::Result<Vec<ConfFile>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
    let is_read = |path: &PathBuf| {
        path.extension().is_some_and(|found| EXTENSIONS.iter().any(|extension| found == *extension))
    };
    paths.retain(is_read);
    paths.sort();
    Ok(paths.into_iter().map(ConfFile::read).collect())
}

impl ConfFile {
    fn read(path: PathBuf) -> Self {
        let content = fs::read(&path).map_err(|error| error.to_string());
        let list = content.as_ref().ok().and_then(|content| NetworkList::inspect(content).ok());
        Self { path, content, list }
    }

    /// The plugins' entries; none where the file cannot be read.
    pub(super) fn entries(&self) -> &[Value] {
        self.list.as_ref().map(|inspected| &*inspected.list.plugins).unwrap_or_default()
    }

    /// The extension that the content needs, where it has another.
    pub(super) fn wrong_extension(&self) -> Option<&'static str> {
        let content: Value = serde_json::from_slice(self.content.as_ref().ok()?).ok()?;
        let extension = self.path.extension()?.to_str()?;
        wrong_extension(extension, content.get("plugins").is_some(), kind(&content).is_some())
    }

    /// The network's name; empty where the file cannot be read.
    pub(super) fn network(&self) -> &str {
        self.list.as_ref().map(|inspected| &*inspected.list.name).unwrap_or_default()
    }
}

/// The extension that content with or without `plugins` needs, where it has the other's: libcni reads the one by the rules of
/// the other.
fn wrong_extension(extension: &str, has_plugins: bool, has_type: bool) -> Option<&'static str> {
    match (extension, has_plugins, has_type) {
        ("conf" | "json", true, false) => Some("conflist"),
        ("conflist", false, true) => Some("conf"),
        _ => None,
    }
}

/// `type` of a plugin's entry, or of its `ipam`.
pub(super) fn kind(entry: &Value) -> Option<&str> {
    member(entry, "type").and_then(Value::as_str)
}

/// Where host-local keeps a network's reservations, as far as the files say; its usual place always.
pub(super) fn data_dirs(files: &[ConfFile], network: &str) -> Vec<PathBuf> {
    let entries = files.iter().filter(|file| file.network() == network).flat_map(ConfFile::entries);
    let named = entries.filter_map(|entry| member(member(entry, "ipam")?, "dataDir")?.as_str());
    let named = named.filter(|dir| !dir.is_empty()).map(PathBuf::from);
    named.chain([DEFAULT_DATA_DIR.into()]).collect()
}
