//! `podnet gc`: removes what is left of pods that are no more.

use std::collections::BTreeSet;
use std::path::PathBuf;

use podnet_datapath::Owner;
use serde::Serialize;

use super::table::{cell, table};
use super::{Form, complaints, conf_dir, json, request};
use crate::adopted;
use crate::cmd::gc::collect;
use crate::error::{Error, chain};
use crate::leftovers::{self, Key, Leftover, Listed, Survey};
use crate::outcome::Outcome;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The network
    #[arg(long, value_name = "NAME")]
    network: String,
    /// Print what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// The living containers: ids, one a line, or JSON; - for stdin. Without it, containerd's state and the node's
    /// namespaces decide
    #[arg(long, value_name = "FILE")]
    alive: Option<PathBuf>,
    /// Where the networks' configurations are
    #[arg(long, value_name = "DIR", default_value = conf_dir::CONF_DIR)]
    conf_dir: PathBuf,
    /// Where IPAM plugins are that have to be told
    #[arg(long, value_name = "DIR", default_value = super::BIN_DIR)]
    bin_dir: PathBuf,
}

/// A removal, or what would be one.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Removal {
    network: String,
    #[serde(rename = "containerID")]
    container_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ifname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<String>,
    addresses: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host_link: Option<String>,
    reason: &'static str,
    /// False in a dry run, and where something is left.
    removed: bool,
}

/// Removes; the exit code is 1 where something was left, 2 where nothing could be decided.
pub(super) fn run(options: &Options, form: Form) -> Outcome {
    match removals(options) {
        Err(failure) => Outcome { code: 2, ..Outcome::complaint(complaints("gc", &[failure])) },
        Ok((removals, failures)) => {
            let stdout = match form {
                Form::Json => json(&serde_json::json!(removals)),
                Form::Table => render(&removals, options.dry_run),
            };
            let code = u8::from(!failures.is_empty());
            let mut stderr = complaints("gc", &failures);
            if options.alive.is_none() && !leftovers::has_runtime() {
                stderr += "podnet gc: no containerd to ask: only what has no namespace any more counts as dead; \
                           --alive names the living\n";
            }
            Outcome { stderr, code, ..Outcome::success(stdout) }
        }
    }
}

/// What was removed or would be, and what went wrong.
fn removals(options: &Options) -> Result<(Vec<Removal>, Vec<String>), String> {
    let text = |error: Error| chain(&error);
    let listed = options.alive.as_deref().map(Listed::read).transpose().map_err(|error| chain(&error))?;
    let files = conf_dir::read(&options.conf_dir)
        .map_err(|error| format!("{}: {error}", options.conf_dir.display()))?;
    let data_dirs = conf_dir::data_dirs(&files, &options.network);
    let survey = leftovers::survey(&options.network, &data_dirs, listed.as_ref()).map_err(text)?;
    let removal = |Leftover { trace, reason }: &Leftover, removed| Removal {
        network: options.network.clone(),
        container_id: trace.key.container_id.clone(),
        ifname: trace.key.ifname.clone(),
        pod: trace.pod.clone(),
        addresses: trace.addresses.iter().map(ToString::to_string).collect(),
        host_link: trace.link.as_ref().map(|link| link.name.clone()),
        reason,
        removed,
    };
    if options.dry_run || survey.leftovers.is_empty() {
        let removals = survey.leftovers.iter().map(|leftover| removal(leftover, false)).collect();
        return Ok((removals, Vec::new()));
    }
    let failures = remove(options, &survey, &data_dirs)?;
    let left = leftovers::traces(&options.network, &data_dirs).map_err(text)?;
    let left: BTreeSet<Key> = left.into_iter().map(|trace| trace.key).collect();
    let is_removed = |leftover: &Leftover| !left.contains(&leftover.trace.key);
    let removals = survey.leftovers.iter().map(|leftover| removal(leftover, is_removed(leftover))).collect();
    Ok((removals, failures))
}

/// Removes the leftovers, and says what went wrong.
fn remove(options: &Options, survey: &Survey, data_dirs: &[PathBuf]) -> Result<Vec<String>, String> {
    let dead: BTreeSet<&Key> = survey.leftovers.iter().map(|leftover| &leftover.trace.key).collect();
    let is_valid = |container: &str, ifname: Option<&str>| {
        let key = Key { container_id: container.to_owned(), ifname: ifname.map(ToOwned::to_owned) };
        !dead.contains(&key)
    };
    let mut failures = Vec::new();
    for Leftover { trace, .. } in &survey.leftovers {
        // What only a reservation speaks of is a pod of the reference plugins, perhaps with rules of theirs.
        if let (false, false, Some(ifname)) = (trace.has_record, trace.is_labelled, &trace.key.ifname) {
            let owner = Owner::new(&*options.network, &*trace.key.container_id, &**ifname);
            failures.extend(adopted::remove_linkless(&owner).err().map(|error| chain(&error)));
        }
    }
    for data_dir in data_dirs {
        // An executed IPAM plugin is not asked to collect: it would take the list for all that live.
        let config = serde_json::json!({
            "type": "podnet",
            "name": options.network,
            "ipam": {"type": "host-local", "dataDir": data_dir},
        });
        let network = request::network(&options.network, config, vec![options.bin_dir.clone()]);
        let network = network.map_err(|error| chain(&error))?;
        match collect(&network, &is_valid, survey.begun) {
            Ok(()) => {}
            Err(Error::NotRemoved(errors)) => failures.extend(errors.iter().map(|error| chain(error))),
            Err(error) => failures.push(chain(&error)),
        }
    }
    Ok(failures)
}

fn render(removals: &[Removal], dry_run: bool) -> String {
    let rows: Vec<_> = removals
        .iter()
        .map(|removal| {
            [
                cell(removal.pod.as_deref().unwrap_or_default()),
                cell(&removal.container_id),
                cell(removal.ifname.as_deref().unwrap_or_default()),
                cell(&removal.addresses.join(",")),
                cell(removal.host_link.as_deref().unwrap_or_default()),
                removal.reason.to_owned(),
                match (dry_run, removal.removed) {
                    (true, _) => "would be removed".to_owned(),
                    (false, true) => "removed".to_owned(),
                    (false, false) => "left".to_owned(),
                },
            ]
        })
        .collect();
    table(["POD", "CONTAINER", "INTERFACE", "ADDRESSES", "HOST LINK", "REASON", "RESULT"], &rows)
}
