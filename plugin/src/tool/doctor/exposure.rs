//! What pods can reach or pretend and perhaps should not: which of `antiSpoofing`, `blockWireserver` and `blockIMDS` a network
//! leaves open.

use podnet_datapath::Guard;

use super::finding::{Finding, Severity, set_member};
use super::node::Node;

/// Names what is open in every network of podnet's.
pub(super) fn check(node: &Node) -> Vec<Finding> {
    let mut found = Vec::new();
    for network in &node.networks {
        let Some(settings) = &network.settings else { continue };
        let path = network.file.to_string_lossy();
        found.extend(findings(&network.name, settings.mode.pod().guard, &path, &node.text_of(network)));
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
        fix: set_member(member, "true", file, text),
    };
    open.iter().filter(|(is_closed, ..)| !is_closed).map(finding).collect()
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
}
