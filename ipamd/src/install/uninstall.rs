//! Taking an installation back.

use std::path::{Path, PathBuf};

use podnet_daemon_kit::Chain;
use serde_json::Value;

use super::error::{InstallError, file};
use super::folders::Folders;
use super::plan::{self, TakeBack};
use super::state::{Entry, State};
use super::{Node, Report, change, lock, plugin, settings};
use crate::cleanup::cleanup;

/// What `uninstall` is told.
#[derive(Debug, Clone, clap::Args)]
pub struct Removal {
    /// Where the node's plugins are.
    #[command(flatten)]
    pub node: Node,
    /// The daemon's configuration, which says where its state is.
    #[arg(long, value_name = "FILE", default_value = "/etc/podnet/ipamd.yaml")]
    pub config: PathBuf,
    /// Even though podnet has pods on this node: nobody will release what they hold.
    #[arg(long)]
    pub force: bool,
}

/// Takes back what installations did: the conflist first, then what the daemon kept in the kernel, the plugin near the end, the
/// state file last. The daemon must have ended: it would bring back what is its own.
pub fn uninstall(options: &Removal) -> Result<Report, InstallError> {
    let mut report = Report::default();
    let folders = Folders::find(&options.node)?;
    let nothing = format!("{}: nothing was installed here", folders.bin.display());
    if !folders.bin.exists() {
        report.say(nothing);
        return Ok(report);
    }
    let _lock = lock(&folders.bin)?;
    let Some(state) = State::read(&folders.bin)? else {
        report.say(nothing);
        return Ok(report);
    };
    let podnet = folders.bin.join("podnet");
    if !options.force && podnet.exists() {
        let pods = plugin::pods(&podnet)?;
        if !pods.is_empty() {
            return Err(InstallError::Pods { pods: shortened(&pods) });
        }
    }
    for entry in &state.entries {
        change::ensure_writable(&entry.path)?;
    }
    if let Some(conflist) = &state.conflist {
        remove_daemons_conflist(&mut report, conflist, &state)?;
    }
    clean_up(&mut report, &options.config);
    for entry in state.entries.iter().rev() {
        report.say(take_back(entry)?);
    }
    // The state file lies in the last of them.
    let (around, beside): (Vec<_>, Vec<_>) =
        state.folders.iter().rev().partition(|folder| folders.bin.starts_with(folder));
    for folder in beside {
        change::remove_folder(folder)?;
    }
    State::remove(&folders.bin)?;
    for folder in around {
        change::remove_folder(folder)?;
    }
    Ok(report)
}

/// The first of them.
fn shortened(pods: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<&str> = pods.iter().take(SHOWN).map(String::as_str).collect();
    let more = if pods.len() > SHOWN { format!(" and {} more", pods.len() - SHOWN) } else { String::new() };
    shown.join(", ") + &more
}

/// The list that the daemon wrote, not the installation. Another's list under its name stays.
fn remove_daemons_conflist(report: &mut Report, path: &Path, state: &State) -> Result<(), InstallError> {
    if state.entry(path).is_some() || !path.exists() {
        return Ok(());
    }
    let text = std::fs::read(path).map_err(file("read", path))?;
    let list: Value = serde_json::from_slice(&text).unwrap_or_default();
    if list.pointer("/plugins/0/type").and_then(Value::as_str) == Some("podnet") {
        change::remove(path)?;
        report.say(format!("{}: removed", path.display()));
    } else {
        report.warn(format!("{}: kept: podnet-ipamd did not write it", path.display()));
    }
    Ok(())
}

/// What the daemon kept on the node for all pods. Whatever stays of that is no reason to keep the rest.
fn clean_up(report: &mut Report, config: &Path) {
    match cleanup(&settings::state(config)) {
        Ok(removed) => removed.iter().for_each(|what| report.say(format!("{what}: removed"))),
        Err(error) => report.warn(Chain(&error).to_string()),
    }
}

fn take_back(entry: &Entry) -> Result<String, InstallError> {
    let copy = match &entry.copy {
        Some(copy) => plan::seen(copy)?,
        None => super::item::Seen::Nothing,
    };
    let done = match plan::take_back(entry, &plan::seen(&entry.path)?, &copy) {
        TakeBack::Remove => {
            change::remove(&entry.path)?;
            "removed"
        }
        TakeBack::Restore => {
            if let Some(copy) = &entry.copy {
                change::restore(copy, &entry.path)?;
            }
            "as it was before"
        }
        TakeBack::Leave => {
            if let Some(copy) = &entry.copy {
                change::remove(copy)?;
            }
            "kept: it was changed since"
        }
    };
    Ok(format!("{}: {done}", entry.path.display()))
}
