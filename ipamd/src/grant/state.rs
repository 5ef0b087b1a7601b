//! What a controller knows: nodes, their objects, the ledger. Everything is at the API server; a new controller reads it
//! all before it grants anything.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::allocator::Allocator;
use super::decide::{self, Fault};
use super::ledger::{Ledger, Owner, Page, PageId, Standing};
use super::observed::{Node, Observed};
use super::round::{Notice, PageWrite, StatusWrite};
use super::settings::Settings;
use super::subnet::Unit;

/// All of it, and what follows from it: whom the next round is about.
#[derive(Debug, Clone)]
pub struct State {
    pub(super) settings: Settings,
    pub(super) nodes: BTreeMap<String, Node>,
    pub(super) objects: BTreeMap<String, Observed>,
    pub(super) ledger: Ledger,
    /// Which objects have a unit in their status.
    occupied: HashMap<Unit, Vec<String>>,
    pub(super) allocator: Allocator,
    /// Returning units that no status can take in any more, and since when that has been sure.
    pub(super) fenced: BTreeMap<Unit, Duration>,
    pub(super) dirty: BTreeSet<String>,
    /// Objects of the present round by the pages that they depend on.
    pub(super) dependents: BTreeMap<PageId, BTreeSet<String>>,
    pub(super) notices: BTreeMap<String, Notice>,
}

impl State {
    /// Nothing is known yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            nodes: BTreeMap::new(),
            objects: BTreeMap::new(),
            ledger: Ledger::default(),
            occupied: HashMap::new(),
            allocator: Allocator::default(),
            fenced: BTreeMap::new(),
            dirty: BTreeSet::new(),
            dependents: BTreeMap::new(),
            notices: BTreeMap::new(),
        }
    }

    /// The configuration.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What is wrong, by object.
    pub fn notices(&self) -> &BTreeMap<String, Notice> {
        &self.notices
    }

    /// How many objects there are.
    pub fn objects(&self) -> usize {
        self.objects.len()
    }

    /// Whether a round is due.
    pub fn is_due(&self, now: Duration) -> bool {
        !self.dirty.is_empty() || self.next_rest().is_some_and(|at| at <= now)
    }

    /// When the next unit has rested.
    pub fn next_rest(&self) -> Option<Duration> {
        self.fenced.values().min().map(|fenced| fenced.saturating_add(self.settings.rest))
    }

    /// A node is there, or is no longer.
    pub fn set_node(&mut self, name: &str, node: Option<Node>) {
        if self.nodes.get(name) == node.as_ref() {
            return;
        }
        match node {
            Some(node) => self.nodes.insert(name.to_owned(), node),
            None => self.nodes.remove(name),
        };
        self.dirty.insert(name.to_owned());
    }

    /// An object is there. One that is older than what is known changes nothing.
    pub fn set_object(&mut self, name: &str, object: Observed) {
        let known = self.objects.get(name);
        if known.is_some_and(|known| known.uid == object.uid && is_older(&object.version, &known.version)) {
            return;
        }
        if known != Some(&object) {
            self.replace_object(name, Some(object));
        }
    }

    /// The object with this UID is gone.
    pub fn remove_object(&mut self, name: &str, uid: &str) {
        if self.objects.get(name).is_some_and(|known| known.uid == uid) {
            self.replace_object(name, None);
        }
    }

    /// These are all nodes that there are.
    pub fn set_nodes(&mut self, nodes: BTreeMap<String, Node>) {
        let gone: Vec<String> =
            self.nodes.keys().filter(|name| !nodes.contains_key(*name)).cloned().collect();
        for name in gone {
            self.set_node(&name, None);
        }
        for (name, node) in nodes {
            self.set_node(&name, Some(node));
        }
    }

    /// These are all objects that there are.
    pub fn set_objects(&mut self, objects: BTreeMap<String, Observed>) {
        let gone: Vec<String> =
            self.objects.keys().filter(|name| !objects.contains_key(*name)).cloned().collect();
        for name in gone {
            self.replace_object(&name, None);
        }
        for (name, object) in objects {
            self.set_object(&name, object);
        }
    }

    fn replace_object(&mut self, name: &str, object: Option<Observed>) {
        let units = |object: &Observed| object.granted.units().collect::<Vec<_>>();
        let after = object.as_ref().map(units).unwrap_or_default();
        let before = match object {
            Some(object) => self.objects.insert(name.to_owned(), object),
            None => self.objects.remove(name),
        };
        for unit in before.as_ref().map(units).unwrap_or_default() {
            if let Some(holders) = self.occupied.get_mut(&unit) {
                holders.retain(|holder| holder != name);
                self.dirty.extend(holders.iter().cloned());
                if holders.is_empty() {
                    self.occupied.remove(&unit);
                }
            }
        }
        for unit in after {
            let holders = self.occupied.entry(unit).or_default();
            self.dirty.extend(holders.iter().cloned());
            holders.push(name.to_owned());
        }
        self.dirty.insert(name.to_owned());
    }

    /// All pages there are: another controller may have written some.
    pub fn set_ledger(&mut self, pages: BTreeMap<PageId, Page>) {
        let lost = self.ledger.ids().filter(|id| !pages.contains_key(id)).map(|id| (id, Page::default()));
        for (id, page) in lost.collect::<Vec<_>>().into_iter().chain(pages) {
            if self.ledger.page(id).and_then(|known| known.version.as_ref()) != page.version.as_ref() {
                self.set_page(id, page);
            }
        }
    }

    /// A page as it was read. What was known of its units' return is no longer sure.
    pub fn set_page(&mut self, id: PageId, page: Page) {
        let units = Unit { subnet: id.subnet, index: 0 }..=Unit { subnet: id.subnet, index: u32::MAX };
        let of_page: Vec<Unit> =
            self.fenced.range(units).map(|(unit, _)| *unit).filter(|unit| PageId::of(*unit) == id).collect();
        for unit in of_page {
            self.fenced.remove(&unit);
        }
        self.dirty.extend(page.claims.values().map(|claim| claim.owner.node.clone()));
        self.dirty.extend(self.dependents.remove(&id).unwrap_or_default());
        self.wake_waiting();
        self.ledger.replace(id, page);
    }

    /// A page was written and is in this version now.
    pub fn page_written(&mut self, write: PageWrite, version: String) {
        let PageWrite { id, mut page, .. } = write;
        page.version = Some(version);
        let is_returning =
            |index| page.claims.get(&index).is_some_and(|claim| claim.standing == Standing::Returning);
        let before = self.fenced.len();
        self.fenced.retain(|unit, _| PageId::of(*unit) != id || is_returning(unit.index));
        if self.fenced.len() < before {
            self.wake_waiting();
        }
        self.ledger.replace(id, page);
    }

    /// Something may be free that others wait for, or no longer in anybody's way.
    fn wake_waiting(&mut self) {
        let is_short = |object: &Observed| object.granted.container.as_ref().is_some_and(|it| it.is_short);
        let short = self.objects.iter().filter(|(_, object)| is_short(object));
        self.dirty.extend(short.map(|(name, _)| name.clone()));
        self.dirty.extend(self.notices.keys().cloned());
    }

    /// A status was written, and the object is this now.
    pub fn status_written(&mut self, write: &StatusWrite, object: Observed, now: Duration) {
        if let Some(uid) = &object.owner {
            let owner = Owner { node: write.node.clone(), uid: uid.clone() };
            let has = |unit| write.granted.container.as_ref().is_some_and(|container| container.has(unit));
            self.fence(&owner, |unit| !has(unit), now);
        }
        self.set_object(&write.node, object);
    }

    /// An owner's object is gone: nothing can bring its units back.
    pub fn gone(&mut self, owner: &Owner, now: Duration) {
        self.fence(owner, |_| true, now);
    }

    fn fence(&mut self, owner: &Owner, is_out: impl Fn(Unit) -> bool, now: Duration) {
        for unit in self.ledger.units(owner) {
            let is_returning =
                self.ledger.claim(unit).is_some_and(|claim| claim.standing == Standing::Returning);
            if is_returning && is_out(unit) {
                self.fenced.entry(unit).or_insert(now);
            }
        }
    }

    /// Something about this node failed: it is looked at again.
    pub fn again(&mut self, name: &str) {
        self.dirty.insert(name.to_owned());
    }

    /// Whether a unit is in any status.
    pub(super) fn is_occupied(&self, unit: Unit) -> bool {
        self.occupied.contains_key(&unit)
    }

    /// Whether the owner's node or its object is there.
    pub(super) fn is_alive(&self, owner: &Owner) -> bool {
        let object = || self.objects.get(&owner.node).and_then(|object| object.owner.as_ref());
        self.nodes.get(&owner.node).is_some_and(|node| node.uid == owner.uid) || object() == Some(&owner.uid)
    }

    /// The owner, the same as in the ledger if it is there.
    pub(super) fn owner(&self, node: &str, uid: &str) -> Arc<Owner> {
        let known = self.ledger.lives(node).find(|owner| owner.uid == uid);
        known.cloned().unwrap_or_else(|| Arc::new(Owner { node: node.to_owned(), uid: uid.to_owned() }))
    }

    /// Why the object must be left as it is.
    pub(super) fn fault(&self, name: &str, node: &Node, object: &Observed) -> Option<Fault> {
        if object.owner.as_ref() != Some(&node.uid) {
            let found = object.owner.clone().unwrap_or_else(|| "nobody".to_owned());
            return Some(Fault::NotOwned { found, uid: node.uid.clone() });
        }
        if let Some(fault) = &object.fault {
            return Some(Fault::Malformed(fault.clone()));
        }
        object.granted.units().find_map(|unit| {
            let others = self.occupied.get(&unit)?.iter().filter(|other| *other != name);
            let others: Vec<&str> = others.map(String::as_str).collect();
            let net = decide::describe(&self.settings, unit);
            (!others.is_empty()).then(|| Fault::Shared { net, others: others.join(", ") })
        })
    }
}

/// Versions of one resource can be compared as numbers (KEP-5504); where they are none, the later word counts.
fn is_older(one: &str, other: &str) -> bool {
    match (one.parse::<u64>(), other.parse::<u64>()) {
        (Ok(one), Ok(other)) => one < other,
        _ => false,
    }
}
