//! Who holds what.

use std::net::IpAddr;
use std::time::SystemTime;

use crate::owner::{Holder, ReservationOwner};
use crate::store::{Store, StoreError};

/// A reservation that names its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserved {
    /// The address.
    pub address: IpAddr,
    /// Whose it is.
    pub owner: ReservationOwner,
    /// When it was made.
    pub since: SystemTime,
}

/// Every reservation of the network that names an owner, by address; none where there is no directory.
pub fn reservations(store: &Store) -> Result<Vec<Reserved>, StoreError> {
    let Some(directory) = store.open()? else {
        return Ok(Vec::new());
    };
    let mut reserved = Vec::new();
    for address in directory.addresses()? {
        let Some(reservation) = directory.reservation(address)? else { continue };
        if let (Holder::Owner(owner), Some(since)) = (reservation.holder.clone(), reservation.modified()) {
            reserved.push(Reserved { address, owner, since });
        }
    }
    reserved.sort_by_key(|reserved| reserved.address);
    Ok(reserved)
}
