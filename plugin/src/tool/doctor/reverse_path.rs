//! Reverse path filtering (RFC 3704): strict, it drops what comes by another link than the way back leads over.
//!
//! The kernel takes the larger of a link's value and that of `all`: 1 is strict, 2 loose (`ip-sysctl.rst`).

use std::collections::BTreeSet;

use podnet_datapath::{parameter, routes};

use super::finding::{Finding, Severity, sysctl};
use super::node::Node;
use crate::error::Error;

/// Looks at the bridges and at the links that other nodes are reached by.
pub(super) fn check(node: &Node) -> Result<Vec<Finding>, Error> {
    let uplinks = routes()?.into_iter().filter(|route| route.via.is_some()).map(|route| route.link);
    let links: BTreeSet<String> = node.bridges().map(ToOwned::to_owned).chain(uplinks).collect();
    let value = |link: &str| -> Result<Option<u32>, Error> {
        Ok(parameter(&format!("ipv4/conf/{link}/rp_filter"))?.and_then(|value| value.parse().ok()))
    };
    let all = value("all")?.unwrap_or_default();
    let mut found = Vec::new();
    for link in links {
        found.extend(value(&link)?.map(|value| (link, value)));
    }
    Ok(findings(all, &found))
}

/// # Arguments
/// `links`: names and values.
fn findings(all: u32, links: &[(String, u32)]) -> Vec<Finding> {
    let finding = |(link, _): &(String, u32)| Finding {
        severity: Severity::Warning,
        check: "reverse-path",
        object: format!("net/ipv4/conf/{link}/rp_filter"),
        problem: "reverse path filtering is strict".to_owned(),
        why: format!(
            "packets that arrive by {link} are dropped where the way back is another link: with several uplinks, \
             with pods of several networks, with host ports"
        ),
        fix: sysctl(&format!("ipv4/conf/{link}/rp_filter"), "2"),
    };
    links.iter().filter(|(_, value)| all.max(*value) == 1).map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_of_both_values_counts_and_the_fix_makes_it_loose() {
        let links = |value| vec![("cbr0".to_owned(), value)];
        for (all, value, is_found) in
            [(0, 0, false), (0, 1, true), (1, 0, true), (1, 1, true), (1, 2, false), (2, 1, false)]
        {
            assert_eq!(!findings(all, &links(value)).is_empty(), is_found, "{all} {value}");
        }
        assert_eq!(findings(1, &links(0))[0].fix, "sysctl -w net.ipv4.conf.cbr0.rp_filter=2");
    }
}
