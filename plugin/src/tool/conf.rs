//! `podnet conf FILE`: what is wrong with a network configuration, before a runtime finds out.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use ipnet::IpNet;
use podnet_cni::json::inspect;
use podnet_cni::{Args, ListError, NetworkList, Version};
use serde_json::Value;

use super::{Form, json, request};
use crate::error::chain;
use crate::ipam;
use crate::netconf::NetConf;
use crate::outcome::Outcome;
use crate::settings::Settings;
use crate::subnets;

/// What was found in a file.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// What a runtime or podnet would refuse.
    pub(super) errors: Vec<String>,
    /// What nobody reads.
    pub(super) unknown: Vec<String>,
}

/// Checks a file; the exit code is 1 where it has errors.
pub(super) fn run(file: &Path, form: Form) -> Outcome {
    let name = file.display();
    let findings = match read(file)
        .map_err(|error| error.to_string())
        .and_then(|content| findings(&content).map_err(|error| chain(&error)))
    {
        Ok(findings) => findings,
        Err(error) => Findings { errors: vec![error], ..Findings::default() },
    };
    let code = u8::from(!findings.errors.is_empty());
    let Findings { errors, unknown } = findings;
    let stdout = match form {
        Form::Json => json(&serde_json::json!({"file": file, "errors": errors, "unknown": unknown})),
        Form::Table if errors.is_empty() && unknown.is_empty() => format!("{name}: good\n"),
        Form::Table => {
            let errors = errors.iter().map(|error| format!("{name}: error: {error}\n"));
            errors.chain(unknown.iter().map(|unknown| format!("{name}: warning: {unknown}\n"))).collect()
        }
    };
    Outcome { code, ..Outcome::success(stdout) }
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    if file != Path::new("-") {
        return std::fs::read(file);
    }
    let mut content = Vec::new();
    std::io::stdin().lock().read_to_end(&mut content)?;
    Ok(content)
}

/// What is wrong with a file's content.
pub(super) fn findings(content: &[u8]) -> Result<Findings, ListError> {
    let inspected = NetworkList::inspect(content)?;
    let mut findings = Findings {
        errors: inspected.errors.iter().map(chain_of).collect(),
        unknown: inspected.unknown.iter().map(ToString::to_string).collect(),
    };
    let NetworkList { name, cni_version, plugins, .. } = inspected.list;
    match Version::from_name(&cni_version) {
        None if !cni_version.is_empty() => {
            findings.errors.push(format!("cniVersion: {cni_version:?} is none that podnet speaks"));
        }
        _ => {}
    }
    let mut seen: Vec<(String, IpNet)> = Vec::new();
    for (index, plugin) in plugins.iter().enumerate().filter(|(_, plugin)| is_podnet(plugin)) {
        let path = format!("plugins[{index}]");
        let settings = inspect_entry(&mut findings, &path, &name, plugin);
        let of_entry = settings.map(|settings| settings.ipam.subnets()).unwrap_or_default();
        for subnet in &of_entry {
            let overlapping = seen.iter().filter(|(_, other)| subnets::overlap(*subnet, *other));
            findings.errors.extend(overlapping.map(|(earlier, other)| {
                format!("{path}: subnet {subnet} overlaps {other} of {earlier}: pods of both get the same addresses")
            }));
        }
        seen.extend(of_entry.into_iter().map(|subnet| (path.clone(), subnet)));
    }
    Ok(findings)
}

fn is_podnet(plugin: &Value) -> bool {
    plugin.get("type").and_then(Value::as_str) == Some("podnet")
}

/// First the entry's shape, all of it; then, where that is good, its meaning, which is given back.
fn inspect_entry(findings: &mut Findings, path: &str, name: &str, plugin: &Value) -> Option<Settings> {
    let inspection = inspect::<NetConf>(plugin);
    let (ipam_errors, ipam_unknown) = ipam::inspect_shape(plugin);
    let unknown = inspection.unknown.iter().map(ToString::to_string).chain(ipam_unknown);
    let sorted: BTreeSet<String> = unknown.map(|unknown| format!("{path}.{unknown}")).collect();
    findings.unknown.extend(sorted);
    if !inspection.errors.is_empty() || !ipam_errors.is_empty() {
        let errors = inspection.errors.iter().chain(&ipam_errors);
        findings.errors.extend(errors.map(|error| format!("{path}.{}", chain_of(error))));
        return None;
    }
    let network = request::network(name, plugin.clone(), Vec::new()).ok()?;
    let settings = Settings::read(&network, &Args::default());
    settings.map_err(|error| findings.errors.push(format!("{path}: {}", chain_of(&error)))).ok()
}

fn chain_of(error: &(impl std::error::Error + 'static)) -> String {
    chain(error)
}
