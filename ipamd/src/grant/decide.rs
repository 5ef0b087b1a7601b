//! What one node is to have: from its object, its claims in the ledger and the settings to changes of the ledger and a
//! new status.
//!
//! | the ledger says | in the status | given back by the node | then |
//! |---|---|---|---|
//! | nothing | yes | | claimed for the node: somebody granted it before there was this ledger |
//! | assigned | yes | no | it stays |
//! | assigned | yes | yes | returning, and out of the status |
//! | assigned | no | no | into the status: its grant was cut off, or the object was deleted |
//! | assigned | no | yes, or it is one too many | returning |
//! | returning | yes | yes | out of the status |
//! | returning | yes | no | assigned again: the node has changed its mind in time |
//! | returning | no | | the status is written once more, unless this controller has seen to that before |

use std::collections::BTreeSet;
use std::sync::Arc;

use podnet_ipam_core::Family;

use super::allocator::Allocator;
use super::ledger::{Book, Claim, Owner, Standing};
use super::name;
use super::observed::{Condition, Container, Granted, Node, Observed};
use super::settings::Settings;
use super::subnet::Unit;

/// Why a node's object is left as it is. Nothing of it is granted to others, either.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Its status cannot be read as a whole.
    #[error("{0}")]
    Malformed(String),
    /// It belongs to nobody, or to another node than the one of this name.
    #[error("metadata.ownerReferences: its controller is {found}, not Node {uid}")]
    NotOwned {
        /// The UID found, or `nobody`.
        found: String,
        /// The node's.
        uid: String,
    },
    /// Two objects have the same unit.
    #[error("status.networkContainers: {net} is in the status of {others} too")]
    Shared {
        /// The unit.
        net: String,
        /// The other objects.
        others: String,
    },
    /// The ledger says that the unit is another node's.
    #[error("status.networkContainers: {net} is claimed by node {node} (UID {uid})")]
    Claimed {
        /// The unit.
        net: String,
        /// The other node.
        node: String,
        /// Its UID.
        uid: String,
    },
}

/// One node, its object and what is known besides.
pub(super) struct Case<'a> {
    /// The node.
    pub(super) owner: &'a Arc<Owner>,
    /// The same.
    pub(super) node: &'a Node,
    /// Its object.
    pub(super) object: &'a Observed,
    /// The units that the ledger says are the node's.
    pub(super) held: BTreeSet<Unit>,
    /// Of a returning unit that is in no status: no status that was begun before its return can still be written.
    pub(super) is_fenced: &'a dyn Fn(Unit) -> bool,
    /// Whether a unit is in any status.
    pub(super) is_occupied: &'a dyn Fn(Unit) -> bool,
}

/// Enters into `book` what changes in the ledger; the status to write after that, if it is another.
pub(super) fn decide(
    case: &Case<'_>,
    settings: &Settings,
    book: &mut Book<'_>,
    allocator: &mut Allocator,
) -> Result<Option<Granted>, Fault> {
    adopt(case, settings, book)?;
    let before = case.object.granted.container.as_ref();
    let mut container = before
        .cloned()
        .unwrap_or_else(|| Container { id: name::of_container(case.owner), ..Container::default() });
    let mut is_fence_due = false;
    for unit in case.held.iter().copied().chain(case.object.granted.units()).collect::<BTreeSet<_>>() {
        is_fence_due |= settle(case, unit, settings, book, &mut container);
    }
    let node_ip = Family::ALL.iter().find_map(|family| *case.node.addresses.get(*family));
    if node_ip.is_none() && before.is_none() {
        // The node's own agents compare this address with their node's.
        let granted = Granted::default();
        return Ok((!case.object.is_current).then_some(granted));
    }
    container.node_ip = node_ip.or(container.node_ip);
    let growth = Growth { case, settings };
    container.is_short = Family::ALL
        .iter()
        .map(|family| growth.grow(*family, &mut container, book, allocator))
        .fold(false, |is_short, one| is_short | one);

    let condition = if container.is_short { Condition::Error } else { Condition::Updated };
    let mut granted = Granted { condition, container: Some(container) };
    if granted == case.object.granted && case.object.is_current && !is_fence_due {
        return Ok(None);
    }
    if let Some(container) = &mut granted.container {
        container.version = container.version.saturating_add(1);
    }
    Ok(Some(granted))
}

/// Claims for the node what its status has and the ledger does not know.
fn adopt(case: &Case<'_>, settings: &Settings, book: &mut Book<'_>) -> Result<(), Fault> {
    if let Some(container) = &case.object.granted.container {
        for unit in container.units() {
            match book.claim(unit) {
                Some(claim) if claim.owner == *case.owner => {}
                Some(claim) => {
                    let Owner { node, uid } = (*claim.owner).clone();
                    return Err(Fault::Claimed { net: describe(settings, unit), node, uid });
                }
                None => {
                    let is_primary = container.primary.contains(&unit);
                    let standing = if is_primary { Standing::Primary } else { Standing::Assigned };
                    book.set(unit, Some(Claim { owner: Arc::clone(case.owner), standing }));
                }
            }
        }
    }
    Ok(())
}

/// One row of the table above; whether the status must be written even if it stays the same.
fn settle(
    case: &Case<'_>,
    unit: Unit,
    settings: &Settings,
    book: &mut Book<'_>,
    container: &mut Container,
) -> bool {
    let Some(standing) = book.claim(unit).map(|claim| claim.standing) else { return false };
    let Some(net) = settings.subnet(unit.subnet).and_then(|subnet| subnet.net(unit.index)) else {
        return false;
    };
    let is_here = container.has(unit);
    let name = container.assigned.get(&unit).cloned().unwrap_or_else(|| name::of_assignment(case.owner, net));
    let is_given_back = settings.mode.is_dynamic()
        && !container.primary.contains(&unit)
        && standing != Standing::Primary
        && case.object.not_in_use.contains(&name);
    let is_returning = standing == Standing::Returning;
    if is_returning && !is_here {
        return !(case.is_fenced)(unit);
    }
    let mut stands = |standing| book.set(unit, Some(Claim { owner: Arc::clone(case.owner), standing }));
    if is_given_back || (!is_here && is_too_much(unit, settings, container)) {
        if !is_returning {
            stands(Standing::Returning);
        }
        container.assigned.remove(&unit);
        return true;
    }
    let has_primary = container.primary.iter().any(|other| settings.are_kin(*other, unit));
    let should = match is_here {
        true if container.primary.contains(&unit) => Standing::Primary,
        false if standing == Standing::Primary && !has_primary => Standing::Primary,
        _ => Standing::Assigned,
    };
    if standing != should {
        stands(should);
    }
    if !is_here {
        book.rely_on(unit);
        if should == Standing::Primary {
            container.primary.insert(unit);
        } else {
            container.assigned.insert(unit, name);
        }
    }
    false
}

/// Two controllers can claim for one node at once: of another subnet than the status has, or more blocks than it is to
/// have. Single addresses are never too many: pods may have them.
fn is_too_much(unit: Unit, settings: &Settings, container: &Container) -> bool {
    let mut kin = container.units().filter(|other| settings.are_kin(*other, unit)).peekable();
    let is_elsewhere = kin.peek().is_some_and(|other| other.subnet != unit.subnet);
    is_elsewhere || (!settings.mode.is_dynamic() && kin.count() >= settings.blocks as usize)
}

/// The unit as its network.
pub(super) fn describe(settings: &Settings, unit: Unit) -> String {
    let net = settings.subnet(unit.subnet).and_then(|subnet| subnet.net(unit.index));
    net.map_or_else(|| format!("unit {}", unit.index), |net| net.to_string())
}

struct Growth<'a> {
    case: &'a Case<'a>,
    settings: &'a Settings,
}

impl Growth<'_> {
    /// Adds what the node lacks of a family; whether the subnet had too little.
    fn grow(
        &self,
        family: Family,
        container: &mut Container,
        book: &mut Book<'_>,
        allocator: &mut Allocator,
    ) -> bool {
        let of_family = |unit: Unit| self.settings.family(unit) == Some(family);
        let present = container.units().find(|unit| of_family(*unit)).map(|unit| unit.subnet);
        let places: Vec<u16> = match present {
            // A pod gets one address of each container and family: a node stays with one subnet.
            Some(place) => vec![place],
            None => self
                .settings
                .places()
                .filter(|(_, subnet)| subnet.family() == family)
                .map(|(place, _)| place)
                .collect(),
        };
        if places.is_empty() {
            return false;
        }
        let lacks_primary = !container.primary.iter().any(|unit| of_family(*unit));
        let assigned = container.assigned.keys().filter(|unit| of_family(**unit)).count();
        let assigned = u32::try_from(assigned).unwrap_or(u32::MAX);
        let wanted = self.wanted().saturating_sub(assigned).saturating_add(u32::from(lacks_primary));
        let units = places.iter().map(|place| self.find(*place, wanted, book, allocator));
        let mut best: Vec<Unit> = Vec::new();
        for units in units {
            if units.len() > best.len() {
                best = units;
            }
            if best.len() == wanted as usize {
                break;
            }
        }
        allocator.taken(&best);
        let is_short = best.len() < wanted as usize;
        let primary = if lacks_primary { best.first().copied() } else { None };
        for unit in best {
            let standing = if Some(unit) == primary { Standing::Primary } else { Standing::Assigned };
            book.set(unit, Some(Claim { owner: Arc::clone(self.case.owner), standing }));
            if standing == Standing::Primary {
                container.primary.insert(unit);
            } else if let Some(net) = self.settings.subnet(unit.subnet).and_then(|it| it.net(unit.index)) {
                container.assigned.insert(unit, name::of_assignment(self.case.owner, net));
            }
        }
        is_short
    }

    /// How many assignments of a family the node is to have, beside the primary unit.
    fn wanted(&self) -> u32 {
        let Settings { mode, scaler, blocks, .. } = self.settings;
        if !mode.is_dynamic() {
            return blocks.saturating_sub(1);
        }
        // A node does not ask before it has been told how to.
        let is_first = self.case.object.granted.container.is_none();
        let requested =
            if is_first { self.case.object.requested.max(scaler.batch) } else { self.case.object.requested };
        requested.min(scaler.max)
    }

    /// Up to `wanted` units of a subnet that nobody has; none that the node would take for one it gave back.
    fn find(&self, place: u16, wanted: u32, book: &Book<'_>, allocator: &Allocator) -> Vec<Unit> {
        let Some(subnet) = self.settings.subnet(place) else { return Vec::new() };
        let is_taken = |unit: Unit| {
            let is_given_back = || {
                let net = subnet.net(unit.index);
                !self.case.object.not_in_use.is_empty()
                    && net.is_some_and(|net| {
                        self.case.object.not_in_use.contains(&name::of_assignment(self.case.owner, net))
                    })
            };
            (self.case.is_occupied)(unit) || is_given_back()
        };
        allocator.find(place, subnet, wanted, book, is_taken)
    }
}
