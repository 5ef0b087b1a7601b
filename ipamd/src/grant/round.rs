//! A round: what is to be written, in this order, as plain data. Whoever carries it out tells the [`State`] how each
//! write ended; nothing is planned meanwhile.
//!
//! ```text
//!  creates    an object for each node that lacks one
//!  pages      each in the version that it is known in; one that lost is read again
//!  statuses   each in the version that was seen *before* its pages were written, and only if all of them were
//!  checks     is the object of a node that is gone really gone?
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::decide::{self, Case, Fault};
use super::ledger::{Book, Claim, Owner, Page, PageId, Standing};
use super::observed::Granted;
use super::state::State;

/// Names that one round is about at most: enough to fill pages, few enough to be done soon.
const LARGEST: usize = 512;

/// What is to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    /// Nodes that are to get an object.
    pub creates: Vec<Owner>,
    /// Pages of the ledger.
    pub pages: Vec<PageWrite>,
    /// Statuses of objects.
    pub statuses: Vec<StatusWrite>,
    /// Owners that are gone, as it seems.
    pub checks: Vec<Check>,
    /// What is newly wrong, with the object's name; none: no longer.
    pub notices: Vec<(String, Option<Notice>)>,
}

/// What an operator should know of an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Notice {
    /// It is left as it is.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// It asks for too much, and has been given the most.
    #[error("spec.requestedIPCount: {requested} is more than the maximum, {max}")]
    OverMax {
        /// What it asks for.
        requested: u32,
        /// What it gets.
        max: u32,
    },
}

/// A page of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageWrite {
    /// Which.
    pub id: PageId,
    /// Its new content, in the version that is to be replaced; none in it: to be created.
    pub page: Page,
    /// Otherwise it has only to be seen that it is still in that version.
    pub is_changed: bool,
}

/// A status of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusWrite {
    /// Whose.
    pub node: String,
    /// The version that is to be replaced.
    pub version: String,
    /// The new status.
    pub granted: Granted,
    /// Pages that must have been written before.
    pub needs: BTreeSet<PageId>,
}

/// Whether the object of a gone owner is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The owner.
    pub owner: Arc<Owner>,
    /// Pages that must have been written before.
    pub needs: BTreeSet<PageId>,
}

impl Round {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.creates.is_empty() && self.pages.is_empty() && self.statuses.is_empty() && self.checks.is_empty()
    }
}

impl State {
    /// The next round.
    pub fn plan(&mut self, now: Duration) -> Round {
        let names: Vec<String> = self.dirty.iter().take(LARGEST).cloned().collect();
        let mut round = Round::default();
        let mut planner =
            Planner { dependents: BTreeMap::new(), notices: BTreeMap::new(), relied: BTreeSet::new() };
        let mut allocator = std::mem::take(&mut self.allocator);
        let mut book = Book::new(&self.ledger);
        for name in &names {
            self.plan_departed(name, &mut book, &mut round, &mut planner);
            self.plan_present(name, &mut book, &mut allocator, &mut round, &mut planner);
        }
        for (unit, fenced) in &self.fenced {
            let is_over = fenced.saturating_add(self.settings.rest) <= now;
            let is_returning = book.claim(*unit).is_some_and(|claim| claim.standing == Standing::Returning);
            if is_over && is_returning {
                book.set(*unit, None);
            }
        }
        let changed = book.close();
        let relied = planner.relied.iter().filter(|id| !changed.contains_key(id)).map(|id| {
            let page = self.ledger.page(*id).cloned().unwrap_or_default();
            PageWrite { id: *id, page, is_changed: false }
        });
        round.pages.extend(relied);
        round.pages.extend(changed.into_iter().map(|(id, page)| PageWrite { id, page, is_changed: true }));
        self.allocator = allocator;
        self.dependents = planner.dependents;
        for name in names {
            self.dirty.remove(&name);
            let notice = planner.notices.remove(&name);
            if self.notices.get(&name) != notice.as_ref() {
                match &notice {
                    Some(notice) => self.notices.insert(name.clone(), notice.clone()),
                    None => self.notices.remove(&name),
                };
                round.notices.push((name, notice));
            }
        }
        round
    }

    /// Owners of that name that are gone: what they had is on its way back.
    fn plan_departed(&self, name: &str, book: &mut Book<'_>, round: &mut Round, planner: &mut Planner) {
        for owner in self.ledger.lives(name).filter(|owner| !self.is_alive(owner)) {
            let mut is_check_due = false;
            for unit in self.ledger.units(owner) {
                if book.claim(unit).is_some_and(|claim| claim.standing != Standing::Returning) {
                    book.set(unit, Some(Claim { owner: Arc::clone(owner), standing: Standing::Returning }));
                }
                is_check_due |= !self.fenced.contains_key(&unit);
            }
            let needs = planner.depend(name, book);
            if is_check_due {
                round.checks.push(Check { owner: Arc::clone(owner), needs });
            }
        }
    }

    /// The node of that name, if there is one.
    fn plan_present(
        &self,
        name: &str,
        book: &mut Book<'_>,
        allocator: &mut super::allocator::Allocator,
        round: &mut Round,
        planner: &mut Planner,
    ) {
        let Some(node) = self.nodes.get(name) else { return };
        let owner = self.owner(name, &node.uid);
        let Some(object) = self.objects.get(name) else {
            round.creates.push((*owner).clone());
            return;
        };
        if object.is_deleting {
            return;
        }
        if let Some(fault) = self.fault(name, node, object) {
            planner.notices.insert(name.to_owned(), Notice::Fault(fault));
            return;
        }
        let max = self.settings.scaler.max;
        if self.settings.mode.is_dynamic() && object.requested > max {
            let notice = Notice::OverMax { requested: object.requested, max };
            planner.notices.insert(name.to_owned(), notice);
        }
        let case = Case {
            owner: &owner,
            node,
            object,
            held: self.ledger.units(&owner).collect(),
            is_fenced: &|unit| self.fenced.contains_key(&unit),
            is_occupied: &|unit| self.is_occupied(unit),
        };
        let decision = decide::decide(&case, &self.settings, book, allocator);
        let needs = planner.depend(name, book);
        match decision {
            Ok(Some(granted)) => round.statuses.push(StatusWrite {
                node: name.to_owned(),
                version: object.version.clone(),
                granted,
                needs,
            }),
            Ok(None) => {}
            Err(fault) => {
                planner.notices.insert(name.to_owned(), Notice::Fault(fault));
            }
        }
    }
}

/// What a round gathers beside its writes.
struct Planner {
    /// Whom a page's loss sets back.
    dependents: BTreeMap<PageId, BTreeSet<String>>,
    notices: BTreeMap<String, Notice>,
    relied: BTreeSet<PageId>,
}

impl Planner {
    fn depend(&mut self, name: &str, book: &mut Book<'_>) -> BTreeSet<PageId> {
        let touched = book.touched();
        for id in &touched {
            self.dependents.entry(*id).or_default().insert(name.to_owned());
            self.relied.insert(*id);
        }
        touched
    }
}
