//! `br_netfilter`: whether what neighbours on a bridge send each other passes the node's rules. What pods send that are behind
//! links of their own does in any case.

use podnet_datapath::{links, parameter};

use super::finding::{Finding, Severity, sysctl};
use super::node::Node;
use crate::error::Error;

const IPV4: &str = "bridge/bridge-nf-call-iptables";
const IPV6: &str = "bridge/bridge-nf-call-ip6tables";

/// Looks at the parameters, where pods are on a bridge or will be.
pub(super) fn check(node: &Node) -> Result<Vec<Finding>, Error> {
    if node.bridges().next().is_none() && links()?.iter().all(|link| link.bridge.is_none()) {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    if node.has_ipv4() {
        found.push((IPV4, parameter(IPV4)?));
    }
    if node.has_ipv6() {
        found.push((IPV6, parameter(IPV6)?));
    }
    Ok(findings(&found))
}

/// # Arguments
/// `parameters`: names below `/proc/sys/net`, and values; `None` where the module is not loaded.
fn findings(parameters: &[(&str, Option<String>)]) -> Vec<Finding> {
    let finding = |(name, value): &(&str, Option<String>)| {
        let (problem, fix) = match value.as_deref() {
            Some("0") => ("frames between pods do not pass the node's rules", sysctl(name, "1")),
            None => ("br_netfilter is not loaded", format!("modprobe br_netfilter && {}", sysctl(name, "1"))),
            Some(_) => return None,
        };
        Some(Finding {
            severity: Severity::Warning,
            check: "br-netfilter",
            object: format!("net/{name}"),
            problem: problem.to_owned(),
            why: "network policies do not hold between pods of this node, and pods reached through a Service see the \
                  node's address instead of their neighbour's; pods of mode vnet on a bridge reach no Service"
                .to_owned(),
            fix,
        })
    };
    parameters.iter().filter_map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_and_not_loaded_are_told_apart() {
        let fix = |value: Option<&str>| {
            let found = findings(&[(IPV4, value.map(ToOwned::to_owned))]);
            found.into_iter().next().map(|finding| finding.fix)
        };
        let on = "sysctl -w net.bridge.bridge-nf-call-iptables=1";
        assert_eq!(fix(Some("1")), None);
        assert_eq!(fix(Some("0")).as_deref(), Some(on));
        assert_eq!(fix(None).unwrap(), format!("modprobe br_netfilter && {on}"));
    }
}
