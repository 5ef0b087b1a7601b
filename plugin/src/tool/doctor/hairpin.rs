//! Whether a pod reaches itself through a Service: what `hairpinMode` asks for, and what this kernel makes of it.

use podnet_datapath::{parameter, promiscuity_is_no_hairpin};

use super::finding::{Finding, Severity, quoted};
use super::node::Node;
use crate::error::Error;
use crate::mode::Mode;
use crate::netconf::Hairpin;

/// What is known of the node.
#[derive(Debug, Clone, Copy)]
struct Kernel {
    /// A promiscuous bridge alone brings no pod to itself.
    is_6_8: bool,
    /// Frames between pods pass the rules of IPv4.
    is_filtered: bool,
}

/// Looks at every network of mode kubenet.
pub(super) fn check(node: &Node) -> Result<Vec<Finding>, Error> {
    let filter = parameter("bridge/bridge-nf-call-iptables")?;
    let kernel = Kernel { is_6_8: promiscuity_is_no_hairpin(), is_filtered: filter.as_deref() == Some("1") };
    let finding = |network: &super::node::Network| {
        let Mode::Kubenet(kubenet) = &network.settings.as_ref()?.mode else { return None };
        finding(&network.name, &network.file.to_string_lossy(), kubenet.hairpin, kernel)
    };
    Ok(node.networks.iter().filter_map(finding).collect())
}

fn finding(network: &str, file: &str, hairpin: Hairpin, kernel: Kernel) -> Option<Finding> {
    let (problem, why, edit) = match hairpin {
        Hairpin::Promiscuous if kernel.is_6_8 => (
            "hairpinMode is promiscuous-bridge, on a kernel from 6.8 on",
            "the promiscuous bridge itself brings no pod to itself any more; the ports' hairpin mode does, as with \
             hairpin-veth, which needs neither promiscuity nor rules against duplicates",
            r#"s/promiscuous-bridge/hairpin-veth/; s/("promiscMode": *)true/\1false/"#,
        ),
        Hairpin::None if kernel.is_filtered => (
            "hairpinMode is none, and br_netfilter is on",
            "a pod does not reach itself through a Service",
            r#"s/("hairpinMode": *)("none"|false)/\1"hairpin-veth"/"#,
        ),
        Hairpin::Promiscuous | Hairpin::None | Hairpin::Veth => return None,
    };
    Some(Finding {
        severity: Severity::Warning,
        check: "hairpin",
        object: format!("network {network}"),
        problem: problem.to_owned(),
        why: why.to_owned(),
        fix: format!("sed -i -E {} {}", quoted(edit), quoted(file)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_does_not_work_here_is_found() {
        for (hairpin, is_6_8, is_filtered, is_found) in [
            (Hairpin::Veth, true, true, false),
            (Hairpin::Promiscuous, true, true, true),
            (Hairpin::Promiscuous, false, true, false),
            (Hairpin::None, true, true, true),
            (Hairpin::None, true, false, false),
        ] {
            let found = finding("net", "/c/10", hairpin, Kernel { is_6_8, is_filtered });
            assert_eq!(found.is_some(), is_found, "{hairpin:?} {is_6_8} {is_filtered}");
        }
    }
}
