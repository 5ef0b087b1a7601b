//! Giving addresses back.
//!
//! What is already gone, be it the file or the whole directory, is no error. A file is removed only when its
//! content, read under the lock, names the owner.

use std::net::IpAddr;

use super::find::{Found, search};
use crate::owner::{Holder, ReservationOwner};
use crate::store::{Directory, Locked, Store, StoreError};

/// Releases whatever `owner` has in this network and returns it. Reads every reservation, before it takes the
/// lock.
pub fn release(store: &Store, owner: &ReservationOwner) -> Result<Vec<IpAddr>, StoreError> {
    let Some(directory) = store.open()? else {
        return Ok(Vec::new());
    };
    let Found { addresses, failure } = search(&directory, owner)?;
    let released = release_in(&directory, owner, &addresses)?;
    failure.map_or(Ok(released), Err)
}

/// Releases those of `addresses` that are the owner's and returns them. Reads only their files.
pub fn release_known(
    store: &Store,
    owner: &ReservationOwner,
    addresses: &[IpAddr],
) -> Result<Vec<IpAddr>, StoreError> {
    let Some(directory) = store.open()? else {
        return Ok(Vec::new());
    };
    release_in(&directory, owner, addresses)
}

/// A failure does not keep the other addresses from being released; the first one is reported.
fn release_in(
    directory: &Directory,
    owner: &ReservationOwner,
    addresses: &[IpAddr],
) -> Result<Vec<IpAddr>, StoreError> {
    if addresses.is_empty() {
        return Ok(Vec::new());
    }
    let locked = directory.lock()?;
    let (mut released, mut failure) = (Vec::new(), None);
    for &address in addresses {
        match release_one(directory, &locked, owner, address) {
            Ok(true) => released.push(address),
            Ok(false) => {}
            Err(error) => {
                failure.get_or_insert(error);
            }
        }
    }
    failure.map_or(Ok(released), Err)
}

fn release_one(
    directory: &Directory,
    locked: &Locked<'_>,
    owner: &ReservationOwner,
    address: IpAddr,
) -> Result<bool, StoreError> {
    match directory.reservation(address)?.map(|reservation| reservation.holder) {
        Some(Holder::Owner(holder)) if holder.covers(owner) => locked.remove(address),
        _ => Ok(false),
    }
}
