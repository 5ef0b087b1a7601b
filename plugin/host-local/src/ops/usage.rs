//! How full a network is.

use std::collections::HashSet;

use crate::range_set::RangeSet;
use crate::store::{Store, StoreError};

/// How much of a range set is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The set, as `first-last,…`.
    pub ranges: String,
    /// How many addresses it can hand out.
    pub size: u128,
    /// How many of them have a file, whoever made it.
    pub taken: u128,
}

/// The usage of each set, in their order. The names of all files are read, and none of their contents.
pub fn usage(store: &Store, range_sets: &[RangeSet]) -> Result<Vec<Usage>, StoreError> {
    let addresses = match store.open()? {
        Some(directory) => directory.addresses()?,
        None => HashSet::new(),
    };
    let of_set = |set: &RangeSet| Usage {
        ranges: set.to_string(),
        size: set.size(),
        taken: addresses.iter().filter(|&&address| set.is_allocable(address)).count() as u128,
    };
    Ok(range_sets.iter().map(of_set).collect())
}
