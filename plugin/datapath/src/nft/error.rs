//! What can go wrong with our nftables.

use std::net::IpAddr;

use nix::errno::Errno;

use super::PortTaken;
use crate::{Label, netlink::NetlinkError};

/// A failed operation on our nftables.
#[derive(Debug, thiserror::Error)]
pub enum NftError {
    /// The kernel has no `nf_tables`, or not the part that the request at fault needs.
    #[error(
        "the kernel lacks nf_tables, its tables of family inet, their nat chains, or what these need (masq, nat, fib, ct)"
    )]
    Unsupported {
        /// The request at fault and the kernel's answer.
        #[source]
        source: NetlinkError,
    },
    /// The table is there with a layout that this program does not know: another version of podnet, another
    /// program or a person made it. Nothing in it was changed.
    #[error("nftables table {table} has the layout {found:?}, not {wanted:?}: another version made it")]
    Layout {
        /// The table's family and name.
        table: String,
        /// The table's comment; empty where it has none.
        found: String,
        /// The comment of a table that this program makes.
        wanted: &'static str,
    },
    /// A port of the node is another pod's.
    #[error("{0}")]
    PortTaken(Box<PortTaken>),
    /// An address is another pod's on the node's network.
    #[error("address {address} is in use on this node, by {holder}")]
    AddressTaken {
        /// The address.
        address: IpAddr,
        /// Who has it.
        holder: Box<Label>,
    },
    /// The rules could not be read.
    #[error("cannot read the nftables rules")]
    Read {
        /// The request at fault and what went wrong with it.
        #[source]
        source: NetlinkError,
    },
    /// The rules could not be changed; nothing of the transaction took effect.
    #[error("cannot change the nftables rules")]
    Change {
        /// The request at fault and what went wrong with it.
        #[source]
        source: NetlinkError,
    },
}

impl NftError {
    /// The error of a request that reads. `EINVAL` is the kernel's word for a part of netfilter that it has
    /// not.
    pub(crate) fn reading(source: NetlinkError) -> Self {
        match source.errno() {
            Some(Errno::EINVAL) => Self::Unsupported { source },
            _ => Self::Read { source },
        }
    }

    /// The error of a transaction that makes all that it needs: what is not there then is not in the kernel.
    pub(super) fn changing(source: NetlinkError) -> Self {
        match source.errno() {
            Some(Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT | Errno::ENOENT) => Self::Unsupported { source },
            _ => Self::Change { source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(errno: Errno) -> NetlinkError {
        NetlinkError::Refused { request: "x".to_owned(), errno, message: None }
    }

    #[test]
    fn a_kernel_without_nf_tables_is_told_from_one_that_refuses() {
        let is_unsupported = |error| matches!(error, NftError::Unsupported { .. });
        // `net/netfilter/nfnetlink.c`: no such subsystem, asked for an object and for a transaction.
        assert!(is_unsupported(NftError::reading(refused(Errno::EINVAL))));
        assert!(is_unsupported(NftError::changing(refused(Errno::EOPNOTSUPP))));
        // No type of chain or expression of that name.
        assert!(is_unsupported(NftError::changing(refused(Errno::ENOENT))));
        for errno in [Errno::EPERM, Errno::ENOMEM] {
            assert!(!is_unsupported(NftError::reading(refused(errno))));
            assert!(!is_unsupported(NftError::changing(refused(errno))));
        }
    }
}
