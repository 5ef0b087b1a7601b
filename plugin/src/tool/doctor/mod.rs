//! `podnet doctor`: what on this node keeps pods from getting a network or from reaching each other.
//!
//! ```text
//!  Node: configurations, command line ─┐
//!  kernel, files ──────────────────────┴─ a check: look, then judge (pure) ──▶ findings
//! ```
//!
//! A check is a file and a line of [`CHECKS`]. What it saw it hands to a pure function, which its tests call with data.
//! Each finding says what is wrong with which object, what comes of it, and the command that mends it.

mod binaries;
mod bridge_filter;
mod conflists;
mod daemon;
mod exposure;
mod features;
mod finding;
mod forward_policy;
mod forwarding;
mod hairpin;
mod masquerading;
mod node;
mod pods;
mod ranges;
mod reverse_path;
mod rule_engines;
mod subnets;
mod uplink;

use std::path::PathBuf;

use finding::{Finding, Severity};
use node::{Cidrs, Node};

use super::{Form, complaints, conf_dir, json};
use crate::error::{Error, chain};
use crate::outcome::Outcome;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Where the networks' configurations are
    #[arg(long, value_name = "DIR", default_value = conf_dir::CONF_DIR)]
    conf_dir: PathBuf,
    /// Where the plugins are
    #[arg(long, value_name = "DIR", default_value = super::BIN_DIR)]
    bin_dir: PathBuf,
    #[command(flatten)]
    cidrs: Cidrs,
}

/// A check: its name, for the case that it cannot look, and what it finds.
type Check = (&'static str, fn(&Node) -> Result<Vec<Finding>, Error>);

const CHECKS: [Check; 16] = [
    ("conflist", |node| Ok(conflists::check(node))),
    ("binary", |node| Ok(binaries::check(node))),
    ("kernel", features::check),
    ("forwarding", forwarding::check),
    ("reverse-path", reverse_path::check),
    ("br-netfilter", bridge_filter::check),
    ("forward-policy", forward_policy::check),
    ("rule-engines", rule_engines::check),
    ("uplink", uplink::check),
    ("subnet", subnets::check),
    ("range", ranges::check),
    ("daemon", |node| Ok(daemon::check(node))),
    ("pod", pods::check),
    ("hairpin", hairpin::check),
    ("masquerading", |node| Ok(masquerading::check(node))),
    ("exposure", |node| Ok(exposure::check(node))),
];

/// Checks everything; the exit code is 1 where there is more than notices, 2 where something could not be looked at.
pub(super) fn run(options: &Options, form: Form) -> Outcome {
    let (findings, failures) = match Node::read(options) {
        Ok(node) => examine(&node),
        Err(error) => (Vec::new(), vec![format!("{}: {error}", options.conf_dir.display())]),
    };
    let is_well = findings.iter().all(|finding| finding.severity == Severity::Notice);
    let code = if failures.is_empty() { u8::from(!is_well) } else { 2 };
    let stdout = match form {
        Form::Json => json(&serde_json::json!(findings)),
        Form::Table => render(&findings),
    };
    Outcome { stderr: complaints("doctor", &failures), code, ..Outcome::success(stdout) }
}

/// The findings, worst first, and what could not be looked at.
fn examine(node: &Node) -> (Vec<Finding>, Vec<String>) {
    let (mut findings, mut failures) = (Vec::new(), Vec::new());
    for (name, check) in CHECKS {
        match check(node) {
            Ok(found) => findings.extend(found),
            Err(error) => failures.push(format!("{name}: {}", chain(&error))),
        }
    }
    findings.sort_by_key(|finding| finding.severity);
    (findings, failures)
}

fn render(findings: &[Finding]) -> String {
    let block = |finding: &Finding| {
        let Finding { severity, check, object, problem, why, fix } = finding;
        format!(
            "{:7} {check}: {object}: {problem}\n        why: {why}\n        fix: {fix}\n",
            severity.word()
        )
    };
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let blocks: Vec<String> = findings.iter().map(block).collect();
    let notices = count(Severity::Notice);
    format!("{}errors: {errors}, warnings: {warnings}, notices: {notices}\n", blocks.concat())
}
