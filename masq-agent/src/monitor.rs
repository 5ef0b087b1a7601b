//! Which changes of `nf_tables` concern the agent's rules.

use std::io;

use podnet_daemon_kit::nf_tables::{self, Change, News};
use podnet_masq_rules::nft::TABLE;
use podnet_masq_rules::{ChainName, Family};

/// Hears of changes, and wakes up for those that concern the agent.
pub(crate) struct Monitor {
    news: nf_tables::Monitor,
    chain: ChainName,
}

impl Monitor {
    /// Starts to listen. Changes from now on are heard of.
    pub(crate) fn new(chain: ChainName) -> io::Result<Self> {
        Ok(Self { news: nf_tables::Monitor::new()?, chain })
    }

    /// Waits until something that concerns the agent's rules has changed, and gives the families in which.
    pub(crate) async fn changed(&mut self) -> io::Result<Vec<Family>> {
        let mut changed = Vec::new();
        while changed.is_empty() {
            let chain = &self.chain;
            self.news.burst(|news| add(&mut changed, news, chain)).await?;
        }
        Ok(changed)
    }
}

/// Adds the families whose rules of the agent's the news concern.
fn add(changed: &mut Vec<Family>, news: News<'_>, chain: &ChainName) {
    match news {
        News::Lost => *changed = Family::ALL.to_vec(),
        News::Change(change) => {
            let family = concerns(change, chain);
            changed.extend(family.filter(|family| !changed.contains(family)));
        }
    }
}

/// The family, where a change is about the agent's table, its chain, or the chain that leads to it.
fn concerns(change: Change<'_>, agent: &ChainName) -> Option<Family> {
    let family = match change.family {
        2 => Family::V4,
        10 => Family::V6,
        _ => return None,
    };
    let is_concerned = match change.table {
        table if table == TABLE.as_bytes() => true,
        b"nat" => {
            let is_ours = |chain| chain == agent.as_str().as_bytes() || chain == b"POSTROUTING";
            change.chain.is_none_or(is_ours)
        }
        _ => false,
    };
    is_concerned.then_some(family)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(news: &[(u8, &str, Option<&str>)]) -> Vec<Family> {
        let mut changed = Vec::new();
        for (family, table, chain) in news {
            let (table, chain) = (table.as_bytes(), chain.map(str::as_bytes));
            add(&mut changed, News::Change(Change { family: *family, table, chain }), &ChainName::default());
        }
        changed
    }

    #[test]
    fn only_what_concerns_the_agent_is_heard() {
        for (family, table, chain, expected) in [
            (2, "nat", Some("IP-MASQ-AGENT"), Some(Family::V4)),
            (10, "nat", Some("POSTROUTING"), Some(Family::V6)),
            (2, "nat", Some("KUBE-SERVICES"), None),
            (2, "nat", None, Some(Family::V4)),
            (2, "filter", None, None),
            (10, "podnet-masq", None, Some(Family::V6)),
            (1, "podnet", Some("POSTROUTING"), None),
        ] {
            let expected: Vec<_> = expected.into_iter().collect();
            assert_eq!(heard(&[(family, table, chain)]), expected, "{family} {table} {chain:?}");
        }
    }

    #[test]
    fn a_family_is_named_once_and_what_was_lost_is_both() {
        let rule = (10, "nat", Some("POSTROUTING"));
        let mut changed = heard(&[rule, rule]);
        assert_eq!(changed, [Family::V6]);
        add(&mut changed, News::Lost, &ChainName::default());
        assert_eq!(changed, Family::ALL);
    }
}
