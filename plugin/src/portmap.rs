//! Host ports as the reference portmap plugin makes them: rules of a chain a container, or of a table that all share.
//!
//! ```text
//! Wish ──▶ rules of a family (pure) ─┬─ iptables: -S ──▶ what is missing (pure) ──▶ iptables-restore, one transaction
//!                                    └─ nftables: nft -f, one transaction; nft -j to look
//! ```
//!
//! Whatever one of both programs makes the other finds: names and comments are the reference plugin's, and so is what
//! decides between the two backends. Podnet's own host ports are elsewhere ([`podnet_datapath::nft`]): they come here only
//! where the configuration says `portmapBackend: iptables`, or where the kernel has no nftables.

pub(crate) mod iptables;
pub(crate) mod listing;
mod nftables;
mod rules;
mod shared;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use ipnet::IpNet;

use crate::exec::ExecError;
use crate::host_ports::{PortMappings, first_of_each_family};
use podnet_datapath::reference::hashed_name;

pub(crate) use iptables::{close_loopback, is_usable as has_iptables};

/// Who translates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    /// The programs `iptables` and `ip6tables`, whatever they work on.
    Iptables,
    /// The reference plugin's nftables tables, by the program `nft`.
    Nftables,
}

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    pub(crate) const ALL: [Self; 2] = [Self::V4, Self::V6];

    pub(crate) fn of(pod: IpNet) -> Self {
        if pod.addr().is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// What a container is to have.
#[derive(Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) network: &'a str,
    pub(crate) container: &'a str,
    pub(crate) mappings: &'a PortMappings,
    /// The container's addresses; the first of each family counts.
    pub(crate) addresses: &'a [IpNet],
    pub(crate) options: &'a Options,
}

/// What else the configuration of portmap may say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Give every client's connection the node's address.
    pub(crate) masquerade_all: bool,
    pub(crate) mark: Mark,
    /// Words that a packet must fit too, in the backend's own language: of IPv4, of IPv6.
    pub(crate) conditions: [Vec<String>; 2],
}

/// How packets are marked whose answers need help to come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mark {
    /// By this bit of the packet mark, 0 to 31.
    Bit(u8),
    /// By a chain of somebody else, who masquerades them.
    Chain(String),
}

impl Default for Mark {
    /// Kubernetes uses 14 and 15.
    fn default() -> Self {
        Self::Bit(13)
    }
}

/// What went wrong with a program that changes rules.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PortmapError {
    /// It could not be run.
    #[error("cannot {doing} with {program}")]
    Exec {
        /// The program.
        program: &'static str,
        /// What it was to do.
        doing: &'static str,
        /// Why.
        source: ExecError,
    },
    /// It would not do it.
    #[error("{program} did not {doing}")]
    Refused {
        /// The program.
        program: &'static str,
        /// What it was to do.
        doing: &'static str,
        /// Its words.
        source: Words,
    },
    /// What is made once a node could not be made alone.
    #[error("cannot lock {}", path.display())]
    Lock {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It answered with what is none of its answers.
    #[error("{program} printed what is no list of rules")]
    Unreadable {
        /// The program.
        program: &'static str,
        /// Why.
        source: serde_json::Error,
    },
}

/// What a program said before it failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Words(String);

impl Wish<'_> {
    /// Makes the rules, all or none.
    pub(crate) fn add(&self, backend: Backend) -> Result<(), PortmapError> {
        let pods = first_of_each_family(self.addresses);
        let added = pods.iter().try_for_each(|&pod| match backend {
            Backend::Iptables => iptables::add(self, pod),
            Backend::Nftables => nftables::add(self, pod),
        });
        added.inspect_err(|_| {
            if let Err(error) = remove(self.network, self.container) {
                tracing::warn!(error = crate::error::chain(&error), "cannot take back the rules");
            }
        })
    }

    /// What is not as [`Wish::add`] left it.
    pub(crate) fn check(&self, backend: Backend) -> Result<Vec<String>, PortmapError> {
        let mut differences = Vec::new();
        for pod in first_of_each_family(self.addresses) {
            differences.extend(match backend {
                Backend::Iptables => iptables::check(self, pod)?,
                Backend::Nftables => nftables::check(self, pod)?,
            });
        }
        Ok(differences)
    }
}

/// Removes the rules of a container, of both backends: nobody need remember which one made them. Where there are
/// none, no program is run.
pub(crate) fn remove(network: &str, container: &str) -> Result<(), PortmapError> {
    let removed = Family::ALL.map(|family| {
        iptables::remove(family, &chains_of(network, container)).and(nftables::remove(family, container))
    });
    removed.into_iter().collect()
}

/// Removes the rules of those containers of a network that are not alive.
///
/// The reference plugin's nftables rules do not say which network they are of, so that they stay: they may belong to a
/// container that another network's list would name.
pub(crate) fn collect(network: &str, is_alive: &dyn Fn(&str) -> bool) -> Result<(), PortmapError> {
    for family in Family::ALL {
        for container in iptables::containers(family, network)? {
            if !is_alive(&container) {
                iptables::remove(family, &chains_of(network, &container))?;
            }
        }
    }
    Ok(())
}

/// The chains of a container: that of today, and that of versions before 0.7.
fn chains_of(network: &str, container: &str) -> [String; 2] {
    ["CNI-DN-", "CNI-SN-"].map(|prefix| hashed_name(prefix, &[network, container], LONGEST_CHAIN))
}

/// The longest name of a chain that every iptables takes, in bytes.
const LONGEST_CHAIN: usize = 28;
