//! Where rules are: one place for each flavour of iptables, and one for native nftables.
//!
//! ```text
//!  look(rule set) ──▶ Pending: empty, or the script that makes the place what it has to be ──▶ commit(script)
//!  look_for_removal ──▶ Pending: empty, or the script that leaves no trace of the agent ─────▶ commit(script)
//! ```
//!
//! A script is one transaction: the kernel has all of it or nothing.

use ipnet::IpNet;
use podnet_daemon_kit::exec::ExecError;
use podnet_masq_rules::{ChainName, Family, RuleSet};

pub(crate) mod detect;
#[cfg(test)]
pub(crate) mod fake;
pub(crate) mod iptables;
pub(crate) mod nftables;

/// What has to be done at one place for one family.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pending {
    /// What was found wrong, in words; empty: nothing has to be done.
    pub(crate) reasons: Vec<&'static str>,
    /// What [`Firewall::commit`] takes.
    pub(crate) script: String,
    /// Rules of others that masquerade ranges which the agent exempts.
    pub(crate) others: Vec<String>,
}

impl Pending {
    /// Whether nothing has to be done.
    pub(crate) fn is_empty(&self) -> bool {
        self.reasons.is_empty()
    }
}

/// A place cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FirewallError {
    /// A program failed.
    #[error("{family}: {doing}")]
    Exec {
        /// Whose rules.
        family: Family,
        /// What was being done.
        doing: &'static str,
        /// The program's words.
        source: ExecError,
    },
    /// The chain holds rules that no ip-masq-agent wrote.
    #[error(
        "{family}: chain {chain} of table nat belongs to another program; choose another with --masq-chain"
    )]
    ForeignChain {
        /// Whose rules.
        family: Family,
        /// The chain.
        chain: ChainName,
    },
    /// What was written is not what is found.
    #[error("{family}: the rules are still different after they were written: {}", reasons.join(", "))]
    NotInForce {
        /// Whose rules.
        family: Family,
        /// What was found wrong.
        reasons: Vec<&'static str>,
    },
}

impl FirewallError {
    /// Whether others held the lock.
    pub(crate) fn is_locked(&self) -> bool {
        matches!(self, Self::Exec { source: ExecError::Locked { .. }, .. })
    }

    /// The kind of error, for the metric.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Exec { source, .. } => source.kind(),
            Self::ForeignChain { .. } => "foreign-chain",
            Self::NotInForce { .. } => "not-in-force",
        }
    }
}

/// A place where rules are.
pub(crate) trait Firewall: Send {
    /// What it is, as `--backend` names it.
    fn name(&self) -> &'static str;

    /// Compares what is found with what is wanted.
    fn look(&mut self, wanted: &RuleSet) -> Result<Pending, FirewallError>;

    /// What is left of an agent with this chain.
    fn look_for_removal(&mut self, family: Family, chain: &ChainName) -> Result<Pending, FirewallError>;

    /// Carries a script out, as a whole or not at all.
    fn commit(&mut self, family: Family, script: &str) -> Result<(), FirewallError>;

    /// The ranges that the rules found exempt. None: there are no complete rules.
    fn exempted(&mut self, family: Family, chain: &ChainName) -> Result<Option<Vec<IpNet>>, FirewallError>;

    /// The rules wanted, as [`Firewall::listing`] gives them when they are in force.
    fn wanted(&self, wanted: &RuleSet) -> Vec<String>;

    /// The rules found, as the place's own tool prints them.
    fn listing(&mut self, family: Family, chain: &ChainName) -> Result<Vec<String>, FirewallError>;
}
