//! What the table nat holds, as `iptables -S` lists it, and the changes that lead to what is wanted.
//!
//! Changes are the input of `iptables-restore --noflush`: one transaction. Another process may have changed the table since the
//! look: for a container's own rules that is no matter, nobody else makes them. What all containers share
//! ([`Changes::touch_shared`]) is made by one process at a time, since no program says "make it unless it is there".

use super::rules::{ContainerRules, ENTRY_CHAIN, MASQUERADE_CHAIN, SET_MARK_CHAIN};

/// The table nat.
#[derive(Debug)]
pub(crate) struct Listing<'a> {
    lines: Vec<&'a str>,
}

impl<'a> Listing<'a> {
    pub(crate) fn read(text: &'a str) -> Self {
        Self { lines: text.lines().collect() }
    }

    pub(crate) fn has_chain(&self, chain: &str) -> bool {
        self.lines.iter().any(|line| line.strip_prefix("-N ") == Some(chain))
    }

    /// Each rule as its chain and the rest of its line.
    fn rules(&self) -> impl Iterator<Item = (&'a str, &'a str)> + '_ {
        self.lines.iter().filter_map(|line| line.strip_prefix("-A ")?.split_once(' '))
    }

    /// Whether the chain has this rule, in the words of the listing.
    pub(crate) fn has_rule(&self, chain: &str, rule: &str) -> bool {
        self.rules().any(|found| found == (chain, rule))
    }

    /// The rules that lead to a chain.
    fn leading_to(&self, chain: &str) -> impl Iterator<Item = (&'a str, &'a str)> + '_ {
        let jump = format!("-j {chain}");
        self.rules().filter(move |(_, rule)| {
            rule.strip_suffix(&*jump).is_some_and(|rest| rest.is_empty() || rest.ends_with(' '))
        })
    }

    /// The containers that rules of this chain are about.
    ///
    /// # Arguments
    /// `comment`: that of the rules of a container whose name is empty; the name stands before the last quote.
    pub(crate) fn containers(&self, chain: &str, comment: &str) -> Vec<String> {
        let before = escaped(comment.trim_end_matches('"'));
        let before = format!("--comment \"{before}\\\"");
        let in_rule = |rule: &str| {
            let (_, rest) = rule.split_once(&*before)?;
            Some(rest.split_once("\\\"")?.0.to_owned())
        };
        let entries = self.rules().filter(|(of, _)| *of == chain);
        let mut containers: Vec<String> = entries.filter_map(|(_, rule)| in_rule(rule)).collect();
        containers.sort_unstable();
        containers.dedup();
        containers
    }

    /// What makes the container's rules the wanted ones.
    pub(super) fn addition(&self, wanted: &ContainerRules) -> Changes {
        let mut changes = Changes::default();
        if let Some(mark) = &wanted.mark {
            self.add_marking(mark, &mut changes);
        }
        self.ensure_chain(ENTRY_CHAIN, &mut changes);
        for base in ["PREROUTING", "OUTPUT"] {
            if !self.leading_to(ENTRY_CHAIN).any(|(from, _)| from == base) {
                changes.line(&format!("-A {base} -m addrtype --dst-type LOCAL -j {ENTRY_CHAIN}"));
            }
        }
        changes.touch_shared = !changes.lines.is_empty();
        let chain = &wanted.chain;
        for (from, rule) in self.leading_to(chain) {
            changes.line(&format!("-D {from} {rule}"));
        }
        let command = if self.has_chain(chain) { "-F" } else { "-N" };
        changes.line(&format!("{command} {chain}"));
        for rule in &wanted.rules {
            changes.rule(&["-A", chain], rule);
        }
        for entry in &wanted.entries {
            changes.rule(&["-A", ENTRY_CHAIN], entry);
        }
        changes
    }

    /// The rules that mark and masquerade stay for all containers, one a mark.
    fn add_marking(&self, mark: &str, changes: &mut Changes) {
        let rules = [
            (
                SET_MARK_CHAIN,
                format!("-m comment --comment \"CNI portfwd masquerade mark\" -j MARK --set-xmark {mark}"),
            ),
            (MASQUERADE_CHAIN, format!("-m mark --mark {mark} -j MASQUERADE")),
        ];
        for (chain, rule) in rules {
            self.ensure_chain(chain, changes);
            if !self.rules().any(|(known, rule)| known == chain && rule.split(' ').any(|word| word == mark)) {
                changes.line(&format!("-A {chain} {rule}"));
            }
        }
        // Before the masquerading of others, which would answer for it.
        if !self.leading_to(MASQUERADE_CHAIN).any(|(from, _)| from == "POSTROUTING") {
            changes.line(&format!(
                "-I POSTROUTING -m comment --comment \"CNI portfwd requiring masquerade\" -j {MASQUERADE_CHAIN}"
            ));
        }
    }

    pub(crate) fn ensure_chain(&self, chain: &str, changes: &mut Changes) {
        if !self.has_chain(chain) {
            changes.line(&format!("-N {chain}"));
        }
    }

    /// What removes these chains and all that leads to them; nothing where there is none of them.
    pub(crate) fn removal(&self, chains: &[String]) -> Option<Changes> {
        let mut changes = Changes::default();
        for chain in chains {
            for (from, rule) in self.leading_to(chain) {
                changes.line(&format!("-D {from} {rule}"));
            }
            if self.has_chain(chain) {
                changes.line(&format!("-F {chain}"));
                changes.line(&format!("-X {chain}"));
            }
        }
        (!changes.lines.is_empty()).then_some(changes)
    }
}

/// Lines of a transaction.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    lines: String,
    /// Whether they make what all containers share.
    pub(crate) touch_shared: bool,
}

impl Changes {
    pub(crate) fn line(&mut self, line: &str) {
        self.lines.extend([line, "\n"]);
    }

    fn rule(&mut self, start: &[&str], words: &[String]) {
        let quoted = words.iter().map(|word| format!(" \"{}\"", escaped(word)));
        let line: String = std::iter::once(start.join(" ")).chain(quoted).collect();
        self.line(&line);
    }

    pub(crate) fn text(&self) -> String {
        format!("*nat\n{}COMMIT\n", self.lines)
    }
}

/// A word as it stands between quotes.
pub(crate) fn escaped(word: &str) -> String {
    word.replace('\\', "\\\\").replace('"', "\\\"")
}
