//! What an installation brings: files and links, and how each is known again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The names that podnet answers to as the plugin of that name.
pub(super) const DROP_IN: [&str; 8] =
    ["bridge", "ptp", "loopback", "host-local", "static", "portmap", "bandwidth", "podnet-ipam"];

/// Something that is to be there.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Where.
    pub(super) path: PathBuf,
    /// What.
    pub(super) content: Content,
    /// Whether what somebody else has put there stays; else it is kept under another name.
    pub(super) is_optional: bool,
}

/// What lies at a path.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// A file and its permissions.
    File(Vec<u8>, u32),
    /// A symbolic link beside what it leads to, so that the folder may move.
    Link(&'static str),
}

/// By what a content is known again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Mark {
    /// Of a file: its SHA-256, in hex.
    Sha256(String),
    /// Of a link: where it leads.
    Link(PathBuf),
}

/// What was found at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing.
    Nothing,
    /// A file or link.
    Marked(Mark),
    /// A folder, a device and the like.
    Other,
}

impl Item {
    pub(super) fn program(path: PathBuf, bytes: Vec<u8>) -> Self {
        Self { path, content: Content::File(bytes, 0o755), is_optional: false }
    }

    pub(super) fn text(path: PathBuf, text: String) -> Self {
        Self { path, content: Content::File(text.into_bytes(), 0o644), is_optional: false }
    }

    /// Another name of podnet.
    pub(super) fn link(path: PathBuf) -> Self {
        Self { path, content: Content::Link("podnet"), is_optional: false }
    }

    /// What somebody else has put there stays.
    pub(super) fn unless_there(self) -> Self {
        Self { is_optional: true, ..self }
    }

    pub(super) fn mark(&self) -> Mark {
        match &self.content {
            Content::File(bytes, _) => Mark::Sha256(sum(bytes)),
            Content::Link(target) => Mark::Link((*target).into()),
        }
    }

    /// The name under which what was there before is kept.
    pub(super) fn copy(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".orig");
        name.into()
    }
}

/// SHA-256, in hex.
pub(super) fn sum(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

/// Looks at a path, and not through it.
pub(super) fn look(path: &Path) -> io::Result<Seen> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Seen::Nothing),
        Err(error) => return Err(error),
    };
    Ok(if metadata.is_symlink() {
        Seen::Marked(Mark::Link(fs::read_link(path)?))
    } else if metadata.is_file() {
        Seen::Marked(Mark::Sha256(sum(&fs::read(path)?)))
    } else {
        Seen::Other
    })
}
