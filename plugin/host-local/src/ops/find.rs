//! Which addresses an attachment has, when only the directory knows.

use std::net::IpAddr;

use crate::owner::{Holder, ReservationOwner};
use crate::store::{Directory, Reservation, Store, StoreError};

/// What a search found.
#[derive(Debug)]
pub(super) struct Found {
    /// In ascending order.
    pub(super) addresses: Vec<IpAddr>,
    /// The first file that could not be read; the others were.
    pub(super) failure: Option<StoreError>,
}

/// The addresses reserved for `owner`, in ascending order; none where there is no directory.
///
/// Every reservation of the network is read. As in the reference plugin, a legacy reservation of the
/// container counts only where the attachment has no other.
pub fn find(store: &Store, owner: &ReservationOwner) -> Result<Vec<IpAddr>, StoreError> {
    let Some(directory) = store.open()? else {
        return Ok(Vec::new());
    };
    let Found { addresses, failure } = search(&directory, owner)?;
    failure.map_or(Ok(addresses), Err)
}

pub(super) fn search(directory: &Directory, owner: &ReservationOwner) -> Result<Found, StoreError> {
    let (mut own, mut legacy, mut failure) = (Vec::new(), Vec::new(), None);
    for address in directory.addresses()? {
        match directory.reservation(address) {
            Ok(Some(Reservation { holder: Holder::Owner(holder), .. })) => {
                if holder == *owner {
                    own.push(address);
                } else if holder.covers(owner) {
                    legacy.push(address);
                }
            }
            Ok(_) => {}
            Err(error) => {
                failure.get_or_insert(error);
            }
        }
    }
    let mut addresses = if own.is_empty() { legacy } else { own };
    addresses.sort_unstable();
    Ok(Found { addresses, failure })
}
