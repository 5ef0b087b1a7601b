//! Rules of the old iptables beside rules of iptables on nftables: each program sees only one kind, the kernel obeys both.

use podnet_datapath::nft::{BaseChain, TableFamily, base_chains};
use podnet_datapath::{LegacyTable, legacy_tables};

use super::finding::{Finding, Severity, quoted};
use super::node::Node;
use crate::error::Error;

/// The tables that iptables makes.
const IPTABLES: [&str; 5] = ["filter", "nat", "mangle", "raw", "security"];

/// Looks at both.
pub(super) fn check(_node: &Node) -> Result<Vec<Finding>, Error> {
    Ok(findings(&base_chains()?, &legacy_tables()?))
}

fn findings(chains: &[BaseChain], tables: &[LegacyTable]) -> Vec<Finding> {
    let has_new = |is_ipv4: bool| {
        let family = if is_ipv4 { TableFamily::Ip } else { TableFamily::Ip6 };
        let is_rule = |chain: &BaseChain| {
            chain.family == family && chain.uses > 0 && IPTABLES.contains(&chain.table.as_str())
        };
        chains.iter().any(is_rule)
    };
    let mixed = tables.iter().filter(|table| table.rules > 0 && has_new(table.is_ipv4));
    mixed.map(finding).collect()
}

fn finding(LegacyTable { is_ipv4, name, rules, .. }: &LegacyTable) -> Finding {
    let family = if *is_ipv4 { "ip" } else { "ip6" };
    let (table, legacy) = (quoted(name), format!("{family}tables-legacy"));
    Finding {
        severity: Severity::Warning,
        check: "rule-engines",
        object: format!("{legacy} table {name}"),
        problem: format!("it has rules ({rules}), and {family}tables-nft has others"),
        why: "a packet has to pass both, and neither program shows or removes the other's rules".to_owned(),
        fix: format!(
            "{legacy}-save -t {table} | {family}tables-nft-restore --noflush && {legacy} -t {table} -F && {legacy} -t \
             {table} -X"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rules_on_both_sides_are_a_mixture() {
        let chain = |table: &str, uses| BaseChain {
            family: TableFamily::Ip,
            table: table.to_owned(),
            name: "FORWARD".to_owned(),
            is_forward: true,
            drops: false,
            uses,
        };
        let legacy =
            |is_ipv4, rules| LegacyTable { is_ipv4, name: "nat".into(), rules, drops_forwarded: false };
        for (chain, legacy, is_mixed) in [
            (chain("filter", 3), legacy(true, 2), true),
            (chain("filter", 0), legacy(true, 2), false),
            (chain("filter", 3), legacy(true, 0), false),
            (chain("filter", 3), legacy(false, 2), false),
            (chain("podnet", 3), legacy(true, 2), false),
        ] {
            assert_eq!(!findings(&[chain], &[legacy]).is_empty(), is_mixed);
        }
    }
}
