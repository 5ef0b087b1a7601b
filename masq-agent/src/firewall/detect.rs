//! Which place is the node's.
//!
//! `auto` goes by what kubelet leaves for this very purpose (the chains `KUBE-IPTABLES-HINT` and `KUBE-KUBELET-CANARY` of
//! table mangle), else by the flavour that holds more rules, else by what `iptables` in PATH is.

use std::fs;

use podnet_daemon_kit::exec::ExecError;
use podnet_masq_rules::{ChainName, Family};

use super::Firewall;
use super::iptables::{Flavour, Iptables, Programs};
use super::nftables::Nftables;
use crate::settings::Choice;

/// Chains by which kubelet says which flavour it uses.
const HINTS: [&str; 2] = ["KUBE-IPTABLES-HINT", "KUBE-KUBELET-CANARY"];

/// Tables whose rules are counted.
const TABLES: [&str; 3] = ["filter", "nat", "mangle"];

/// Where the rules go, and where else they might be.
pub(crate) struct Places {
    /// The place that is kept.
    pub(crate) chosen: Box<dyn Firewall>,
    /// Why it is this one, in words.
    pub(crate) because: String,
    /// Places in which nothing of the agent may be.
    pub(crate) others: Vec<Box<dyn Firewall>>,
    /// Whether the chosen place's changes can be heard of.
    pub(crate) notifies: bool,
    /// The version of iptables, for what old ones do not know; None: iptables is not used.
    pub(crate) version: Option<String>,
}

/// The node has nothing to write rules with.
#[derive(Debug, thiserror::Error)]
#[error("no backend {wanted} on this node")]
pub(crate) struct DetectError {
    wanted: &'static str,
    source: ExecError,
}

/// The flavours whose programs are there.
struct Installed {
    nft: Option<Programs>,
    legacy: Option<Programs>,
    /// What `iptables` is, and its version.
    plain: Result<(Flavour, String), ExecError>,
}

/// Finds the place to keep.
pub(crate) fn detect(choice: Choice, chain: &ChainName) -> Result<Places, DetectError> {
    if choice == Choice::Nftables {
        Nftables::probe().map_err(|source| DetectError { wanted: "nftables", source })?;
        let others = flavours(&Installed::find(), None);
        return Ok(Places {
            chosen: Box::new(Nftables),
            because: "asked for".to_owned(),
            others,
            notifies: true,
            version: None,
        });
    }
    let installed = Installed::find();
    let (flavour, because) = match choice {
        Choice::IptablesNft => (Flavour::Nft, "asked for".to_owned()),
        Choice::IptablesLegacy => (Flavour::Legacy, "asked for".to_owned()),
        Choice::Auto | Choice::Nftables => installed.auto(chain)?,
    };
    let missing = || DetectError {
        wanted: flavour.name(),
        source: ExecError::Missing { program: flavour.name().to_owned() },
    };
    let programs = installed.programs(flavour).ok_or_else(missing)?;
    let unusable = |source| DetectError { wanted: flavour.name(), source };
    programs.query(Family::V4, "nat", "-w 5 -S POSTROUTING").map(drop).or_else(|error| {
        // A lock that is held, or a chain that iptables cannot print, says nothing about the backend.
        if error.is_lack_of_backend() { Err(unusable(error)) } else { Ok(()) }
    })?;
    let mut others = flavours(&installed, Some(flavour));
    others.push(Box::new(Nftables));
    Ok(Places {
        chosen: Box::new(Iptables::new(flavour, programs)),
        because,
        others,
        notifies: flavour == Flavour::Nft,
        version: programs.version().ok(),
    })
}

/// The tables of all installed flavours but one.
fn flavours(installed: &Installed, except: Option<Flavour>) -> Vec<Box<dyn Firewall>> {
    Flavour::ALL
        .into_iter()
        .filter(|flavour| Some(*flavour) != except)
        .filter_map(|flavour| {
            let programs = installed.programs(flavour)?;
            Some(Box::new(Iptables::new(flavour, programs)) as Box<dyn Firewall>)
        })
        .collect()
}

impl Installed {
    fn find() -> Self {
        let plain = Programs::PLAIN.version().map(|version| (flavour_of(&version), version));
        let named = |flavour| {
            let programs = Programs::of(flavour);
            let is_plain = plain.as_ref().is_ok_and(|(plain, _)| *plain == flavour);
            programs.version().ok().map(|_| programs).or_else(|| is_plain.then_some(Programs::PLAIN))
        };
        Self { nft: named(Flavour::Nft), legacy: named(Flavour::Legacy), plain }
    }

    fn programs(&self, flavour: Flavour) -> Option<Programs> {
        match flavour {
            Flavour::Nft => self.nft,
            Flavour::Legacy => self.legacy,
        }
    }

    fn auto(self: &Installed, chain: &ChainName) -> Result<(Flavour, String), DetectError> {
        for flavour in Flavour::ALL {
            if let Some(hint) = HINTS.into_iter().find(|hint| self.has_chain(flavour, hint)) {
                return Ok((flavour, format!("kubelet's chain {hint} is there")));
            }
        }
        let [nft, legacy] = Flavour::ALL.map(|flavour| self.count(flavour, chain));
        if nft != legacy {
            let flavour = if nft > legacy { Flavour::Nft } else { Flavour::Legacy };
            return Ok((
                flavour,
                format!("of the node's rules {nft} are of iptables-nft, {legacy} of iptables-legacy"),
            ));
        }
        match &self.plain {
            Ok((flavour, version)) => {
                Ok((*flavour, format!("no other rules tell, and iptables is {}", version.trim())))
            }
            Err(_) if self.nft.is_some() => {
                Ok((Flavour::Nft, "no other rules tell, and iptables-nft is there".to_owned()))
            }
            Err(_) if self.legacy.is_some() => {
                Ok((Flavour::Legacy, "no other rules tell, and iptables-legacy is there".to_owned()))
            }
            Err(_) => Err(DetectError {
                wanted: "iptables-nft or iptables-legacy",
                source: ExecError::Missing { program: "iptables".to_owned() },
            }),
        }
    }

    fn has_chain(&self, flavour: Flavour, chain: &str) -> bool {
        self.list(flavour, "mangle", &format!("-w 5 -S {chain}")).is_some()
    }

    /// How many rules others have there.
    fn count(&self, flavour: Flavour, chain: &ChainName) -> usize {
        let is_foreign =
            |line: &&str| line.starts_with("-A ") && !line.split(' ').any(|word| word == chain.as_str());
        TABLES
            .iter()
            .filter_map(|table| self.list(flavour, table, "-w 5 -S"))
            .map(|rules| rules.lines().filter(is_foreign).count())
            .sum()
    }

    fn list(&self, flavour: Flavour, table: &str, words: &str) -> Option<String> {
        let has_table = || {
            // Looking at legacy tables would make them.
            fs::read_to_string("/proc/net/ip_tables_names")
                .is_ok_and(|names| names.lines().any(|name| name == table))
        };
        if flavour == Flavour::Legacy && !has_table() {
            return None;
        }
        self.programs(flavour)?.query(Family::V4, table, words).ok()
    }
}

/// Versions before 1.8 have one flavour and do not name it.
fn flavour_of(version: &str) -> Flavour {
    if version.contains("nf_tables") { Flavour::Nft } else { Flavour::Legacy }
}

/// Whether this iptables knows `--random-fully`: version 1.6.2 and later.
pub(crate) fn knows_random_fully(version: &str) -> bool {
    let number = version.split([' ', '\n']).find_map(|word| word.strip_prefix('v'));
    let parts: Vec<u32> = number
        .into_iter()
        .flat_map(|number| number.split('.'))
        .filter_map(|part| part.parse().ok())
        .collect();
    parts.is_empty() || parts >= vec![1, 6, 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(flavour_of("iptables v1.8.9 (nf_tables)\n"), Flavour::Nft);
        assert_eq!(flavour_of("iptables v1.8.9 (legacy)\n"), Flavour::Legacy);
        assert_eq!(flavour_of("iptables v1.6.1\n"), Flavour::Legacy);
        for (version, knows) in
            [("1.8.9 (nf_tables)", true), ("1.6.1", false), ("1.6.2", true), ("2.0", true), ("1.4.21", false)]
        {
            assert_eq!(knows_random_fully(&format!("iptables v{version}\n")), knows, "{version}");
        }
    }
}
