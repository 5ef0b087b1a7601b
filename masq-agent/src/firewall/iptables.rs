//! The `nat` table of one flavour of iptables.
//!
//! The `iptables` crate reads (the version, the chain and `POSTROUTING`), iptables-restore writes: chain and jump in one
//! transaction. Only the two chains are listed, whatever else the table holds.

use std::fs;
use std::io;

use ipnet::IpNet;
use podnet_daemon_kit::exec::{self, ExecError};
use podnet_masq_rules::{ChainName, Change, Family, RuleSet, Table};

use super::{Firewall, FirewallError, Pending};

/// Seconds that iptables waits for the lock before it gives up, as upstream's.
const WAIT: &str = "5";

/// A flavour of iptables: whose rules of the kernel it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// `nf_tables`.
    Nft,
    /// The older tables.
    Legacy,
}

impl Flavour {
    /// Both, the newer one first.
    pub(crate) const ALL: [Self; 2] = [Self::Nft, Self::Legacy];

    /// As `--backend` names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nft => "iptables-nft",
            Self::Legacy => "iptables-legacy",
        }
    }
}

/// The programs of a flavour, for each family: the one that lists and the one that restores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Programs {
    list: [&'static str; 2],
    restore: [&'static str; 2],
}

impl Programs {
    /// Those that are called by the flavour's name.
    pub(crate) const fn of(flavour: Flavour) -> Self {
        match flavour {
            Flavour::Nft => Self {
                list: ["iptables-nft", "ip6tables-nft"],
                restore: ["iptables-nft-restore", "ip6tables-nft-restore"],
            },
            Flavour::Legacy => Self {
                list: ["iptables-legacy", "ip6tables-legacy"],
                restore: ["iptables-legacy-restore", "ip6tables-legacy-restore"],
            },
        }
    }

    /// Those that the node means by iptables.
    pub(crate) const PLAIN: Self =
        Self { list: ["iptables", "ip6tables"], restore: ["iptables-restore", "ip6tables-restore"] };

    fn list(self, family: Family) -> &'static str {
        let [v4, v6] = self.list;
        if family == Family::V4 { v4 } else { v6 }
    }

    fn restore(self, family: Family) -> &'static str {
        let [v4, v6] = self.restore;
        if family == Family::V4 { v4 } else { v6 }
    }

    /// What `--version` says, as `iptables v1.8.9 (nf_tables)`.
    pub(crate) fn version(self) -> Result<String, ExecError> {
        self.query(Family::V4, "nat", "--version")
    }

    /// Asks for what changes nothing; `words` are split at spaces.
    pub(crate) fn query(self, family: Family, table: &str, words: &str) -> Result<String, ExecError> {
        let program = self.list(family);
        // Without a wait of the crate's own, which has no end.
        let crate_s =
            ::iptables::IPTables { cmd: program, has_check: true, has_wait: false, is_numeric: false };
        let output = crate_s.execute(table, words).map_err(|error| match error.downcast::<io::Error>() {
            Ok(error) => ExecError::of_start(program, *error),
            Err(other) => ExecError::of_start(program, io::Error::other(other.to_string())),
        })?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(ExecError::of_output(program, &output))
        }
    }
}

/// The `nat` tables of a flavour.
#[derive(Debug)]
pub(crate) struct Iptables {
    flavour: Flavour,
    programs: Programs,
    /// Families whose chain was found, or made, to be the agent's: whatever others write into it is repaired.
    claimed: Vec<Family>,
}

impl Iptables {
    /// The flavour's tables by these programs.
    pub(crate) fn new(flavour: Flavour, programs: Programs) -> Self {
        Self { flavour, programs, claimed: Vec::new() }
    }

    /// Looking at legacy tables would make them: where the kernel lists none there is nothing.
    fn has_table(&self, family: Family) -> bool {
        let names =
            if family == Family::V4 { "/proc/net/ip_tables_names" } else { "/proc/net/ip6_tables_names" };
        self.flavour == Flavour::Nft
            || fs::read_to_string(names).is_ok_and(|names| names.lines().any(|name| name == "nat"))
    }

    /// The two chains as text.
    fn listed(&self, family: Family, chain: &ChainName) -> Result<String, FirewallError> {
        if !self.has_table(family) {
            return Ok(String::new());
        }
        let list = |chain: &str| self.programs.query(family, "nat", &format!("-w {WAIT} -S {chain}"));
        let failed = |source| FirewallError::Exec { family, doing: "list table nat", source };
        let mut text = list("POSTROUTING").map_err(failed)?;
        match list(chain.as_str()) {
            Ok(rules) => text.push_str(&rules),
            // The table was readable just now: the chain is not there, or holds rules that iptables cannot print.
            Err(ExecError::Failed { .. }) => {}
            Err(error) => return Err(failed(error)),
        }
        Ok(text)
    }

    fn table(&self, family: Family, chain: &ChainName) -> Result<Table, FirewallError> {
        Ok(Table::parse(&self.listed(family, chain)?, chain))
    }
}

impl Firewall for Iptables {
    fn name(&self) -> &'static str {
        self.flavour.name()
    }

    fn look(&mut self, wanted: &RuleSet) -> Result<Pending, FirewallError> {
        let (family, chain) = (wanted.family, &wanted.chain);
        let found = self.table(family, chain)?;
        if !self.claimed.contains(&family) {
            if found.is_foreign(chain) {
                return Err(FirewallError::ForeignChain { family, chain: chain.clone() });
            }
            self.claimed.push(family);
        }
        let others = found.other_masquerades().collect();
        Ok(Pending { others, ..pending(&Change::between(wanted, &found)) })
    }

    fn look_for_removal(&mut self, family: Family, chain: &ChainName) -> Result<Pending, FirewallError> {
        let found = self.table(family, chain)?;
        if !self.claimed.contains(&family) && found.is_foreign(chain) {
            return Ok(Pending::default());
        }
        Ok(pending(&Change::removal(chain, &found)))
    }

    fn commit(&mut self, family: Family, script: &str) -> Result<(), FirewallError> {
        exec::run(self.programs.restore(family), &["-w", WAIT, "--noflush"], script)
            .map(drop)
            .map_err(|source| FirewallError::Exec { family, doing: "write table nat", source })
    }

    fn exempted(&mut self, family: Family, chain: &ChainName) -> Result<Option<Vec<IpNet>>, FirewallError> {
        Ok(self.table(family, chain)?.ranges(family))
    }

    fn wanted(&self, wanted: &RuleSet) -> Vec<String> {
        let chain = &wanted.chain;
        let rules = wanted.rules().into_iter().map(|rule| format!("-A {chain} {rule}"));
        [format!("-A POSTROUTING {}", wanted.jump()), format!("-N {chain}")]
            .into_iter()
            .chain(rules)
            .collect()
    }

    fn listing(&mut self, family: Family, chain: &ChainName) -> Result<Vec<String>, FirewallError> {
        let concerns = |line: &&str| line.split([' ', '"']).any(|word| word == chain.as_str());
        Ok(self.listed(family, chain)?.lines().filter(concerns).map(str::to_owned).collect())
    }
}

fn pending(change: &Change) -> Pending {
    Pending { reasons: change.reasons().to_vec(), script: change.to_restore(), others: Vec::new() }
}
