//! Firewalls that drop what they have no rule about.

use podnet_datapath::nft::{BaseChain, TableFamily, base_chains};
use podnet_datapath::{LegacyTable, legacy_tables};

use super::finding::{Finding, Severity, quoted};
use super::node::Node;
use crate::error::Error;

/// Looks at the chains that see forwarded packets, of nftables and of the old iptables.
pub(super) fn check(node: &Node) -> Result<Vec<Finding>, Error> {
    Ok(findings(&base_chains()?, &legacy_tables()?, node.has_ipv6()))
}

fn findings(chains: &[BaseChain], tables: &[LegacyTable], has_ipv6: bool) -> Vec<Finding> {
    let is_met = |chain: &&BaseChain| {
        chain.is_forward && chain.drops && (has_ipv6 || chain.family != TableFamily::Ip6)
    };
    let of_chains = chains.iter().filter(is_met).map(|BaseChain { family, table, name, .. }| {
        let fix = match (family, table.as_str(), name.as_str()) {
            (TableFamily::Ip, "filter", "FORWARD") => "iptables-nft -P FORWARD ACCEPT".to_owned(),
            (TableFamily::Ip6, "filter", "FORWARD") => "ip6tables-nft -P FORWARD ACCEPT".to_owned(),
            _ => format!("nft chain {family} {} {} '{{ policy accept; }}'", quoted(table), quoted(name)),
        };
        finding(format!("chain {name} of nftables table {family} {table}"), fix)
    });
    let is_met = |table: &&LegacyTable| table.drops_forwarded && (has_ipv6 || table.is_ipv4);
    let of_tables = tables.iter().filter(is_met).map(|LegacyTable { is_ipv4, name, .. }| {
        let program = if *is_ipv4 { "iptables-legacy" } else { "ip6tables-legacy" };
        let fix = format!("{program} -t {} -P FORWARD ACCEPT", quoted(name));
        finding(format!("chain FORWARD of {program} table {name}"), fix)
    });
    of_chains.chain(of_tables).collect()
}

fn finding(object: String, fix: String) -> Finding {
    Finding {
        severity: Severity::Warning,
        check: "forward-policy",
        object,
        problem: "its policy is to drop".to_owned(),
        why: "what pods send to and get from other nodes is dropped unless a rule accepts it".to_owned(),
        fix,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(family: TableFamily, table: &str, name: &str) -> BaseChain {
        let (table, name) = (table.to_owned(), name.to_owned());
        BaseChain { family, table, name, is_forward: true, drops: true, uses: 0 }
    }

    fn fixes(chains: &[BaseChain], tables: &[LegacyTable], has_ipv6: bool) -> Vec<String> {
        findings(chains, tables, has_ipv6).into_iter().map(|finding| finding.fix).collect()
    }

    #[test]
    fn each_engine_is_mended_by_its_own_program() {
        let chains = [
            chain(TableFamily::Ip, "filter", "FORWARD"),
            chain(TableFamily::Ip6, "filter", "FORWARD"),
            chain(TableFamily::Inet, "firewalld", "filter_FORWARD"),
        ];
        let legacy = LegacyTable { is_ipv4: true, name: "filter".into(), rules: 0, drops_forwarded: true };
        assert_eq!(
            fixes(&chains, &[legacy], true),
            [
                "iptables-nft -P FORWARD ACCEPT",
                "ip6tables-nft -P FORWARD ACCEPT",
                "nft chain inet firewalld filter_FORWARD '{ policy accept; }'",
                "iptables-legacy -t filter -P FORWARD ACCEPT",
            ]
        );
        assert_eq!(fixes(&chains, &[], false).len(), 2);
    }

    #[test]
    fn what_accepts_or_sees_no_forwarded_packets_is_fine() {
        let input = BaseChain { is_forward: false, ..chain(TableFamily::Ip, "filter", "INPUT") };
        let open = BaseChain { drops: false, ..chain(TableFamily::Ip, "filter", "FORWARD") };
        assert_eq!(fixes(&[input, open], &[], true), [""; 0]);
    }
}
