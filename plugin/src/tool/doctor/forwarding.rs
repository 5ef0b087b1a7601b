//! Forwarding: without it a pod reaches nobody outside of its own subnet.

use podnet_datapath::parameter;

use super::finding::{Finding, Severity, sysctl};
use super::node::Node;
use crate::error::Error;

/// Looks at the parameters.
pub(super) fn check(node: &Node) -> Result<Vec<Finding>, Error> {
    let mut names = Vec::new();
    if node.has_ipv4() {
        names.push("ipv4/ip_forward".to_owned());
        names.extend(node.bridges().map(|bridge| format!("ipv4/conf/{bridge}/forwarding")));
    }
    names.extend(node.has_ipv6().then(|| "ipv6/conf/all/forwarding".to_owned()));
    let mut found = Vec::new();
    for name in names {
        found.extend(parameter(&name)?.map(|value| (name, value)));
    }
    Ok(findings(&found))
}

/// # Arguments
/// `parameters`: names below `/proc/sys/net`, and values.
fn findings(parameters: &[(String, String)]) -> Vec<Finding> {
    let is_off = |name: &str| parameters.iter().any(|(found, value)| found == name && value == "0");
    let finding = |(name, _): &(String, String)| Finding {
        severity: Severity::Error,
        check: "forwarding",
        object: format!("net/{name}"),
        problem: "forwarding is off".to_owned(),
        why:
            "packets of pods do not leave their subnet, and no Service of another node answers; the next ADD \
              switches it on, what switched it off may do so again"
                .to_owned(),
        fix: sysctl(name, "1"),
    };
    // The node's switch sets those of its links.
    let is_implied = |name: &str| name.starts_with("ipv4/conf/") && is_off("ipv4/ip_forward");
    parameters.iter().filter(|(name, value)| value == "0" && !is_implied(name)).map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixes(parameters: &[(&str, &str)]) -> Vec<String> {
        let parameters: Vec<_> =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        findings(&parameters).into_iter().map(|finding| finding.fix).collect()
    }

    #[test]
    fn every_switch_that_is_off_is_named_once() {
        assert_eq!(fixes(&[("ipv4/ip_forward", "1"), ("ipv4/conf/cbr0/forwarding", "1")]), [""; 0]);
        assert_eq!(
            fixes(&[("ipv4/ip_forward", "0"), ("ipv4/conf/cbr0/forwarding", "0")]),
            ["sysctl -w net.ipv4.ip_forward=1"]
        );
        assert_eq!(
            fixes(&[("ipv4/ip_forward", "1"), ("ipv4/conf/cbr0/forwarding", "0")]),
            ["sysctl -w net.ipv4.conf.cbr0.forwarding=1"]
        );
        assert_eq!(fixes(&[("ipv6/conf/all/forwarding", "0")]), ["sysctl -w net.ipv6.conf.all.forwarding=1"]);
    }
}
