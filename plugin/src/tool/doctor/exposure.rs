//! What pods can reach or pretend and perhaps should not: which of `antiSpoofing`, `blockWireserver` and `blockIMDS` a network
//! leaves open.

use podnet_datapath::Guard;

use super::finding::{Finding, Severity, quoted};
use super::node::Node;

/// Names what is open in every network of podnet's.
pub(super) fn check(node: &Node) -> Vec<Finding> {
    let mut found = Vec::new();
    for network in &node.networks {
        let Some(settings) = &network.settings else { continue };
        let file = node.files.iter().find(|file| file.path == network.file);
        let text = file.and_then(|file| file.content.as_ref().ok()).map(|text| String::from_utf8_lossy(text));
        let path = network.file.to_string_lossy();
        found.extend(findings(&network.name, settings.mode.pod().guard, &path, &text.unwrap_or_default()));
    }
    found
}

/// # Arguments
/// `text`: the content of the network's file.
fn findings(network: &str, guard: Guard, file: &str, text: &str) -> Vec<Finding> {
    let open = [
        (
            guard.imds,
            "blockIMDS",
            "pods reach the metadata service 169.254.169.254",
            "in a cloud it gives tokens of the node's identity to whoever asks",
        ),
        (
            guard.wireserver,
            "blockWireserver",
            "pods reach Azure's wireserver 168.63.129.16",
            "on Azure it gives the node's certificates and settings to whoever asks",
        ),
        (
            guard.spoofing,
            "antiSpoofing",
            "pods may send from any address",
            "a pod can pretend to be another machine to whoever trusts addresses",
        ),
    ];
    let finding = |(_, member, problem, why): &(bool, &str, &str, &str)| Finding {
        severity: Severity::Notice,
        check: "exposure",
        object: format!("network {network}"),
        problem: (*problem).to_owned(),
        why: format!("{why}; closed for pods that are added from then on"),
        fix: close(member, file, text),
    };
    open.iter().filter(|(is_closed, ..)| !is_closed).map(finding).collect()
}

/// The edit that sets a member: where it is, else behind `mode`, which every network of podnet's has.
fn close(member: &str, file: &str, text: &str) -> String {
    let edit = if text.contains(&format!("\"{member}\"")) {
        format!(r#"s/("{member}"[[:space:]]*:[[:space:]]*)false/\1true/"#)
    } else {
        format!(r#"s/"mode"[[:space:]]*:[[:space:]]*"[a-z]*"/&, "{member}": true/"#)
    };
    format!("sed -i -E {} {}", quoted(&edit), quoted(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_a_notice_and_what_is_closed_is_none() {
        let found = |guard| findings("net", guard, "/c/10", "{}");
        assert_eq!(found(Guard { spoofing: true, wireserver: true, imds: true }), []);
        let open = found(Guard { wireserver: true, ..Guard::default() });
        assert!(open.iter().all(|finding| finding.severity == Severity::Notice));
        let problems: Vec<_> = open.iter().map(|finding| finding.problem.as_str()).collect();
        assert_eq!(
            problems,
            ["pods reach the metadata service 169.254.169.254", "pods may send from any address"]
        );
    }

    #[test]
    fn a_member_that_is_there_is_changed_and_else_put_in() {
        let there = close("blockIMDS", "/c/10", r#"{"blockIMDS": false}"#);
        assert_eq!(there, r#"sed -i -E 's/("blockIMDS"[[:space:]]*:[[:space:]]*)false/\1true/' /c/10"#);
        let absent = close("blockIMDS", "/c/10", "{}");
        let wanted = r#"sed -i -E 's/"mode"[[:space:]]*:[[:space:]]*"[a-z]*"/&, "blockIMDS": true/' /c/10"#;
        assert_eq!(absent, wanted);
    }
}
