//! How full the networks are.

use podnet_host_local::Usage;

use super::finding::{Finding, Severity, quoted};
use super::node::Node;
use crate::error::Error;

/// Counts.
pub(super) fn check(node: &Node) -> Result<Vec<Finding>, Error> {
    let mut found = Vec::new();
    for network in &node.networks {
        if let Some(settings) = &network.settings {
            found.extend(findings(&network.name, &settings.ipam.usage()?));
        }
    }
    Ok(found)
}

fn findings(network: &str, usages: &[Usage]) -> Vec<Finding> {
    let finding = |usage: &Usage| {
        let Usage { ranges, size, taken } = usage;
        let (severity, why) = if taken >= size {
            (Severity::Error, "the next pod gets no address")
        } else if taken.saturating_mul(10) >= size.saturating_mul(9) {
            (Severity::Warning, "soon pods get no address")
        } else {
            return None;
        };
        Some(Finding {
            severity,
            check: "range",
            object: format!("range {ranges} of network {network}"),
            problem: format!("{taken} of {size} addresses are taken"),
            why: format!("{why}; what is left of dead pods can be freed, else the range is too small"),
            fix: format!("podnet gc --network {}", quoted(network)),
        })
    };
    usages.iter().filter_map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_nearly_full_at_nine_tenths() {
        for (size, taken, severity) in [
            (253, 0, None),
            (253, 227, None),
            (253, 228, Some(Severity::Warning)),
            (253, 253, Some(Severity::Error)),
            (2, 1, None),
            (2, 2, Some(Severity::Error)),
            (u128::MAX, 1, None),
        ] {
            let found = findings("net", &[Usage { ranges: "a-b".to_owned(), size, taken }]);
            assert_eq!(found.first().map(|finding| finding.severity), severity, "{taken} of {size}");
        }
    }
}
