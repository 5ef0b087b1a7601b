//! The state file: what installations did to a node, so that it can be taken back.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::change;
use super::error::{InstallError, file};
use super::item::{Item, Mark};
use super::plan::Put;

/// In the plugins' folder.
const NAME: &str = ".podnet-install.json";

/// Of the file's form.
const SCHEMA: u32 = 1;

/// All that installations did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct State {
    /// Of the file's form.
    schema: u32,
    /// podnet's version.
    pub(super) version: String,
    /// Folders that were made, in the order of their making.
    pub(super) folders: Vec<PathBuf>,
    /// The conflist that the daemon writes.
    pub(super) conflist: Option<PathBuf>,
    /// Files and links, in the order of their making.
    pub(super) entries: Vec<Entry>,
}

/// A file or link that is, or soon will be, of our making.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    /// Where it is.
    pub(super) path: PathBuf,
    /// What is known as ours there: two while one takes the place of the other.
    pub(super) ours: Vec<Mark>,
    /// Where what was there before is kept; nothing: there was nothing.
    pub(super) copy: Option<PathBuf>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            schema: SCHEMA,
            version: String::new(),
            folders: Vec::new(),
            conflist: None,
            entries: Vec::new(),
        }
    }
}

impl State {
    /// Reads the state of the plugins' folder.
    pub(super) fn read(bin_dir: &Path) -> Result<Option<Self>, InstallError> {
        let path = bin_dir.join(NAME);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(file("read", &path)(error)),
        };
        let invalid = |source| InstallError::State { path: path.clone(), source };
        let document: serde_json::Value = serde_json::from_slice(&text).map_err(invalid)?;
        let schema = document.get("schema").and_then(serde_json::Value::as_u64).unwrap_or_default();
        if let Ok(schema) = u32::try_from(schema)
            && schema > SCHEMA
        {
            return Err(InstallError::Schema { path, schema });
        }
        serde_json::from_value(document).map(Some).map_err(invalid)
    }

    /// Writes it, complete from its first moment, unless it was written like this before.
    pub(super) fn write_unless(
        &self,
        written: &mut Option<Self>,
        bin_dir: &Path,
    ) -> Result<(), InstallError> {
        if written.as_ref() == Some(self) {
            return Ok(());
        }
        let path = bin_dir.join(NAME);
        let text = serde_json::to_vec_pretty(self)
            .map_err(|source| InstallError::State { path: path.clone(), source })?;
        change::write(&path, &text, 0o600)?;
        *written = Some(self.clone());
        Ok(())
    }

    /// Removes it: there is nothing left to take back.
    pub(super) fn remove(bin_dir: &Path) -> Result<(), InstallError> {
        change::remove(&bin_dir.join(NAME))
    }

    pub(super) fn entry(&self, path: &Path) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.path == path)
    }

    /// Notes what is about to be done.
    pub(super) fn expect(&mut self, item: &Item, put: Put) {
        if put.is_nothing() {
            return;
        }
        let copy = matches!(put, Put::Backup).then(|| item.copy());
        let mark = item.mark();
        match self.entries.iter_mut().find(|entry| entry.path == item.path) {
            Some(entry) => {
                entry.copy = copy.or(entry.copy.take());
                if !entry.ours.contains(&mark) {
                    entry.ours.push(mark);
                }
            }
            None => self.entries.push(Entry { path: item.path.clone(), ours: vec![mark], copy }),
        }
    }

    /// Notes that it has been done: what it took the place of is no longer there.
    pub(super) fn settle(&mut self, items: &[Item], steps: &[Put]) {
        for (item, &put) in items.iter().zip(steps) {
            let entry = self.entries.iter_mut().find(|entry| entry.path == item.path);
            if let Some(entry) = entry
                && put != Put::Theirs
            {
                entry.ours = vec![item.mark()];
            }
        }
    }
}
