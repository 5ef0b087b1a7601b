//! `podnet check`: every pod against what its ADD made, as CHECK looks at it.
//!
//! The record of a pod holds the configuration, the arguments and what IPAM gave, so that nothing has to be asked of
//! the runtime. A pod that comes or goes meanwhile is passed over.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use podnet_cni::json::member;
use podnet_datapath::{OwnerId, PodLink, links};
use serde::Serialize;
use serde_json::Value;

use super::table::{cell, table};
use super::{Form, cached, complaints, json, request};
use crate::cmd::check::{Seen, look};
use crate::error::{Error, chain};
use crate::outcome::Outcome;
use crate::record::{ATTACHMENTS, Record, RecordError, Registry};

/// A pod, and how it differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Checked {
    pub(super) network: String,
    #[serde(rename = "containerID")]
    pub(super) container_id: String,
    pub(super) ifname: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pod: Option<String>,
    /// Empty: all is as ADD made it.
    pub(super) differences: Vec<String>,
}

/// What a look at all pods came to.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// By network, container, interface.
    pub(super) pods: Vec<Checked>,
    /// What could not be looked at, and why.
    pub(super) failures: Vec<String>,
    /// The address daemons that are away: what they know of the pods was not compared.
    pub(super) away: BTreeSet<String>,
}

/// The daemons that did not answer, by `ipam` of the configuration, and why. Each is waited for once.
type Away = BTreeMap<String, String>;

/// Checks the pods of a network, or all; the exit code is 0 without differences, 1 with some, 2 where something could
/// not be looked at.
pub(super) fn run(network: Option<&str>, bin_dir: PathBuf, form: Form) -> Outcome {
    let report = report(network, &[bin_dir])
        .unwrap_or_else(|error| Report { failures: vec![chain(&error)], ..Report::default() });
    let Report { pods, mut failures, away } = report;
    failures.extend(away);
    let differ = pods.iter().any(|pod| !pod.differences.is_empty());
    let code = if failures.is_empty() { u8::from(differ) } else { 2 };
    let stderr = complaints("check", &failures);
    let stdout = match form {
        Form::Json => json(&serde_json::json!(pods)),
        Form::Table => render(&pods),
    };
    Outcome { stderr, code, ..Outcome::success(stdout) }
}

/// Looks at the pods of a network, or at all.
///
/// # Arguments
/// `plugin_dirs`: where IPAM plugins are that have to be executed.
pub(super) fn report(network: Option<&str>, plugin_dirs: &[PathBuf]) -> Result<Report, Error> {
    let is_wanted = |name: &str| network.is_none_or(|network| network == name);
    let mut report = Report::default();
    let mut recorded: Vec<OwnerId> = Vec::new();
    let mut away = Away::new();
    // Links first: a pod that comes meanwhile has its record before its link.
    let links = links()?;
    if let Some(registry) = Registry::open()? {
        recorded = registry.ids()?;
        for &id in &recorded {
            match checked(&registry, id, &is_wanted, plugin_dirs, &mut away) {
                Ok(checked) => report.pods.extend(checked),
                Err(failure) => report.failures.push(failure),
            }
        }
    }
    let lost =
        links.iter().filter(|link| is_wanted(&link.label.network) && !recorded.contains(&link.label.id));
    report.pods.extend(lost.map(unrecorded));
    report.away.extend(away.into_values());
    report.pods.sort_by(|a, b| {
        (&a.network, &a.container_id, &a.ifname).cmp(&(&b.network, &b.container_id, &b.ifname))
    });
    Ok(report)
}

/// One record's pod; nothing where it is another network's, or somebody is at work on it.
fn checked(
    registry: &Registry,
    id: OwnerId,
    is_wanted: &dyn Fn(&str) -> bool,
    plugin_dirs: &[PathBuf],
    away: &mut Away,
) -> Result<Option<Checked>, String> {
    let failure = |error: RecordError| chain(&error);
    let Some(record) = registry.read(id).map_err(failure)? else {
        let is_there = registry.try_lock(id).is_ok_and(|entry| entry.is_some());
        let unreadable = || format!("{ATTACHMENTS}/{id}: damaged, or of a newer version of podnet");
        return if is_there { Err(unreadable()) } else { Ok(None) };
    };
    if !is_wanted(&record.network) || matches!(registry.try_lock(id), Err(RecordError::Busy(_))) {
        return Ok(None);
    }
    let differences = differences(&record, plugin_dirs, away);
    if registry.read(id).map_err(failure)?.as_ref() != Some(&record) {
        return Ok(None);
    }
    let Record { network, container_id, ifname, pod, .. } = record;
    let differences = differences.map_err(|error| {
        format!("interface {ifname} of container {container_id} in network {network}: {error}")
    })?;
    Ok(Some(Checked { network, container_id, ifname, pod, differences }))
}

fn differences(record: &Record, plugin_dirs: &[PathBuf], away: &mut Away) -> Result<Vec<String>, String> {
    if record.reserved.is_none() {
        return Ok(vec!["its ADD was cut short; DEL or podnet gc removes what it left".to_owned()]);
    }
    let attachment = request::attachment(record, cached::result(record), plugin_dirs.to_vec())
        .map_err(|error| chain(&error))?;
    let source = member(&record.config, "ipam").map(Value::to_string).unwrap_or_default();
    match look(&attachment, &record.sandbox, !away.contains_key(&source)) {
        Ok(Seen { differences, unanswered: Some(error) }) if error.is_unheard() => {
            away.insert(source, chain(&error));
            Ok(differences)
        }
        Ok(Seen { differences, unanswered: Some(error) }) if differences.is_empty() => Err(chain(&error)),
        Ok(Seen { differences, .. }) => Ok(differences),
        Err(error @ (Error::Netns(_) | Error::OwnNetns)) => Ok(vec![chain(&error)]),
        Err(error) => Err(chain(&error)),
    }
}

fn unrecorded(link: &PodLink) -> Checked {
    let label = link.label.clone();
    Checked {
        network: label.network,
        container_id: label.container,
        ifname: label.ifname,
        pod: None,
        differences: vec![format!("host link {} has no record in {ATTACHMENTS}", link.name)],
    }
}

fn render(pods: &[Checked]) -> String {
    let rows: Vec<_> = pods
        .iter()
        .flat_map(|pod| {
            let none = pod.differences.is_empty().then_some("none");
            let differences = pod.differences.iter().map(String::as_str).chain(none);
            differences.map(|difference| {
                [
                    cell(&pod.network),
                    cell(pod.pod.as_deref().unwrap_or_default()),
                    cell(&pod.container_id),
                    cell(&pod.ifname),
                    difference.to_owned(),
                ]
            })
        })
        .collect();
    table(["NETWORK", "POD", "CONTAINER", "INTERFACE", "DIFFERENCE"], &rows)
}
