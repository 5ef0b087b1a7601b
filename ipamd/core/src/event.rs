//! What is durable: every change of the pool that must outlive the process.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::attachment::{Attachment, Key};
use crate::family::Addresses;

/// A durable change. Replaying the events of a pool in order gives the same pool
/// ([`Pool::replay`](crate::Pool::replay)); a snapshot is such a sequence, too.
///
/// Times are those of `CLOCK_BOOTTIME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The source offers the addresses of a block. Those known already change their container, and become
    /// assignable if they only waited for that.
    Offered {
        /// The network container (or subnet) that the addresses belong to.
        container: Arc<str>,
        /// Every address of it, the first and the last too.
        block: IpNet,
        /// False while the fabric does not deliver to them.
        programmed: bool,
        /// Since when.
        at: Duration,
    },
    /// The source does not offer the block's addresses any more.
    Withdrawn {
        /// Every address of it.
        block: IpNet,
        /// Since when.
        at: Duration,
    },
    /// A free address had a holder until some time. Only in snapshots: otherwise it follows from `Released`.
    Used {
        /// The address.
        address: IpAddr,
        /// Until when.
        at: Duration,
    },
    /// An attachment holds addresses.
    Assigned {
        /// Who.
        attachment: Arc<Attachment>,
        /// What.
        addresses: Addresses,
        /// Since when.
        at: Duration,
    },
    /// An attachment holds its addresses no more.
    Released {
        /// Who.
        key: Key,
        /// Since when.
        at: Duration,
    },
    /// A free address is to go back to where it came from.
    Returned {
        /// The address.
        address: IpAddr,
        /// Since when.
        at: Duration,
    },
    /// This many addresses are asked for in total.
    Requested(u32),
}
