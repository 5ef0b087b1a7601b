//! Why a pod got no address.

use std::fmt;
use std::net::IpAddr;

use crate::owner::Holder;
use crate::store::StoreError;

/// How many files without an owner a message names.
const NAMED: usize = 5;

/// A failed allocation; nothing of it is left. The reference plugin's phrases are kept: people search for
/// them.
#[derive(Debug, thiserror::Error)]
pub enum AllocateError {
    /// Every address of a range set is taken, and no reservation is stale.
    #[error(
        "failed to allocate for range {range_set}: no IP addresses available in range set: {ranges}{}",
        Unowned(unowned)
    )]
    Exhausted {
        /// Index of the set.
        range_set: usize,
        /// The set, as `first-last,…`.
        ranges: String,
        /// Addresses taken by files that name no owner: to be looked at by the node's administrator.
        unowned: Vec<IpAddr>,
    },
    /// The runtime asks for a gateway.
    #[error("failed to allocate for range {range_set}: requested ip {address} is subnet's gateway")]
    RequestedGateway {
        /// Index of the set.
        range_set: usize,
        /// The address.
        address: IpAddr,
    },
    /// The runtime asks for an address that is taken.
    #[error(
        "failed to allocate for range {range_set}: \
         requested IP address {address} is not available in range set {ranges}: held by {holder}"
    )]
    RequestedTaken {
        /// Index of the set.
        range_set: usize,
        /// The set, as `first-last,…`.
        ranges: String,
        /// The address.
        address: IpAddr,
        /// Who has it.
        holder: Holder,
    },
    /// The runtime asks for addresses that lie in no range set, or for several of one set.
    #[error("failed to allocate all requested IPs: {}", List(addresses))]
    RequestedUnmatched {
        /// The addresses left over.
        addresses: Vec<IpAddr>,
    },
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

struct List<'a>(&'a [IpAddr]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, address) in self.0.iter().enumerate() {
            let separator = if index > 0 { ", " } else { "" };
            write!(f, "{separator}{address}")?;
        }
        Ok(())
    }
}

struct Unowned<'a>(&'a [IpAddr]);

impl fmt::Display for Unowned<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(named) = self.0.get(..self.0.len().min(NAMED)).filter(|named| !named.is_empty()) else {
            return Ok(());
        };
        write!(f, "; {} taken by files without an owner: {}", self.0.len(), List(named))?;
        if named.len() < self.0.len() { f.write_str(", …") } else { Ok(()) }
    }
}
