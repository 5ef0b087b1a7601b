//! What the doctor says.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::tool) enum Severity {
    /// Pods get no network, or do not reach each other.
    Error,
    /// Some do not, or will not when something else happens.
    Warning,
    /// Nothing is wrong; to be known.
    Notice,
}

impl Severity {
    /// As it is written in both forms.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::tool) struct Finding {
    pub(super) severity: Severity,
    /// Which check it is from.
    pub(super) check: &'static str,
    /// What it is about: a parameter, file, link, subnet, pod.
    pub(super) object: String,
    /// What is wrong with it.
    pub(super) problem: String,
    /// What that does to pods.
    pub(super) why: String,
    /// The command, for a shell, that mends it.
    pub(super) fix: String,
}

/// A command that sets a kernel parameter, `name` as below `/proc/sys/net`. In sysctl(8)'s notation a dot in a part of the
/// name is a slash.
pub(super) fn sysctl(name: &str, value: &str) -> String {
    let swapped = |character| match character {
        '/' => '.',
        '.' => '/',
        other => other,
    };
    format!("sysctl -w net.{}={value}", name.chars().map(swapped).collect::<String>())
}

/// The edit that gives a member of a network's file a value, as JSON has it: where it is, else behind `mode`, which every
/// network of podnet's has.
///
/// # Arguments
/// `text`: the content of the file.
pub(super) fn set_member(member: &str, value: &str, file: &str, text: &str) -> String {
    let edit = if text.contains(&format!("\"{member}\"")) {
        format!(r#"s/("{member}"[[:space:]]*:[[:space:]]*)("[^"]*"|[a-z]+)/\1{value}/"#)
    } else {
        format!(r#"s/"mode"[[:space:]]*:[[:space:]]*"[a-z]*"/&, "{member}": {value}/"#)
    };
    format!("sed -i -E {} {}", quoted(&edit), quoted(file))
}

/// A word for a shell.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "/._-+:=@%,".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_in_a_links_name_is_not_taken_for_a_part() {
        assert_eq!(sysctl("ipv4/conf/eth0.7/rp_filter", "2"), "sysctl -w net.ipv4.conf.eth0/7.rp_filter=2");
    }

    #[test]
    fn a_member_that_is_there_is_changed_and_else_put_in() {
        let there = set_member("blockIMDS", "true", "/c/10", r#"{"blockIMDS": false}"#);
        let wanted = r#"sed -i -E 's/("blockIMDS"[[:space:]]*:[[:space:]]*)("[^"]*"|[a-z]+)/\1true/' /c/10"#;
        assert_eq!(there, wanted);
        let absent = set_member("blockIMDS", "true", "/c/10", "{}");
        let wanted = r#"sed -i -E 's/"mode"[[:space:]]*:[[:space:]]*"[a-z]*"/&, "blockIMDS": true/' /c/10"#;
        assert_eq!(absent, wanted);
    }

    #[test]
    fn a_shell_takes_a_quoted_word_as_it_is() {
        assert_eq!(quoted("/etc/cni/net.d/10-a.conflist"), "/etc/cni/net.d/10-a.conflist");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }
}
