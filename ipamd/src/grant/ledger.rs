//! Who has which unit, as the ledger says: pages of [`PAGE`] units, each an object of its own at the API server.
//!
//! A unit is on exactly one page, and a page is only ever replaced as a whole, in the version that it was read in. So of
//! two controllers that want one unit, one wins. See the module above for what follows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::subnet::{Subnet, Unit};

pub mod text;

/// Units a page.
pub const PAGE: u32 = 256;

/// A page: units `number * PAGE` and following of a subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageId {
    /// The subnet's place in the configuration.
    pub subnet: u16,
    /// Counted from 0.
    pub number: u32,
}

impl PageId {
    /// The page that has a unit.
    pub fn of(unit: Unit) -> Self {
        Self { subnet: unit.subnet, number: unit.index / PAGE }
    }
}

/// Who may have a unit: one life of a node. A new node of the same name is another owner.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// The node's name, which is its `NodeNetworkConfig`'s too.
    pub node: String,
    /// The node's UID.
    pub uid: String,
}

/// What the owner has it for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// `primaryIP` or `primaryIPV6`.
    Primary,
    /// `ipAssignments`.
    Assigned,
    /// It is on its way back: no status may take it in any more.
    Returning,
}

/// An entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whose.
    pub owner: Arc<Owner>,
    /// What for.
    pub standing: Standing,
}

/// A page as it was read or written last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Its object's resourceVersion; none: there is no such object yet.
    pub version: Option<String>,
    /// By the unit's index in the subnet.
    pub claims: BTreeMap<u32, Claim>,
}

/// All pages that are known.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    pages: BTreeMap<PageId, Page>,
    owned: BTreeMap<Arc<Owner>, BTreeSet<Unit>>,
}

impl Ledger {
    /// The page.
    pub fn page(&self, id: PageId) -> Option<&Page> {
        self.pages.get(&id)
    }

    /// The pages that were ever known.
    pub fn ids(&self) -> impl Iterator<Item = PageId> + '_ {
        self.pages.keys().copied()
    }

    /// Who has the unit.
    pub fn claim(&self, unit: Unit) -> Option<&Claim> {
        self.pages.get(&PageId::of(unit))?.claims.get(&unit.index)
    }

    /// What the page's object holds now.
    pub fn replace(&mut self, id: PageId, page: Page) {
        let before = self.pages.insert(id, page.clone()).unwrap_or_default();
        let unit = |index| Unit { subnet: id.subnet, index };
        for (index, claim) in before.claims {
            if let Some(units) = self.owned.get_mut(&claim.owner) {
                units.remove(&unit(index));
                if units.is_empty() {
                    self.owned.remove(&claim.owner);
                }
            }
        }
        for (index, claim) in page.claims {
            self.owned.entry(claim.owner).or_default().insert(unit(index));
        }
    }

    /// The units of an owner.
    pub fn units(&self, owner: &Owner) -> impl Iterator<Item = Unit> + '_ {
        self.owned.get(owner).into_iter().flatten().copied()
    }

    /// Every life of the node that has units.
    pub fn lives<'a>(&'a self, node: &'a str) -> impl Iterator<Item = &'a Arc<Owner>> {
        let first = Owner { node: node.to_owned(), uid: String::new() };
        self.owned.range(first..).map(|(owner, _)| owner).take_while(move |owner| owner.node == node)
    }

    /// Everybody who has units.
    pub fn owners(&self) -> impl Iterator<Item = &Arc<Owner>> {
        self.owned.keys()
    }

    /// How many units of a subnet somebody has.
    pub fn claimed(&self, subnet: u16) -> usize {
        let pages = PageId { subnet, number: 0 }..=PageId { subnet, number: u32::MAX };
        self.pages.range(pages).map(|(_, page)| page.claims.len()).sum()
    }
}

/// The ledger, and what a round is about to change in it.
#[derive(Debug)]
pub struct Book<'a> {
    ledger: &'a Ledger,
    drafts: BTreeMap<PageId, Page>,
    /// Pages that must be written, or still be as they are known, before a status may follow.
    touched: BTreeSet<PageId>,
}

impl<'a> Book<'a> {
    /// Nothing is changed yet.
    pub fn new(ledger: &'a Ledger) -> Self {
        Self { ledger, drafts: BTreeMap::new(), touched: BTreeSet::new() }
    }

    /// Who has the unit, changes included.
    pub fn claim(&self, unit: Unit) -> Option<&Claim> {
        match self.drafts.get(&PageId::of(unit)) {
            Some(page) => page.claims.get(&unit.index),
            None => self.ledger.claim(unit),
        }
    }

    /// Enters a claim, or strikes it out.
    pub fn set(&mut self, unit: Unit, claim: Option<Claim>) {
        let id = PageId::of(unit);
        self.touched.insert(id);
        let known = || self.ledger.page(id).cloned().unwrap_or_default();
        let page = self.drafts.entry(id).or_insert_with(known);
        match claim {
            Some(claim) => page.claims.insert(unit.index, claim),
            None => page.claims.remove(&unit.index),
        };
    }

    /// What follows is right only if the unit's page is still as it is known.
    pub fn rely_on(&mut self, unit: Unit) {
        self.touched.insert(PageId::of(unit));
    }

    /// The units of a subnet that may be granted and that nobody claims, from `from` on, once around.
    pub fn free<'b>(&'b self, place: u16, subnet: &'b Subnet, from: u32) -> impl Iterator<Item = Unit> + 'b {
        self.free_between(place, subnet, from, u32::MAX).chain(self.free_between(place, subnet, 0, from))
    }

    fn free_between<'b>(
        &'b self,
        place: u16,
        subnet: &'b Subnet,
        from: u32,
        end: u32,
    ) -> impl Iterator<Item = Unit> + 'b {
        let mut next = from;
        std::iter::from_fn(move || {
            loop {
                let unit =
                    Unit { subnet: place, index: subnet.open_from(next).filter(|index| *index < end)? };
                let id = PageId::of(unit);
                let claims = self.drafts.get(&id).or_else(|| self.ledger.page(id)).map(|page| &page.claims);
                if claims.is_some_and(|claims| claims.len() >= PAGE as usize) {
                    next = id.number.checked_add(1)?.checked_mul(PAGE)?;
                    continue;
                }
                next = unit.index.checked_add(1)?;
                if claims.is_none_or(|claims| !claims.contains_key(&unit.index)) {
                    return Some(unit);
                }
            }
        })
    }

    /// The pages that were changed or relied on since this was asked before.
    pub fn touched(&mut self) -> BTreeSet<PageId> {
        std::mem::take(&mut self.touched)
    }

    /// The changed pages, in the versions that they were changed from.
    pub fn close(self) -> BTreeMap<PageId, Page> {
        self.drafts
    }
}
