//! A policy as an nftables table of the agent's own: `table ip podnet-masq`, or `ip6`.
//!
//! ```text
//!  table ip podnet-masq {
//!      set ranges { type ipv4_addr; flags interval; elements = { … } }     ranges that keep a pod's address, joined
//!      chain postrouting { type nat hook postrouting priority srcnat;      as iptables' POSTROUTING
//!          fib daddr type local return
//!          ip daddr @ranges return
//!          masquerade fully-random } }
//! ```
//!
//! It is compared line by line with what `nft list table` prints. Where only ranges differ, one transaction empties the
//! set and fills it again, and a range that stays is found at every moment. Anything else is replaced as a whole table, in
//! one transaction too; but there the kernel can look into a new set before it is full.
//!
//! Every address is the two halves of them all: an interval has an end.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::cidr;
use crate::rule_set::{Family, PROTOCOLS, RuleSet};

/// The name of the table, in both families.
pub const TABLE: &str = "podnet-masq";

/// What a table holds, as nft prints it: the elements of its set, and every other line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    lines: Vec<String>,
    elements: BTreeSet<String>,
}

impl Listing {
    /// What the table has to be.
    pub fn of(wanted: &RuleSet) -> Self {
        let (family, address) = (word(wanted.family), address_type(wanted.family));
        let elements = elements(&wanted.ranges);
        let mut lines = vec![
            format!("table {family} {TABLE} {{"),
            "comment \"podnet-masq schema 1\"".to_owned(),
            "set ranges {".to_owned(),
            format!("type {address}"),
            "flags interval".to_owned(),
            "}".to_owned(),
            "chain postrouting {".to_owned(),
            "type nat hook postrouting priority srcnat; policy accept;".to_owned(),
            "fib daddr type local return".to_owned(),
            format!("{family} daddr @ranges return"),
        ];
        let fully = if wanted.style.random_fully { " fully-random" } else { "" };
        for protocol in PROTOCOLS {
            for (interval, left) in wanted.style.ports.shares() {
                let size = interval.size();
                let share =
                    if size == left { String::new() } else { format!("numgen random mod {left} < {size} ") };
                lines.push(format!("meta l4proto {protocol} {share}masquerade to :{interval}{fully}"));
            }
        }
        lines.extend([format!("masquerade{fully}"), "}".to_owned(), "}".to_owned()]);
        Self { lines, elements }
    }

    /// Reads what `nft list table` printed.
    pub fn parse(text: &str) -> Self {
        let mut listing = Self::default();
        let mut in_elements = false;
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let mut items = line;
            if let Some(first) = line.strip_prefix("elements = {") {
                in_elements = true;
                items = first;
            }
            if !in_elements {
                listing.lines.push(line.to_owned());
                continue;
            }
            let (items, ends) = items.strip_suffix('}').map_or((items, false), |items| (items, true));
            in_elements = !ends;
            let items = items.split(',').map(str::trim).filter(|item| !item.is_empty());
            listing.elements.extend(items.map(canonical));
        }
        listing
    }

    /// The transaction that makes this listing of the one found, or of no table.
    pub fn to_script(&self, family: Family, found: Option<&Self>) -> String {
        if found.is_none_or(|found| found.lines != self.lines) {
            return removal(family) + &self.text();
        }
        let set = format!("{} {TABLE} ranges", word(family));
        let mut script = format!("flush set {set}\n");
        if !self.elements.is_empty() {
            // Writing to a String cannot fail.
            let _infallible = writeln!(script, "add element {set} {}", self.braced());
        }
        script
    }

    /// The table in nft's language, a statement a line.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            // Writing to a String cannot fail.
            let _infallible = writeln!(text, "{line}");
            if line == "flags interval" && !self.elements.is_empty() {
                let _infallible = writeln!(text, "elements = {}", self.braced());
            }
        }
        text
    }

    fn braced(&self) -> String {
        let elements: Vec<&str> = self.elements.iter().map(String::as_str).collect();
        format!("{{ {} }}", elements.join(", "))
    }

    /// The ranges that keep a pod's address. None: the set holds something else.
    pub fn ranges(&self, family: Family) -> Option<Vec<IpNet>> {
        let ranges: Option<Vec<IpNet>> = self.elements.iter().map(|element| range(element)).collect();
        // The halves of all addresses are one range again.
        ranges.map(|ranges| joined(&ranges)).filter(|ranges| ranges.iter().all(|range| family.has(range)))
    }
}

/// The transaction that removes the table, be it there or not.
pub fn removal(family: Family) -> String {
    let family = word(family);
    format!("table {family} {TABLE}\ndelete table {family} {TABLE}\n")
}

/// The family's name in nft's language.
pub fn word(family: Family) -> &'static str {
    match family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
    }
}

fn address_type(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4_addr",
        Family::V6 => "ipv6_addr",
    }
}

/// An interval set takes no range that overlaps another.
fn joined(ranges: &[IpNet]) -> Vec<IpNet> {
    IpNet::aggregate(&ranges.to_vec())
}

/// Ranges as elements.
fn elements(ranges: &[IpNet]) -> BTreeSet<String> {
    let halves = |range: IpNet| -> Vec<IpNet> {
        if range.prefix_len() > 0 { vec![range] } else { range.subnets(1).into_iter().flatten().collect() }
    };
    joined(ranges).into_iter().flat_map(halves).map(|range| element(&range)).collect()
}

/// A range as nft prints it: a single address without its length.
fn element(range: &IpNet) -> String {
    if range.prefix_len() == range.max_prefix_len() { range.addr().to_string() } else { range.to_string() }
}

fn range(element: &str) -> Option<IpNet> {
    element.parse::<IpAddr>().ok().map(IpNet::from).or_else(|| cidr::parse(element).ok())
}

/// The one way to write a range; anything else stays as it is, and differs.
fn canonical(item: &str) -> String {
    range(item).map_or_else(|| item.to_owned(), |range| element(&range))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::Policy;
    use crate::{ChainName, Style};

    fn rule_set(ranges: &[&str], family: Family, ports: &str) -> RuleSet {
        let ranges = ranges.iter().map(|range| range.parse().unwrap()).collect();
        let style = Style { random_fully: true, ports: ports.parse().unwrap() };
        RuleSet { family, chain: ChainName::default(), ranges, style }
    }

    /// As nft 1.0.6 printed it.
    const PRINTED: &str = "table ip podnet-masq {
\tcomment \"podnet-masq schema 1\"
\tset ranges {
\t\ttype ipv4_addr
\t\tflags interval
\t\telements = { 1.2.3.4, 10.0.0.0/8,
\t\t\t     172.16.0.0/12 }
\t}

\tchain postrouting {
\t\ttype nat hook postrouting priority srcnat; policy accept;
\t\tfib daddr type local return
\t\tip daddr @ranges return
\t\tmasquerade fully-random
\t}
}
";

    #[test]
    fn what_nft_prints_is_read() {
        let wanted = rule_set(&["172.16.0.0/12", "10.0.0.0/8", "10.1.0.0/16", "1.2.3.4/32"], Family::V4, "");
        assert_eq!(Listing::parse(PRINTED), Listing::of(&wanted));
        assert_ne!(Listing::parse(&PRINTED.replace("1.2.3.4", "1.2.3.4-1.2.3.9")), Listing::of(&wanted));
        assert_ne!(
            Listing::parse(&PRINTED.replace("\t\tfib daddr type local return\n", "")),
            Listing::of(&wanted)
        );
        assert_ne!(Listing::parse(""), Listing::of(&wanted));
    }

    #[test]
    fn every_address_is_its_halves() {
        let wanted = Listing::of(&rule_set(&["0.0.0.0/0", "10.0.0.0/8"], Family::V4, ""));
        assert_eq!(wanted.elements, ["0.0.0.0/1".to_owned(), "128.0.0.0/1".to_owned()].into());
        assert_eq!(wanted.ranges(Family::V4), Some(vec!["0.0.0.0/0".parse().unwrap()]));
    }

    #[test]
    fn where_only_ranges_differ_the_table_stays() {
        let found = Listing::of(&rule_set(&["10.0.0.0/8", "1.0.0.0/8"], Family::V4, ""));
        let wanted = Listing::of(&rule_set(&["10.0.0.0/8", "2.0.0.0/8"], Family::V4, ""));
        let script =
            "flush set ip podnet-masq ranges\nadd element ip podnet-masq ranges { 10.0.0.0/8, 2.0.0.0/8 }\n";
        assert_eq!(wanted.to_script(Family::V4, Some(&found)), script);
        let other_rules = Listing::of(&rule_set(&["10.0.0.0/8"], Family::V4, "5"));
        assert!(wanted.to_script(Family::V4, Some(&other_rules)).starts_with(&removal(Family::V4)));
    }

    #[test]
    fn ports_are_shared_by_size() {
        let script = Listing::of(&rule_set(&[], Family::V6, "1-10,50")).to_script(Family::V6, None);
        assert!(
            script.contains("meta l4proto tcp numgen random mod 11 < 10 masquerade to :1-10 fully-random\n"),
            "{script}"
        );
        assert!(script.contains("meta l4proto sctp masquerade to :50 fully-random\n"), "{script}");
        assert!(
            script.starts_with(
                "table ip6 podnet-masq\ndelete table ip6 podnet-masq\ntable ip6 podnet-masq {\n"
            )
        );
    }

    proptest! {
        #[test]
        fn a_script_is_read_back(ranges in prop::collection::vec((any::<u32>(), 1_u8..=32), 0..20)) {
            let nets: Vec<IpNet> = ranges.iter().map(|(bits, length)| {
                IpNet::new(std::net::Ipv4Addr::from_bits(*bits).into(), *length).unwrap().trunc()
            }).collect();
            let policy = Policy { ranges: nets.clone(), ..Policy::defaults(false) };
            let wanted = RuleSet::of(&policy, Family::V4, ChainName::default(), Style::default());
            let listing = Listing::of(&wanted);
            let script = listing.to_script(Family::V4, None);
            let printed = script.strip_prefix(&removal(Family::V4)).unwrap();
            prop_assert_eq!(&Listing::parse(printed), &listing);
            // The same addresses, whatever was joined.
            let found = listing.ranges(Family::V4).unwrap();
            prop_assert_eq!(IpNet::aggregate(&found), IpNet::aggregate(&wanted.ranges));
        }

        #[test]
        fn any_listing_is_survived(text in "(elements = \\{ [ -~]{0,20}\n|.{0,30}\n){0,6}") {
            Listing::parse(&text).ranges(Family::V4);
        }
    }
}
