//! Addresses for a pod: one from every range set, or none at all.

use std::net::IpAddr;

use ipnet::IpNet;

use super::allocate_error::AllocateError;
use super::liveness::{Liveness, stale};
use crate::candidates::Candidate;
use crate::owner::{Holder, ReservationOwner};
use crate::range_set::RangeSet;
use crate::store::{Directory, Store, StoreError};

/// What is to be allocated.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// For whom. Whether the owner already has addresses is the caller's question (see [`crate::find`]).
    pub owner: &'a ReservationOwner,
    /// From where.
    pub range_sets: &'a [RangeSet],
    /// Addresses the runtime asks for, at most one of each set; a set of which none is asked for gives its
    /// next one.
    pub requested: &'a [IpAddr],
    /// Which reservations may be taken over when a set is exhausted or a requested address taken.
    pub liveness: Liveness<'a>,
}

/// An address reserved for the pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocation {
    /// The address, with the prefix length of its range's network.
    pub address: IpNet,
    /// The gateway of its range.
    pub gateway: IpAddr,
    /// Index of its range set.
    pub range_set: usize,
}

/// A range set that could not give what was wanted of it.
struct Shortage<'a> {
    range_set: usize,
    set: &'a RangeSet,
    /// The address that was asked for, and who has it.
    taken: Option<(IpAddr, Holder)>,
}

/// Reserves an address of every range set, in the sets' order. The cost does not depend on what is reserved
/// already, unless long runs of addresses after the last one are taken or a set is exhausted.
pub fn allocate(store: &Store, request: &Request<'_>) -> Result<Vec<Allocation>, AllocateError> {
    let wishes = assign(request)?;
    let directory = store.create()?;
    // Ends, because every turn but the last removes files that are older than this boot.
    loop {
        let shortage = match attempt(&directory, request, &wishes)? {
            Ok(allocations) => return Ok(allocations),
            Err(shortage) => shortage,
        };
        let mut reclaimed = false;
        for stale in stale(&directory, &request.liveness, |address| shortage.concerns(address))? {
            reclaimed |= directory.lock()?.remove_unchanged(&stale)?;
        }
        if !reclaimed {
            return Err(shortage.into_error(&directory)?);
        }
    }
}

/// Gives every requested address to the first set that it lies in and that has none yet.
fn assign(request: &Request<'_>) -> Result<Vec<Option<IpAddr>>, AllocateError> {
    let mut wishes = vec![None; request.range_sets.len()];
    let mut unmatched = Vec::new();
    for &address in request.requested {
        if wishes.contains(&Some(address)) {
            continue;
        }
        let mut sets = request.range_sets.iter().zip(&mut wishes).enumerate();
        match sets.find(|(_, (set, wish))| wish.is_none() && set.range_of(address).is_some()) {
            Some((range_set, (set, _))) if set.is_gateway(address) => {
                return Err(AllocateError::RequestedGateway { range_set, address });
            }
            Some((_, (_, wish))) => *wish = Some(address),
            None => unmatched.push(address),
        }
    }
    if unmatched.is_empty() {
        Ok(wishes)
    } else {
        Err(AllocateError::RequestedUnmatched { addresses: unmatched })
    }
}

/// Tries once, under one lock.
fn attempt<'a>(
    directory: &Directory,
    request: &Request<'a>,
    wishes: &[Option<IpAddr>],
) -> Result<Result<Vec<Allocation>, Shortage<'a>>, StoreError> {
    let mut reserving = directory.lock()?.reserving(request.owner);
    let mut allocations = Vec::with_capacity(wishes.len());
    for (range_set, (set, &requested)) in request.range_sets.iter().zip(wishes).enumerate() {
        let candidate = match requested.and_then(|address| Some((address, set.range_of(address)?))) {
            Some((address, range)) => reserving.reserve(address)?.then_some(Candidate { address, range }),
            None => set.first_free(
                directory.cursor(range_set)?,
                |address| reserving.reserve(address),
                || directory.addresses(),
            )?,
        };
        let Some(Candidate { address, range }) = candidate else {
            return shortage(directory, range_set, set, requested).map(Err);
        };
        allocations.push(Allocation { address: range.host(address), gateway: range.gateway(), range_set });
    }
    reserving.keep()?;
    Ok(Ok(allocations))
}

/// To be called under the lock, so that the holder is the one that stood in the way.
fn shortage<'a>(
    directory: &Directory,
    range_set: usize,
    set: &'a RangeSet,
    requested: Option<IpAddr>,
) -> Result<Shortage<'a>, StoreError> {
    let holder = |address| -> Result<_, StoreError> {
        let reservation = directory.reservation(address)?;
        Ok((address, reservation.map_or(Holder::Foreign, |reservation| reservation.holder)))
    };
    Ok(Shortage { range_set, set, taken: requested.map(holder).transpose()? })
}

impl Shortage<'_> {
    /// Whether the file of `address` has to do with it.
    fn concerns(&self, address: IpAddr) -> bool {
        match self.taken {
            Some((taken, _)) => taken == address,
            None => self.set.is_allocable(address),
        }
    }

    fn into_error(self, directory: &Directory) -> Result<AllocateError, StoreError> {
        let Self { range_set, set, taken } = self;
        let ranges = set.to_string();
        Ok(match taken {
            Some((address, holder)) => AllocateError::RequestedTaken { range_set, ranges, address, holder },
            None => AllocateError::Exhausted { range_set, ranges, unowned: unowned(directory, set)? },
        })
    }
}

/// The addresses of a set that are taken by files without an owner, in ascending order.
fn unowned(directory: &Directory, set: &RangeSet) -> Result<Vec<IpAddr>, StoreError> {
    let mut unowned = Vec::new();
    for address in directory.addresses()?.into_iter().filter(|&address| set.is_allocable(address)) {
        match directory.reservation(address)?.map(|reservation| reservation.holder) {
            Some(Holder::Empty | Holder::Foreign) => unowned.push(address),
            Some(Holder::Owner(_)) | None => {}
        }
    }
    unowned.sort_unstable();
    Ok(unowned)
}
