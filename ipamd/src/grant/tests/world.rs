//! An API server in memory, nodes that ask and give back, and controllers that are stopped between any two requests.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use podnet_ipam_core::PerFamily;

use crate::grant::ledger::{Owner, Page, PageId};
use crate::grant::observed::{Granted, Node, Observed};
use crate::grant::round::{Check, PageWrite, Round, StatusWrite};
use crate::grant::settings::{Mode, Scaler, Settings};
use crate::grant::state::State;
use crate::grant::subnet::{Subnet, Unit};

pub(super) const REST: Duration = Duration::from_secs(10);

/// Settings for a subnet of 13 addresses, or for blocks of it.
pub(super) fn settings(mode: Mode) -> Settings {
    let unit = if mode == Mode::Vnet { 32 } else { 30 };
    let gateway = Some("10.241.0.1".parse().unwrap());
    Settings {
        mode,
        subnets: vec![Subnet::new("pods", "10.241.0.0/28".parse().unwrap(), gateway, &[], unit)],
        scaler: Scaler { batch: 2, request_percent: 50, release_percent: 150, max: 5 },
        blocks: if mode == Mode::VnetBlock { 2 } else { 1 },
        rest: REST,
    }
}

/// What is at the API server, and what was.
#[derive(Debug, Clone, Default)]
pub(super) struct World {
    pub(super) nodes: BTreeMap<String, Node>,
    pub(super) objects: BTreeMap<String, Observed>,
    pub(super) pages: BTreeMap<PageId, Page>,
    pub(super) now: Duration,
    pub(super) requests: usize,
    /// What watches tell.
    log: Vec<Event>,
    version: u64,
    /// Who had a unit in its status last, and until when.
    left: HashMap<Unit, (String, Duration)>,
}

#[derive(Debug, Clone)]
enum Event {
    Node(String, Option<Node>),
    Object(String, Observed),
    Removed(String, String),
}

impl World {
    fn version(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    /// A new node of this name; another, if there is one.
    pub(super) fn boot(&mut self, name: &str) {
        let uid = format!("uid-{}", self.version());
        let v4 = Some("10.240.0.4".parse().unwrap());
        let node = Node { uid, addresses: PerFamily { v4, v6: None } };
        self.nodes.insert(name.to_owned(), node.clone());
        self.log.push(Event::Node(name.to_owned(), Some(node)));
    }

    pub(super) fn remove_node(&mut self, name: &str) {
        if self.nodes.remove(name).is_some() {
            self.log.push(Event::Node(name.to_owned(), None));
        }
    }

    pub(super) fn remove_object(&mut self, name: &str) {
        if let Some(object) = self.objects.remove(name) {
            let owner = object.owner.clone().unwrap_or_default();
            self.left.extend(object.granted.units().map(|unit| (unit, (owner.clone(), self.now))));
            self.log.push(Event::Removed(name.to_owned(), object.uid));
        }
    }

    /// Kubernetes' garbage collector.
    pub(super) fn collect(&mut self, name: &str) {
        let uid = self.nodes.get(name).map(|node| &node.uid);
        if self.objects.get(name).is_some_and(|object| object.owner.as_ref() != uid) {
            self.remove_object(name);
        }
    }

    fn put(&mut self, name: &str, mut object: Observed) -> Observed {
        object.version = self.version();
        self.objects.insert(name.to_owned(), object.clone());
        self.log.push(Event::Object(name.to_owned(), object.clone()));
        object
    }

    pub(super) fn create(&mut self, owner: &Owner) {
        if !self.objects.contains_key(&owner.node) {
            let uid = format!("object-{}", self.version());
            let object = Observed { uid, owner: Some(owner.uid.clone()), ..Observed::default() };
            self.put(&owner.node, object);
        }
    }

    /// Somebody's mistake: one node's status is another's too.
    pub(super) fn copy(&mut self, from: &str, to: &str) {
        let owner = Some(self.nodes[to].uid.clone());
        let uid = format!("object-{}", self.version());
        let object = Observed { uid, owner, ..self.objects[from].clone() };
        self.put(to, object);
    }

    /// The node asks for so many.
    pub(super) fn ask(&mut self, name: &str, requested: u32) {
        if let Some(mut object) = self.objects.get(name).cloned() {
            object.requested = requested;
            self.put(name, object);
        }
    }

    /// The node forgets what was taken.
    pub(super) fn forget(&mut self, name: &str) {
        let Some(mut object) = self.objects.get(name).cloned() else { return };
        let names: BTreeSet<String> = object
            .granted
            .container
            .iter()
            .flat_map(|container| container.assigned.values().cloned())
            .collect();
        object.not_in_use.retain(|given| names.contains(given));
        self.put(name, object);
    }

    /// The node gives some of what it has back, and forgets what was taken.
    pub(super) fn give_back(&mut self, name: &str, count: usize) {
        let Some(mut object) = self.objects.get(name).cloned() else { return };
        let Some(container) = &object.granted.container else { return };
        let names: BTreeSet<String> = container.assigned.values().cloned().collect();
        object.not_in_use.retain(|given| names.contains(given));
        object.not_in_use.extend(names.into_iter().take(count));
        let left = container.assigned.len() - object.not_in_use.len();
        object.requested = u32::try_from(left).unwrap();
        self.put(name, object);
    }

    pub(super) fn put_status(&mut self, write: &StatusWrite) -> Option<Observed> {
        let mut object = self.objects.get(&write.node).cloned()?;
        if object.version != write.version {
            return None;
        }
        let owner = object.owner.clone().unwrap_or_default();
        let had: BTreeSet<Unit> = object.granted.units().collect();
        object.granted = write.granted.clone();
        object.is_current = true;
        let has: BTreeSet<Unit> = object.granted.units().collect();
        for unit in has.difference(&had) {
            for (other, theirs) in self.objects.iter().filter(|(name, _)| **name != write.node) {
                assert!(
                    !theirs.granted.units().any(|it| it == *unit),
                    "{unit:?} for {} is {other}'s",
                    write.node
                );
            }
            if let Some((last, until)) = self.left.get(unit).filter(|(last, _)| *last != owner) {
                assert!(*until + REST <= self.now, "{unit:?} of {last} has not rested");
            }
        }
        self.left.extend(had.difference(&has).map(|unit| (*unit, (owner.clone(), self.now))));
        Some(self.put(&write.node, object))
    }

    pub(super) fn put_page(&mut self, write: &PageWrite) -> Option<String> {
        let version = self.pages.get(&write.id).and_then(|page| page.version.clone());
        if version != write.page.version {
            return None;
        }
        if !write.is_changed {
            return version;
        }
        let version = self.version();
        let page = Page { version: Some(version.clone()), claims: write.page.claims.clone() };
        self.pages.insert(write.id, page);
        Some(version)
    }

    /// Every unit in a status is its owner's in the ledger, and nothing else is there.
    pub(super) fn assert_in_order(&self) {
        let mut granted: Vec<(Unit, &str)> = Vec::new();
        for object in self.objects.values() {
            granted.extend(object.granted.units().map(|unit| (unit, object.owner.as_deref().unwrap())));
        }
        granted.sort_unstable();
        let claimed: Vec<(Unit, &str)> = self
            .pages
            .iter()
            .flat_map(|(id, page)| {
                page.claims.iter().map(|(index, claim)| {
                    (Unit { subnet: id.subnet, index: *index }, claim.owner.uid.as_str())
                })
            })
            .collect();
        assert_eq!(granted, claimed);
    }
}

/// A controller that thinks it leads.
#[derive(Debug, Clone)]
pub(super) struct Controller {
    pub(super) state: State,
    todo: VecDeque<Op>,
    lost: BTreeSet<PageId>,
    /// How much of the log it has heard.
    heard: usize,
}

#[derive(Debug, Clone)]
enum Op {
    Create(Owner),
    Page(PageWrite),
    Status(StatusWrite),
    Check(Check),
}

impl Controller {
    /// Begins by reading everything.
    pub(super) fn new(world: &World, settings: Settings) -> Self {
        let mut state = State::new(settings);
        state.set_nodes(world.nodes.clone());
        state.set_objects(world.objects.clone());
        state.set_ledger(world.pages.clone());
        Self { state, todo: VecDeque::new(), lost: BTreeSet::new(), heard: world.log.len() }
    }

    pub(super) fn is_idle(&self, world: &World) -> bool {
        self.todo.is_empty() && self.heard == world.log.len() && !self.state.is_due(world.now)
    }

    /// Hears the next news.
    pub(super) fn hear(&mut self, world: &World) {
        match world.log.get(self.heard) {
            Some(Event::Node(name, node)) => self.state.set_node(name, node.clone()),
            Some(Event::Object(name, object)) => self.state.set_object(name, object.clone()),
            Some(Event::Removed(name, uid)) => self.state.remove_object(name, uid),
            None => return,
        }
        self.heard += 1;
    }

    /// Makes the next request, or plans the next round. Whether anything was done.
    pub(super) fn step(&mut self, world: &mut World, is_answer_lost: bool) -> bool {
        let Some(op) = self.todo.pop_front() else {
            let is_due = self.state.is_due(world.now);
            if is_due {
                self.begin(world.now);
            }
            return is_due;
        };
        world.requests += 1;
        match op {
            Op::Create(owner) => {
                world.create(&owner);
                self.read(world, &owner.node);
            }
            Op::Page(write) => match world.put_page(&write).filter(|_| !is_answer_lost) {
                Some(version) if write.is_changed => self.state.page_written(write, version),
                Some(_) => {}
                None => {
                    self.lost.insert(write.id);
                    self.state.set_page(write.id, world.pages.get(&write.id).cloned().unwrap_or_default());
                }
            },
            Op::Status(write) if write.needs.is_disjoint(&self.lost) => {
                match world.put_status(&write).filter(|_| !is_answer_lost) {
                    Some(object) => self.state.status_written(&write, object, world.now),
                    None => self.read(world, &write.node),
                }
            }
            Op::Check(check) if check.needs.is_disjoint(&self.lost) => {
                match world.objects.get(&check.owner.node) {
                    Some(object) if object.owner.as_ref() == Some(&check.owner.uid) => {
                        self.read(world, &check.owner.node);
                    }
                    _ => self.state.gone(&check.owner, world.now),
                }
            }
            Op::Status(StatusWrite { node, .. }) => self.state.again(&node),
            Op::Check(check) => self.state.again(&check.owner.node),
        }
        true
    }

    fn begin(&mut self, now: Duration) {
        self.lost.clear();
        let Round { creates, pages, statuses, checks, .. } = self.state.plan(now);
        self.todo.extend(creates.into_iter().map(Op::Create));
        self.todo.extend(pages.into_iter().map(Op::Page));
        self.todo.extend(statuses.into_iter().map(Op::Status));
        self.todo.extend(checks.into_iter().map(Op::Check));
    }

    fn read(&mut self, world: &World, name: &str) {
        self.state.again(name);
        if let Some(object) = world.objects.get(name) {
            self.state.set_object(name, object.clone());
        }
    }

    /// Looks at the ledger again, as is done from time to time, and works alone until nothing is left to do, units that
    /// rest included.
    pub(super) fn settle(&mut self, world: &mut World) {
        self.state.set_ledger(world.pages.clone());
        for _ in 0..100_000 {
            while self.heard < world.log.len() {
                self.hear(world);
            }
            if !self.step(world, false) && self.heard == world.log.len() {
                match self.state.next_rest() {
                    Some(at) => world.now = world.now.max(at),
                    None => return,
                }
            }
        }
        panic!("it never comes to rest: {:#?}", self.state);
    }
}

/// Statuses are compared more easily as text.
pub(super) fn shown(granted: &Granted, settings: &Settings) -> String {
    let Some(container) = &granted.container else { return format!("{:?}", granted.condition) };
    let net = |unit: &Unit| settings.subnets[usize::from(unit.subnet)].net(unit.index).unwrap().to_string();
    let primary: Vec<String> = container.primary.iter().map(net).collect();
    let assigned: Vec<String> = container.assigned.keys().map(net).collect();
    format!("{:?} {}: {}", granted.condition, primary.join(" "), assigned.join(" "))
}
