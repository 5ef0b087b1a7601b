//! The table in the kernel, by `nft`: a look, and one transaction.

use podnet_daemon_kit::exec::{self, ExecError};
use podnet_datapath::nft::{BaseChain, NftError, TableFamily, base_chains};

use super::table::{self, NAME, NoNodeAddress, TABLE, Table};

/// The program.
const NFT: &str = "nft";

/// Why the rules are not as they have to be.
#[derive(Debug, thiserror::Error)]
pub enum NodeRulesError {
    /// It is not known what they have to be.
    #[error(transparent)]
    NoNodeAddress(#[from] NoNodeAddress),
    /// The kernel does not say what tables there are.
    #[error("cannot look for table {NAME}")]
    Look(#[source] NftError),
    /// The program failed.
    #[error("cannot {doing} table {NAME}")]
    Exec {
        /// What was being done, as a verb.
        doing: &'static str,
        /// The program's words.
        source: ExecError,
    },
    /// The thread that ran the program did not finish.
    #[error("the program was given up")]
    Interrupted(#[source] tokio::task::JoinError),
    /// What was written is not what is found.
    #[error("table {NAME} is different from what was written")]
    NotInForce,
}

/// What is wrong with the table, in words; none: nothing.
pub(super) fn look(wanted: &Table) -> Result<Option<&'static str>, NodeRulesError> {
    Ok(match listed()? {
        Some(found) if found == *wanted => None,
        Some(_) => Some("different"),
        None => Some("missing"),
    })
}

/// Makes the table what it has to be, in one transaction, and looks again.
pub(super) fn write(wanted: &Table) -> Result<(), NodeRulesError> {
    commit("write", &wanted.to_script())?;
    if look(wanted)?.is_none() { Ok(()) } else { Err(NodeRulesError::NotInForce) }
}

/// Removes what an earlier daemon left; whether there was anything. No nft is needed to see that there is nothing.
pub fn remove_left() -> Result<bool, NodeRulesError> {
    let is_ours = |chain: &BaseChain| chain.family == TableFamily::Inet && chain.table == TABLE;
    let chains = base_chains().map_err(NodeRulesError::Look)?;
    if chains.iter().any(is_ours) { remove() } else { Ok(false) }
}

/// Removes the table; whether there was one.
pub(super) fn remove() -> Result<bool, NodeRulesError> {
    let is_there = listed()?.is_some();
    if is_there {
        commit("remove", &table::removal())?;
    }
    Ok(is_there)
}

fn commit(doing: &'static str, script: &str) -> Result<(), NodeRulesError> {
    exec::run(NFT, &["-f", "-"], script).map(drop).map_err(|source| NodeRulesError::Exec { doing, source })
}

/// The table as nft prints it, without what its counters counted; none: there is none.
fn listed() -> Result<Option<Table>, NodeRulesError> {
    let words: Vec<&str> = ["-s", "list", "table"].into_iter().chain(NAME.split(' ')).collect();
    match exec::run(NFT, &words, "") {
        Ok(text) => Ok(Some(Table::parse(&text))),
        Err(ExecError::Failed { says, .. }) if says.contains("No such file or directory") => Ok(None),
        Err(source) => Err(NodeRulesError::Exec { doing: "read", source }),
    }
}
