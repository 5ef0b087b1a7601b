//! Whether another pod could get its addresses.

use super::liveness::{Liveness, stale};
use crate::range_set::RangeSet;
use crate::store::{Directory, Store, StoreError};

/// A range set without a free address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no IP addresses available in range set {range_set}: {ranges}")]
pub struct Exhausted {
    /// Index of the set.
    pub range_set: usize,
    /// The set, as `first-last,…`.
    pub ranges: String,
}

/// The first range set that has no address left, stale reservations counting as free; none where a pod could
/// be added. Changes nothing, and looks for one free address only: a set with room costs a few microseconds.
pub fn exhausted(
    store: &Store,
    range_sets: &[RangeSet],
    liveness: &Liveness<'_>,
) -> Result<Option<Exhausted>, StoreError> {
    let directory = store.open()?;
    for (range_set, set) in range_sets.iter().enumerate() {
        if !has_room(directory.as_ref(), range_set, set, liveness)? {
            return Ok(Some(Exhausted { range_set, ranges: set.to_string() }));
        }
    }
    Ok(None)
}

fn has_room(
    directory: Option<&Directory>,
    range_set: usize,
    set: &RangeSet,
    liveness: &Liveness<'_>,
) -> Result<bool, StoreError> {
    let Some(directory) = directory else {
        return Ok(set.candidates(None).next().is_some());
    };
    let free = set.first_free(
        directory.cursor(range_set)?,
        |address| Ok(directory.modified(address)?.is_none()),
        || directory.addresses(),
    )?;
    if free.is_some() {
        return Ok(true);
    }
    Ok(!stale(directory, liveness, |address| set.is_allocable(address))?.is_empty())
}
