//! What is found in a `nat` table: the agent's chain, and the rules beside its jump.

use ipnet::IpNet;

use crate::chain_name::ChainName;
use crate::cidr;
use crate::rule_set::{AGENT, Family, KEEP_COMMENT, MASQUERADE_COMMENT};
use crate::words;

/// A rule without `-A CHAIN`, word by word.
pub type Rule = Vec<String>;

/// The parts of a `nat` table that concern the agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// The rules of the agent's chain; None: there is no such chain.
    pub chain: Option<Vec<Rule>>,
    /// The rules of `POSTROUTING`.
    pub postrouting: Vec<Rule>,
}

impl Table {
    /// Reads what `iptables -t nat -S` printed, for one chain, several or all. Lines of other chains are passed over.
    pub fn parse(text: &str, chain: &ChainName) -> Self {
        let mut table = Self::default();
        for line in text.lines() {
            // A line that cannot be read is still a rule, and not one of ours.
            let words = words::split(line).unwrap_or_else(|| line.split(' ').map(str::to_owned).collect());
            match words.as_slice() {
                [verb, name] if verb == "-N" && name == chain.as_str() => {
                    table.chain.get_or_insert_default();
                }
                [verb, name, rule @ ..] if verb == "-A" && name == chain.as_str() => {
                    table.chain.get_or_insert_default().push(rule.to_vec());
                }
                [verb, name, rule @ ..] if verb == "-A" && name == "POSTROUTING" => {
                    table.postrouting.push(rule.to_vec());
                }
                _ => {}
            }
        }
        table
    }

    /// Whether the chain is another program's: it holds rules, none of them an ip-masq-agent's, and no agent's jump
    /// leads to it.
    pub fn is_foreign(&self, chain: &ChainName) -> bool {
        let rules = self.chain.as_deref().unwrap_or_default();
        let mut jumps = self.postrouting.iter().filter(|rule| is_jump(rule, chain));
        !rules.is_empty() && !rules.iter().any(is_agents) && !jumps.any(is_agents)
    }

    /// Whether anything of an agent with this chain is there.
    pub fn has_any(&self, chain: &ChainName) -> bool {
        self.chain.is_some() || self.postrouting.iter().any(|rule| is_jump(rule, chain))
    }

    /// Rules of `POSTROUTING` that masquerade by themselves, where no packet mark selects what: they masquerade ranges
    /// that the agent exempts.
    pub fn other_masquerades(&self) -> impl Iterator<Item = String> + '_ {
        let is_selective = |rule: &Rule| rule.iter().any(|word| word == "--mark");
        self.postrouting
            .iter()
            .filter(move |rule| is_masquerade(rule) && !is_selective(rule))
            .filter_map(|rule| words::join(rule))
    }

    /// The ranges of a complete chain, as an agent writes it. None: there is no chain, or it is not complete.
    pub fn ranges(&self, family: Family) -> Option<Vec<IpNet>> {
        let rules = self.chain.as_deref()?;
        let (last, others) = rules.split_last()?;
        let ends_well = is_masquerade(last) && !last.iter().any(|word| word == "-p");
        let keep = others.iter().filter(|rule| !has_comment(rule, MASQUERADE_COMMENT));
        ends_well.then(|| keep.map(|rule| kept_range(rule, family)).collect()).flatten()
    }
}

/// Whether a rule leads to the chain.
pub(crate) fn is_jump(rule: &Rule, chain: &ChainName) -> bool {
    has_target(rule, chain.as_str())
}

/// Whether a rule masquerades whatever it matches.
pub(crate) fn is_masquerade(rule: &Rule) -> bool {
    has_target(rule, "MASQUERADE")
}

fn has_target(rule: &Rule, target: &str) -> bool {
    rule.windows(2).any(|pair| matches!(pair, [option, word] if option == "-j" && word == target))
}

fn has_comment(rule: &Rule, comment: &str) -> bool {
    rule.windows(2).any(|pair| matches!(pair, [option, word] if option == "--comment" && word == comment))
}

/// v2's jump has its comment in quotes of its own.
fn is_agents(rule: &Rule) -> bool {
    rule.windows(2).any(|pair| {
        matches!(pair, [option, word] if option == "--comment" && word.trim_start_matches('"').starts_with(AGENT))
    })
}

/// The destination of a rule that exempts one; every address where it names none.
fn kept_range(rule: &Rule, family: Family) -> Option<IpNet> {
    let words: Vec<&str> = rule.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["-d", range, "-m", "comment", "--comment", KEEP_COMMENT, "-j", "RETURN"] => cidr::parse(range).ok(),
        ["-m", "comment", "--comment", KEEP_COMMENT, "-j", "RETURN"] => Some(family.every_address()),
        _ => None,
    }
}
