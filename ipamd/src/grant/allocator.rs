//! Which free unit comes next: the one after the last that was granted, so that those given back rest longest.

use super::ledger::Book;
use super::subnet::{Subnet, Unit};

/// Where to go on, for each subnet. Only a hint: a restart begins at the first unit.
#[derive(Debug, Clone, Default)]
pub struct Allocator {
    next: std::collections::BTreeMap<u16, u32>,
}

impl Allocator {
    /// Up to `wanted` different units that are open, in nobody's claim and not taken otherwise.
    pub fn find(
        &self,
        place: u16,
        subnet: &Subnet,
        wanted: u32,
        book: &Book<'_>,
        is_taken: impl Fn(Unit) -> bool,
    ) -> Vec<Unit> {
        let start = self.next.get(&place).copied().unwrap_or(0);
        book.free(place, subnet, start).filter(|unit| !is_taken(*unit)).take(wanted as usize).collect()
    }

    /// The next search begins behind these.
    pub fn taken(&mut self, units: &[Unit]) {
        if let Some(last) = units.last() {
            self.next.insert(last.subnet, last.index.saturating_add(1));
        }
    }
}
