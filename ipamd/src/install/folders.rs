//! Where the node's runtime looks for plugins and for network configurations.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::Node;
use super::error::{InstallError, file};

/// What runtimes take by themselves.
const BIN_DIR: &str = "/opt/cni/bin";
const CONF_DIR: &str = "/etc/cni/net.d";

/// Where containerd's configuration has `cni`: version 3 (containerd 2), 2, 1.
const SECTIONS: [&[&str]; 3] = [
    &["plugins", "io.containerd.cri.v1.runtime", "cni"],
    &["plugins", "io.containerd.grpc.v1.cri", "cni"],
    &["plugins", "cri", "cni"],
];

/// The node's folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folders {
    /// The plugins'.
    pub(super) bin: PathBuf,
    /// The network configurations'.
    pub(super) conf: PathBuf,
}

/// What a configuration says of them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Named {
    bin: Option<PathBuf>,
    conf: Option<PathBuf>,
}

impl Folders {
    /// What the options name, else what containerd is told, else what it takes by itself.
    pub(super) fn find(node: &Node) -> Result<Self, InstallError> {
        let named = match (&node.bin_dir, &node.conf_dir) {
            (Some(_), Some(_)) => Named::default(),
            _ => read(&node.containerd)?,
        };
        Ok(Self {
            bin: node.bin_dir.clone().or(named.bin).unwrap_or_else(|| BIN_DIR.into()),
            conf: node.conf_dir.clone().or(named.conf).unwrap_or_else(|| CONF_DIR.into()),
        })
    }
}

fn read(path: &Path) -> Result<Named, InstallError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Named::default()),
        Err(error) => return Err(file("read", path)(error)),
    };
    parse(&text).map_err(|error| InstallError::Containerd { path: path.to_owned(), source: Box::new(error) })
}

fn parse(text: &str) -> Result<Named, toml::de::Error> {
    let document: Table = text.parse()?;
    let section = |path: &&[&str]| {
        path.iter().try_fold(None::<&Table>, |table, name| {
            table.unwrap_or(&document).get(*name).and_then(Value::as_table).map(Some)
        })
    };
    let Some(cni) = SECTIONS.iter().find_map(section).flatten() else { return Ok(Named::default()) };
    let folder = |value: &Value| value.as_str().filter(|path| path.starts_with('/')).map(PathBuf::from);
    // The list of containerd 2.1 takes the place of the one folder before it.
    let first = cni.get("bin_dirs").and_then(Value::as_array).and_then(|list| list.iter().find_map(folder));
    Ok(Named {
        bin: first.or_else(|| cni.get("bin_dir").and_then(folder)),
        conf: cni.get("conf_dir").and_then(folder),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> (Option<PathBuf>, Option<PathBuf>) {
        let Named { bin, conf } = parse(text).unwrap();
        (bin, conf)
    }

    #[test]
    fn every_version_of_containerd_s_configuration_is_understood() {
        let debian = "version = 2\n[plugins]\n  [plugins.\"io.containerd.grpc.v1.cri\"]\n    \
                      [plugins.\"io.containerd.grpc.v1.cri\".cni]\n      bin_dir = \"/usr/lib/cni\"\n      \
                      conf_dir = \"/etc/cni/net.d\"\n";
        assert_eq!(named(debian), (Some("/usr/lib/cni".into()), Some("/etc/cni/net.d".into())));
        let second = "version = 3\n[plugins.'io.containerd.cri.v1.runtime'.cni]\nbin_dirs = ['/a', '/b']\nbin_dir = ''\n";
        assert_eq!(named(second), (Some("/a".into()), None));
        assert_eq!(named("[plugins.cri.cni]\nbin_dir = '/c'\n"), (Some("/c".into()), None));
    }

    #[test]
    fn one_that_says_nothing_leaves_the_choice() {
        assert_eq!(named(""), (None, None));
        assert_eq!(named("disabled_plugins = ['cri']\n[plugins]\n"), (None, None));
        assert_eq!(named("[plugins.cri.cni]\nbin_dir = ''\n"), (None, None));
    }

    #[test]
    fn options_come_before_containerd_and_containerd_before_convention() {
        let folder = tempfile::tempdir().unwrap();
        let mut node = Node { bin_dir: None, conf_dir: None, containerd: folder.path().join("config.toml") };
        assert_eq!(Folders::find(&node).unwrap(), Folders { bin: BIN_DIR.into(), conf: CONF_DIR.into() });
        fs::write(&node.containerd, "[plugins.cri.cni]\nbin_dir = '/c'\n").unwrap();
        assert_eq!(Folders::find(&node).unwrap().bin, Path::new("/c"));
        fs::write(&node.containerd, "[plugins").unwrap();
        assert!(matches!(Folders::find(&node), Err(InstallError::Containerd { .. })));
        (node.bin_dir, node.conf_dir) = (Some("/b".into()), Some("/d".into()));
        assert_eq!(Folders::find(&node).unwrap(), Folders { bin: "/b".into(), conf: "/d".into() });
    }
}
