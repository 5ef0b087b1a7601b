//! The agent's own table of nftables, by `nft`.
//!
//! `nft` rather than netlink messages of our own: a change is one process of some milliseconds, far below what is
//! promised, and the language is nftables' stable interface.

use ipnet::IpNet;
use podnet_daemon_kit::exec::{self, ExecError};
use podnet_masq_rules::nft::{self, Listing, TABLE};
use podnet_masq_rules::{ChainName, Family, RuleSet};

use super::{Firewall, FirewallError, Pending};

/// The program.
const NFT: &str = "nft";

/// The tables `ip podnet-masq` and `ip6 podnet-masq`.
#[derive(Debug)]
pub(crate) struct Nftables;

impl Nftables {
    /// Whether nft is there, and the kernel knows `nf_tables`.
    pub(crate) fn probe() -> Result<(), ExecError> {
        exec::run(NFT, &["list", "tables"], "").map(drop)
    }

    /// The table as nft prints it; None: there is none.
    fn listed(family: Family) -> Result<Option<String>, FirewallError> {
        match exec::run(NFT, &["-s", "list", "table", nft::word(family), TABLE], "") {
            Ok(text) => Ok(Some(text)),
            Err(ExecError::Failed { says, .. }) if says.contains("No such file or directory") => Ok(None),
            Err(source) => Err(FirewallError::Exec { family, doing: "list table podnet-masq", source }),
        }
    }
}

impl Firewall for Nftables {
    fn name(&self) -> &'static str {
        "nftables"
    }

    fn look(&mut self, wanted: &RuleSet) -> Result<Pending, FirewallError> {
        let listing = Listing::of(wanted);
        let found = Self::listed(wanted.family)?.map(|text| Listing::parse(&text));
        let reason = match &found {
            Some(found) if *found == listing => return Ok(Pending::default()),
            Some(_) => "table different",
            None => "table missing",
        };
        let script = listing.to_script(wanted.family, found.as_ref());
        Ok(Pending { reasons: vec![reason], script, others: Vec::new() })
    }

    fn look_for_removal(&mut self, family: Family, _chain: &ChainName) -> Result<Pending, FirewallError> {
        Ok(match Self::listed(family)? {
            Some(_) => Pending {
                reasons: vec!["table to be removed"],
                script: nft::removal(family),
                others: Vec::new(),
            },
            None => Pending::default(),
        })
    }

    fn commit(&mut self, family: Family, script: &str) -> Result<(), FirewallError> {
        exec::run(NFT, &["-f", "-"], script).map(drop).map_err(|source| FirewallError::Exec {
            family,
            doing: "write table podnet-masq",
            source,
        })
    }

    fn exempted(&mut self, family: Family, _chain: &ChainName) -> Result<Option<Vec<IpNet>>, FirewallError> {
        Ok(Self::listed(family)?.and_then(|text| Listing::parse(&text).ranges(family)))
    }

    fn wanted(&self, wanted: &RuleSet) -> Vec<String> {
        Listing::of(wanted).text().lines().map(str::to_owned).collect()
    }

    fn listing(&mut self, family: Family, _chain: &ChainName) -> Result<Vec<String>, FirewallError> {
        let found = Self::listed(family)?.map(|text| Listing::parse(&text).text()).unwrap_or_default();
        Ok(found.lines().map(str::to_owned).collect())
    }
}
