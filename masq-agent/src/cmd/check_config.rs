//! `check-config`: every problem with its file and line, and the policy that the files make.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::Outcome;
use crate::configuration::decide;
use crate::exit::Exit;
use crate::settings::Settings;
use crate::source;

/// Reads the directory, or these files, and changes nothing.
pub(crate) fn check_config(settings: &Settings, files: &[PathBuf]) -> Outcome {
    let contents = if files.is_empty() {
        source::read(&settings.config_dir)
    } else {
        Ok(files.iter().map(|path| (path.display().to_string(), source::content(path))).collect())
    };
    let found = decide(settings, contents, None, || None);
    let mut text = String::new();
    for report in &found.reports {
        let severity = if report.is_fatal { "error" } else { "warning" };
        // Writing to a String cannot fail.
        let _infallible = writeln!(text, "{severity}: {report}");
    }
    let policy = &found.policy;
    let _infallible = writeln!(
        text,
        "from: {}\nmasqLinkLocal: {}\nmasqLinkLocalIPv6: {}\nnonMasqueradeCIDRs:",
        found.origin, policy.masq_link_local, policy.masq_link_local_ipv6
    );
    for range in &policy.ranges {
        let _infallible = writeln!(text, "- {range}");
    }
    let exit = if found.is_good() { Exit::Done } else { Exit::Configuration };
    Outcome { text, errors: Vec::new(), exit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_named_and_the_merge_shown() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        let settings = Settings { config_dir: directory.path().to_owned(), ..Settings::default() };
        write("ip-masq-agent", "nonMasqueradeCIDRs: [10.1.0.0/16]\nfoo: 1\n");
        let outcome = check_config(&settings, &[]);
        assert_eq!(outcome.exit, Exit::Done);
        assert!(outcome.text.starts_with("warning: ip-masq-agent: line 2: unknown key"), "{}", outcome.text);
        assert!(outcome.text.ends_with("- 10.1.0.0/16\n"), "{}", outcome.text);

        write("ip-masq-user", "\nnonMasqueradeCIDRs: [10.1.0.1/16]");
        let outcome = check_config(&settings, &[]);
        assert_eq!(outcome.exit, Exit::Configuration);
        assert!(
            outcome.text.contains("error: ip-masq-user: line 2: CIDR \"10.1.0.1/16\""),
            "{}",
            outcome.text
        );
        let outcome = check_config(&settings, &[directory.path().join("ip-masq-agent")]);
        assert_eq!(outcome.exit, Exit::Done);
    }
}
