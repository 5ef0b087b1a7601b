//! Whether a pod still holds the addresses it was given.

use std::net::IpAddr;

use crate::owner::{Holder, ReservationOwner};
use crate::store::{Store, StoreError};

/// An address that is not the attachment's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// Nobody has reserved it.
    #[error("address {address} is not reserved for {owner}: there is no reservation")]
    Missing {
        /// The address.
        address: IpAddr,
        /// Who should have it.
        owner: ReservationOwner,
    },
    /// Its file names another owner, or none.
    #[error("address {address} is not reserved for {owner}: it is held by {holder}")]
    Held {
        /// The address.
        address: IpAddr,
        /// Who should have it.
        owner: ReservationOwner,
        /// Who has it.
        holder: Holder,
    },
}

/// Compares the reservations of `addresses` with what they should be: the owner's. Empty when all are.
pub fn check(
    store: &Store,
    owner: &ReservationOwner,
    addresses: &[IpAddr],
) -> Result<Vec<Difference>, StoreError> {
    let directory = store.open()?;
    let mut differences = Vec::new();
    for &address in addresses {
        let reservation = directory.as_ref().map_or(Ok(None), |directory| directory.reservation(address))?;
        match reservation.map(|reservation| reservation.holder) {
            Some(Holder::Owner(holder)) if holder.covers(owner) => {}
            Some(holder) => differences.push(Difference::Held { address, owner: owner.clone(), holder }),
            None => differences.push(Difference::Missing { address, owner: owner.clone() }),
        }
    }
    Ok(differences)
}
