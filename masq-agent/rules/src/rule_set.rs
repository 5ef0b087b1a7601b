//! A policy as the rules of one address family, in upstream's words.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::chain_name::ChainName;
use crate::policy::{LINK_LOCAL, LINK_LOCAL_V6, Policy};
use crate::ports::{Interval, Ports};

/// What upstream writes at rules that exempt a range.
pub(crate) const KEEP_COMMENT: &str = "ip-masq-agent: local traffic is not subject to MASQUERADE";
/// What upstream writes at rules that masquerade.
pub(crate) const MASQUERADE_COMMENT: &str =
    "ip-masq-agent: outbound traffic is subject to MASQUERADE (must be last in chain)";
/// What all comments of ip-masq-agents hold.
pub(crate) const AGENT: &str = "ip-masq-agent: ";

/// Protocols that have ports, in upstream's order.
pub(crate) const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];

/// An address family, each with tables of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both, in the order in which they are looked at.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// Whether the range is of this family.
    pub fn has(self, range: &IpNet) -> bool {
        matches!((self, range), (Self::V4, IpNet::V4(_)) | (Self::V6, IpNet::V6(_)))
    }

    /// `IPv4` or `IPv6`.
    pub fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }

    /// The range of every address.
    pub(crate) fn every_address(self) -> IpNet {
        match self {
            Self::V4 => IpNet::V4(Ipv4Net::default()),
            Self::V6 => IpNet::V6(Ipv6Net::default()),
        }
    }

    pub(crate) fn link_local(self) -> IpNet {
        match self {
            Self::V4 => LINK_LOCAL,
            Self::V6 => LINK_LOCAL_V6,
        }
    }
}

impl std::fmt::Display for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// How connections are masqueraded, whatever the policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Style {
    /// Source ports are chosen at random (`--random-fully`).
    pub random_fully: bool,
    /// Source ports of TCP, UDP and SCTP (`--to-ports`).
    pub ports: Ports,
}

/// The rules of one family: what the chain holds, and which chain it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSet {
    /// Whose rules.
    pub family: Family,
    /// The agent's chain.
    pub chain: ChainName,
    /// Destinations that keep a pod's address: link-local addresses first, where they do.
    pub ranges: Vec<IpNet>,
    /// How the others are masqueraded.
    pub style: Style,
}

impl RuleSet {
    /// What the policy means for the family.
    pub fn of(policy: &Policy, family: Family, chain: ChainName, style: Style) -> Self {
        let masq_link_local = match family {
            Family::V4 => policy.masq_link_local,
            Family::V6 => policy.masq_link_local_ipv6,
        };
        let link_local = (!masq_link_local).then(|| family.link_local());
        let own = policy.ranges.iter().copied().filter(|range| family.has(range));
        Self { family, chain, ranges: link_local.into_iter().chain(own).collect(), style }
    }

    /// The rules of the chain, in order, without `-A CHAIN`: as iptables-save prints them, and as iptables-restore
    /// takes them.
    pub fn rules(&self) -> Vec<String> {
        let keep = self.ranges.iter().map(|range| {
            let destination = if range.prefix_len() == 0 { String::new() } else { format!("-d {range} ") };
            format!("{destination}-m comment --comment \"{KEEP_COMMENT}\" -j RETURN")
        });
        let shared = PROTOCOLS.into_iter().flat_map(|protocol| {
            self.style.ports.shares().map(move |(interval, left)| self.share(protocol, interval, left))
        });
        let rest =
            format!("-m comment --comment \"{MASQUERADE_COMMENT}\" -j MASQUERADE{}", self.random_fully());
        keep.chain(shared).chain([rest]).collect()
    }

    /// The rule of `POSTROUTING` that sends what is not for the node itself through the chain.
    pub fn jump(&self) -> String {
        let chain = &self.chain;
        format!(
            "-m comment --comment \"{AGENT}ensure nat POSTROUTING directs all non-LOCAL destination traffic to our \
             custom {chain} chain\" -m addrtype ! --dst-type LOCAL -j {chain}"
        )
    }

    fn share(&self, protocol: &str, interval: Interval, left: u32) -> String {
        let size = interval.size();
        let statistic = if size == left {
            String::new()
        } else {
            format!(" -m statistic --mode random --probability {:.11}", kernel_probability(size, left))
        };
        format!(
            "-p {protocol} -m comment --comment \"{MASQUERADE_COMMENT}\"{statistic} -j MASQUERADE --to-ports \
             {interval}{}",
            self.random_fully()
        )
    }

    fn random_fully(&self) -> &'static str {
        if self.style.random_fully { " --random-fully" } else { "" }
    }
}

/// A share as the kernel keeps it, in units of 2⁻³¹ (`xt_statistic`), so that it is found as it was written.
fn kernel_probability(size: u32, left: u32) -> f64 {
    const UNITS: f64 = 2_147_483_648.0;
    (UNITS * f64::from(size) / f64::from(left)).round() / UNITS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(policy: &Policy, family: Family, random_fully: bool, ports: &str) -> Vec<String> {
        let style = Style { random_fully, ports: ports.parse().unwrap() };
        RuleSet::of(policy, family, ChainName::default(), style).rules()
    }

    #[test]
    fn the_documented_rules_of_the_defaults() {
        let keep =
            "-m comment --comment \"ip-masq-agent: local traffic is not subject to MASQUERADE\" -j RETURN";
        let masquerade = "-m comment --comment \"ip-masq-agent: outbound traffic is subject to MASQUERADE (must be \
                          last in chain)\" -j MASQUERADE";
        let defaults = Policy::defaults(false);
        assert_eq!(
            rules(&defaults, Family::V4, true, ""),
            [
                format!("-d 169.254.0.0/16 {keep}"),
                format!("-d 10.0.0.0/8 {keep}"),
                format!("-d 172.16.0.0/12 {keep}"),
                format!("-d 192.168.0.0/16 {keep}"),
                format!("{masquerade} --random-fully"),
            ]
        );
        assert_eq!(
            rules(&defaults, Family::V6, false, ""),
            [format!("-d fe80::/10 {keep}"), masquerade.to_owned()]
        );
    }

    #[test]
    fn every_address_is_printed_without_a_destination() {
        let all = Policy {
            ranges: vec!["0.0.0.0/0".parse().unwrap()],
            masq_link_local: true,
            ..Policy::defaults(false)
        };
        assert!(rules(&all, Family::V4, true, "")[0].starts_with("-m comment"));
    }

    #[test]
    fn ports_are_shared_by_size() {
        let shares = rules(&Policy::defaults(false), Family::V4, true, "1024-29999,32768-65535");
        assert_eq!(shares.len(), 4 + 6 + 1);
        assert!(shares[4].starts_with("-p tcp -m comment"), "{}", shares[4]);
        let end = " -m statistic --mode random --probability 0.46929256292 -j MASQUERADE --to-ports 1024-29999 --random-fully";
        assert!(shares[4].ends_with(end), "{}", shares[4]);
        assert!(
            shares[5].ends_with(")\" -j MASQUERADE --to-ports 32768-65535 --random-fully"),
            "{}",
            shares[5]
        );
        assert!(shares[8].starts_with("-p sctp "), "{}", shares[8]);
    }

    #[test]
    fn the_documented_jump() {
        let jump =
            RuleSet::of(&Policy::defaults(false), Family::V4, ChainName::default(), Style::default()).jump();
        let wanted = "-m comment --comment \"ip-masq-agent: ensure nat POSTROUTING directs all non-LOCAL destination \
                      traffic to our custom IP-MASQ-AGENT chain\" -m addrtype ! --dst-type LOCAL -j IP-MASQ-AGENT";
        assert_eq!(jump, wanted);
    }
}
