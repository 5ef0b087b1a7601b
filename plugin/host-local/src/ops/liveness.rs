//! Stale reservations: those that a reboot, or a kill before it, left behind.
//!
//! Pods do not survive a boot, files in `/var/lib` do. A reservation is *stale* when its file is older than
//! this boot and its owner has no live link; an empty file (see [`Holder::Empty`]) when it is older than this
//! boot. Foreign files are never stale. The age protects the pod that is being added and has no link yet; the
//! link protects a pod whose file looks old because the clock was set after it started.

use std::fmt;
use std::net::IpAddr;
use std::time::SystemTime;

use crate::owner::{Holder, ReservationOwner};
use crate::store::{Directory, Reservation, StoreError};

/// How to tell a live reservation from a stale one.
#[derive(Clone, Copy)]
pub struct Liveness<'a> {
    /// When this boot began.
    pub boot: SystemTime,
    /// Whether the owner has a link on this node. A legacy owner has no interface name: any link of the
    /// container counts.
    pub is_alive: &'a dyn Fn(&ReservationOwner) -> bool,
}

impl Liveness<'_> {
    fn is_stale(&self, reservation: &Reservation) -> bool {
        reservation.is_older_than(self.boot)
            && match &reservation.holder {
                Holder::Owner(owner) => !(self.is_alive)(owner),
                Holder::Empty => true,
                Holder::Foreign => false,
            }
    }
}

impl fmt::Debug for Liveness<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Liveness").field("boot", &self.boot).finish_non_exhaustive()
    }
}

/// The stale ones among the reservations of the addresses for which `wanted` holds. Only files older than
/// this boot are read: where a set is full of live pods there is none.
pub(crate) fn stale(
    directory: &Directory,
    liveness: &Liveness<'_>,
    wanted: impl Fn(IpAddr) -> bool,
) -> Result<Vec<Reservation>, StoreError> {
    let mut stale = Vec::new();
    for address in directory.addresses()?.into_iter().filter(|&address| wanted(address)) {
        if directory.modified(address)?.is_none_or(|modified| modified >= liveness.boot) {
            continue;
        }
        stale.extend(directory.reservation(address)?.filter(|reservation| liveness.is_stale(reservation)));
    }
    Ok(stale)
}
