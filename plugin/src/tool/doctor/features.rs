//! What the kernel lacks of what ADD makes.

use podnet_datapath::{Feature, Lacking, probe, try_everything};

use super::finding::{Finding, Severity};
use super::node::{Network, Node};
use crate::error::Error;

/// Asks for the kinds of links, and tries everything else on an empty namespace.
pub(super) fn check(node: &Node) -> Result<Vec<Finding>, Error> {
    Ok(findings(&probe()?, &try_everything()?, node.networks.iter().any(Network::is_vnet)))
}

/// # Arguments
/// `has_vnet`: whether there is a network of mode vnet.
fn findings(kinds: &[Feature], trials: &[Lacking], has_vnet: bool) -> Vec<Finding> {
    let of_kinds = kinds.iter().map(|kind| {
        let (severity, why) = match kind {
            Feature::Veth | Feature::Bridge => (Severity::Error, "no pod gets a network"),
            Feature::Ifb => (Severity::Warning, "limits of what pods send cannot be kept: their ADD fails"),
            Feature::NfTables if has_vnet => (Severity::Error, "pods of mode vnet get no network"),
            Feature::NfTables => (Severity::Warning, "pods with host ports or ipMasq get no network"),
        };
        finding(severity, kind.to_string(), "the kernel lacks it".to_owned(), why.to_owned(), module(*kind))
    });
    let of_trials = trials.iter().map(|Lacking { feature, needed_for, refusal }| {
        let why = format!("needed for {needed_for}: ADD of pods that ask for it fails");
        let fix = r#"modprobe -a nf_tables nft_chain_nat nft_masq nft_fib_inet nft_ct sch_tbf sch_ingress cls_u32 act_mirred || apt-get install --yes "linux-modules-extra-$(uname -r)""#;
        finding(Severity::Warning, (*feature).to_owned(), format!("the kernel refuses: {refusal}"), why, fix)
    });
    of_kinds.chain(of_trials).collect()
}

fn finding(severity: Severity, object: String, problem: String, why: String, fix: &str) -> Finding {
    Finding { severity, check: "kernel", object, problem, why, fix: fix.to_owned() }
}

fn module(kind: Feature) -> &'static str {
    match kind {
        Feature::Veth => "modprobe veth",
        Feature::Bridge => "modprobe bridge",
        Feature::Ifb => "modprobe ifb numifbs=0",
        Feature::NfTables => "modprobe nf_tables",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_pod_needs_is_an_error_and_the_rest_a_warning() {
        let lacking =
            Lacking { feature: "token buckets", needed_for: "limits", refusal: "ENOENT".to_owned() };
        let found = findings(&[Feature::Veth, Feature::Ifb], &[lacking], false);
        let severities: Vec<_> = found.iter().map(|finding| finding.severity).collect();
        assert_eq!(severities, [Severity::Error, Severity::Warning, Severity::Warning]);
        assert_eq!(found[0].fix, "modprobe veth");
        assert!(found[2].problem.contains("ENOENT") && found[2].why.contains("limits"));
        let without_rules = |has_vnet| findings(&[Feature::NfTables], &[], has_vnet)[0].severity;
        assert_eq!((without_rules(false), without_rules(true)), (Severity::Warning, Severity::Error));
    }
}
