//! From the files to the policy in force. A bad file never costs the node its rules.
//!
//! ```text
//!  all files good ──▶ their merge, which is the last good one from now on; no file: defaults
//!  a bad file ──▶ the last good merge ──none──▶ what the kernel's rules were made for ──none──▶ the good files' merge
//!                                                                              ──no good file──▶ defaults
//! ```

use std::fmt;

use podnet_daemon_kit::Chain;
use podnet_masq_rules::Policy;
use podnet_masq_rules::config::{File, Finding, Problem, merge, read};

use crate::settings::Settings;
use crate::source::{Content, SourceError};

/// Where a policy is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// No file says anything.
    Defaults,
    /// These files.
    Files(Vec<String>),
    /// The last good merge; a file is bad now.
    LastGood,
    /// The rules that an agent left in the kernel; a file is bad.
    Kernel,
    /// The good ones of the files; there is no last good merge.
    GoodFiles(Vec<String>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defaults => f.write_str("defaults"),
            Self::Files(names) => write!(f, "{}", names.join(", ")),
            Self::LastGood => f.write_str("the last good configuration"),
            Self::Kernel => f.write_str("the rules found in the kernel"),
            Self::GoodFiles(names) => write!(f, "{}, without the bad files", names.join(", ")),
        }
    }
}

/// A problem of a file, or of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// The file's name; empty: the directory.
    pub(crate) file: String,
    /// What it is.
    pub(crate) says: String,
    /// Whether the file, or the directory, cannot be used.
    pub(crate) is_fatal: bool,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.file.is_empty() { f.write_str(&self.says) } else { write!(f, "{}: {}", self.file, self.says) }
    }
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Configuration {
    /// What is wanted.
    pub(crate) policy: Policy,
    /// Whose wish it is.
    pub(crate) origin: Origin,
    /// What is wrong or odd.
    pub(crate) reports: Vec<Report>,
}

impl Configuration {
    /// Whether every file could be used.
    pub(crate) fn is_good(&self) -> bool {
        !self.reports.iter().any(|report| report.is_fatal)
    }
}

/// Decides what holds. `last_good` is what held before; `kernel` is asked only where nothing did.
pub(crate) fn decide(
    settings: &Settings,
    files: Result<Vec<Content>, SourceError>,
    last_good: Option<&Policy>,
    kernel: impl FnOnce() -> Option<Policy>,
) -> Configuration {
    let (mut reports, mut names, mut good) = (Vec::new(), Vec::new(), Vec::new());
    match files {
        Ok(files) => {
            for (name, content) in files {
                let (file, findings) = one(content, settings.ipv6);
                reports.extend(findings.into_iter().map(|finding| Report { file: name.clone(), ..finding }));
                if let Some(file) = file {
                    names.push(name);
                    good.push(file);
                }
            }
        }
        Err(error) => {
            reports.push(Report { file: String::new(), says: Chain(&error).to_string(), is_fatal: true });
        }
    }
    let is_good = !reports.iter().any(|report| report.is_fatal);
    let merged = || merge(&good, settings.all_reserved_ranges);
    let (policy, origin) = if is_good {
        (merged(), if names.is_empty() { Origin::Defaults } else { Origin::Files(names) })
    } else if let Some(policy) = last_good {
        (policy.clone(), Origin::LastGood)
    } else if let Some(policy) = kernel() {
        (policy, Origin::Kernel)
    } else {
        (merged(), if names.is_empty() { Origin::Defaults } else { Origin::GoodFiles(names) })
    };
    Configuration { policy, origin, reports }
}

/// Reads one file: what it says, unless it is bad, and what is wrong with it.
fn one(content: std::io::Result<Vec<u8>>, ipv6: bool) -> (Option<File>, Vec<Report>) {
    let report = |says: String, is_fatal| Report { file: String::new(), says, is_fatal };
    match content {
        Ok(bytes) => {
            let reading = read(&bytes, ipv6);
            let findings = reading.findings.iter();
            let reports = findings
                .map(|finding: &Finding| report(finding.to_string(), Problem::is_fatal(&finding.problem)));
            (reading.file, reports.collect())
        }
        Err(error) => (None, vec![report(format!("cannot be read: {error}"), true)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> Content {
        (name.to_owned(), Ok(text.as_bytes().to_vec()))
    }

    fn decided(files: Vec<Content>, last_good: Option<&Policy>, kernel: Option<Policy>) -> Configuration {
        decide(&Settings::default(), Ok(files), last_good, || kernel)
    }

    const GOOD: &str = "nonMasqueradeCIDRs: [10.1.0.0/16]";
    const BAD: &str = "nonMasqueradeCIDRs: [10.1.0.1/16]";

    fn policy(range: &str) -> Policy {
        Policy { ranges: vec![range.parse().unwrap()], ..Policy::defaults(false) }
    }

    #[test]
    fn good_files_are_merged() {
        let found = decided(
            vec![file("a", GOOD), file("b", "masqLinkLocal: true")],
            Some(&policy("1.0.0.0/8")),
            None,
        );
        assert_eq!(found.policy, Policy { masq_link_local: true, ..policy("10.1.0.0/16") });
        assert_eq!(found.origin, Origin::Files(vec!["a".into(), "b".into()]));
    }

    #[test]
    fn without_files_the_defaults_hold_again() {
        let found = decided(vec![], Some(&policy("1.0.0.0/8")), None);
        assert_eq!((found.policy, found.origin), (Policy::defaults(false), Origin::Defaults));
    }

    #[test]
    fn a_bad_file_changes_nothing() {
        let (before, kernel) = (policy("1.0.0.0/8"), policy("2.0.0.0/8"));
        let files = || vec![file("a", GOOD), file("b", BAD)];
        let found = decided(files(), Some(&before), Some(kernel.clone()));
        assert_eq!((found.policy, found.origin), (before, Origin::LastGood));
        assert_eq!(found.reports[0].file, "b");
        let found = decided(files(), None, Some(kernel.clone()));
        assert_eq!((found.policy, found.origin), (kernel, Origin::Kernel));
        let found = decided(files(), None, None);
        assert_eq!(
            (found.policy, found.origin),
            (policy("10.1.0.0/16"), Origin::GoodFiles(vec!["a".into()]))
        );
        let found = decided(vec![file("b", BAD)], None, None);
        assert_eq!((found.policy, found.origin), (Policy::defaults(false), Origin::Defaults));
    }

    #[test]
    fn warnings_do_not_make_a_file_bad() {
        let found = decided(vec![file("a", "nonMasqueradeCIDRs: []\nfoo: bar")], None, None);
        assert!(found.is_good());
        assert!(found.policy.ranges.is_empty());
        assert_eq!(found.reports.len(), 2);
    }
}
