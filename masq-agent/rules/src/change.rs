//! What has to be done to a `nat` table: one transaction for iptables-restore, or nothing.
//!
//! The jump belongs where the first one was found, at the end where none was, and in any case before the first rule of
//! `POSTROUTING` that masquerades by itself: behind that one it would decide nothing.

use std::fmt::Write as _;

use crate::chain_name::ChainName;
use crate::rule_set::RuleSet;
use crate::table::{Rule, Table, is_jump, is_masquerade};
use crate::words;

/// The difference between the rules wanted and those found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Lines of the transaction that make the chain what it has to be.
    chain: Vec<String>,
    /// Lines that do the same for the jump.
    jump: Vec<String>,
    /// What was found wrong, in words.
    reasons: Vec<&'static str>,
}

impl Change {
    /// From what is found to what is wanted.
    pub fn between(wanted: &RuleSet, found: &Table) -> Self {
        let mut change = Self::default();
        change.mend_chain(wanted, found);
        change.mend_jump(wanted, found);
        change
    }

    /// From what is found to no trace of the agent.
    pub fn removal(chain: &ChainName, found: &Table) -> Self {
        let jump = found.postrouting.iter().filter_map(|rule| deletion(rule, chain)).collect();
        let mut change = Self { jump, ..Self::default() };
        if !change.jump.is_empty() {
            change.reasons.push("jump to be removed");
        }
        if found.chain.is_some() {
            change.chain = vec![declaration(chain), format!("-X {chain}")];
            change.reasons.push("chain to be removed");
        }
        change
    }

    /// Whether nothing has to be done.
    pub fn is_empty(&self) -> bool {
        self.chain.is_empty() && self.jump.is_empty()
    }

    /// What was found wrong, in words.
    pub fn reasons(&self) -> &[&'static str] {
        &self.reasons
    }

    /// The lines that are executed, in order.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        // A chain goes after what leads to it, and comes before it; the transaction makes no difference to packets.
        let is_removal = self.chain.iter().any(|line| line.starts_with("-X"));
        let (first, then) = if is_removal { (&self.jump, &self.chain) } else { (&self.chain, &self.jump) };
        first.iter().chain(then).map(String::as_str)
    }

    /// Input for `iptables-restore --noflush`.
    pub fn to_restore(&self) -> String {
        let mut text = String::from("*nat\n");
        for line in self.lines() {
            // Writing to a String cannot fail.
            let _infallible = writeln!(text, "{line}");
        }
        text.push_str("COMMIT\n");
        text
    }

    fn mend_chain(&mut self, wanted: &RuleSet, found: &Table) {
        let rules = wanted.rules();
        let is_right = found.chain.as_ref().is_some_and(|chain| {
            chain.len() == rules.len()
                && rules.iter().zip(chain).all(|(rule, found)| words::split(rule).as_ref() == Some(found))
        });
        if is_right {
            return;
        }
        self.reasons.push(match found.chain.as_deref() {
            None => "chain missing",
            Some([]) => "chain empty",
            Some(_) => "chain different",
        });
        self.chain.push(declaration(&wanted.chain));
        self.chain.extend(rules.iter().map(|rule| format!("-A {} {rule}", wanted.chain)));
    }

    fn mend_jump(&mut self, wanted: &RuleSet, found: &Table) {
        let (mut jumps, mut first_jump, mut first_masquerade, mut others) = (Vec::new(), None, None, 0_usize);
        for rule in &found.postrouting {
            if is_jump(rule, &wanted.chain) {
                first_jump.get_or_insert(others);
                jumps.push(rule);
            } else {
                if is_masquerade(rule) {
                    first_masquerade.get_or_insert(others);
                }
                others += 1;
            }
        }
        let is_late = first_jump.zip(first_masquerade).is_some_and(|(jump, masquerade)| jump > masquerade);
        let jump = wanted.jump();
        let reason = match jumps.as_slice() {
            [] => "jump missing",
            [found] if words::split(&jump).as_ref() != Some(*found) => "jump different",
            [_] if is_late => "jump behind a MASQUERADE",
            [_] => return,
            _ => "jump more than once",
        };
        self.reasons.push(reason);
        self.jump = jumps.into_iter().filter_map(|rule| deletion(rule, &wanted.chain)).collect();
        let before = first_jump.into_iter().chain(first_masquerade).min().filter(|before| *before < others);
        self.jump.push(match before {
            Some(before) => format!("-I POSTROUTING {} {jump}", before + 1),
            None => format!("-A POSTROUTING {jump}"),
        });
    }
}

/// Makes the chain, or empties it.
fn declaration(chain: &ChainName) -> String {
    format!(":{chain} - [0:0]")
}

/// None where the rule is no jump, or cannot stand in a line: whoever wrote it has to remove it.
fn deletion(rule: &Rule, chain: &ChainName) -> Option<String> {
    let words = if is_jump(rule, chain) { words::join(rule) } else { None };
    words.map(|words| format!("-D POSTROUTING {words}"))
}

#[cfg(test)]
mod tests;
