//! Garbage collection: releasing what no attachment in the runtime's list holds.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use crate::owner::{Holder, ReservationOwner};
use crate::store::{Directory, Store, StoreError};

/// File times lag behind the clock by up to one tick of the slowest kernel (`CONFIG_HZ=100`).
const TICK: Duration = Duration::from_millis(10);

/// What a collection did.
#[derive(Debug, Default)]
pub struct Collected {
    /// Addresses released, and who held them.
    pub released: Vec<(IpAddr, ReservationOwner)>,
    /// What could not be looked at or removed; the rest was done.
    pub errors: Vec<StoreError>,
}

/// Releases the reservations for whose owner `is_valid` does not hold (see [`ReservationOwner::is`] for
/// legacy ones).
///
/// Reservations made since `started`, when the collection was asked for, stay: the runtime's list cannot hold
/// an attachment that another runtime is just making. So do files that name no owner. The lock is held for
/// one removal at a time, so that a long collection delays no pod.
pub fn gc(
    store: &Store,
    is_valid: &dyn Fn(&ReservationOwner) -> bool,
    started: SystemTime,
) -> Result<Collected, StoreError> {
    let mut collected = Collected::default();
    let Some(directory) = store.open()? else {
        return Ok(collected);
    };
    let before = started.checked_sub(TICK).unwrap_or(started);
    for address in directory.addresses()? {
        match collect(&directory, address, is_valid, before) {
            Ok(Some(owner)) => collected.released.push((address, owner)),
            Ok(None) => {}
            Err(error) => collected.errors.push(error),
        }
    }
    Ok(collected)
}

fn collect(
    directory: &Directory,
    address: IpAddr,
    is_valid: &dyn Fn(&ReservationOwner) -> bool,
    before: SystemTime,
) -> Result<Option<ReservationOwner>, StoreError> {
    let Some(reservation) = directory.reservation(address)? else {
        return Ok(None);
    };
    let Holder::Owner(owner) = &reservation.holder else {
        return Ok(None);
    };
    let garbage = !is_valid(owner) && reservation.is_older_than(before);
    let removed = garbage && directory.lock()?.remove_unchanged(&reservation)?;
    Ok(removed.then(|| owner.clone()))
}
