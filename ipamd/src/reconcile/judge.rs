//! The pool held against what the node shows: who is gone, who was forgotten, what cannot be. Pure; doubt is life.
//!
//! An attachment **lives** while one of these is there:
//!
//! | sign | of whom |
//! |---|---|
//! | a link whose alias names it | podnet's pods |
//! | a record whose sandbox is still where the runtime put it | podnet's, and other plugins' through `podnet-ipam` |
//! | a host route to one of its addresses, or the link that such a route led to | other clients' (azure-vnet, azure-ipam) |
//!
//! It is **gone** when nothing of that was there in every look for a grace period, and the daemon knows what it should have
//! seen: podnet made it, or a link of it was seen before. Of an attachment that never showed anything nothing is concluded.
//! What Kubernetes says of pods is no sign: a pod's status comes late, and somebody may live at an address by then.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use podnet_ipam_core::{Holder, Key};

use crate::sightings::{Linked, Recorded, Sightings};

/// The node, among the claims of an address.
const NODE: &str = "the node itself";

/// How long a link must have been there that nobody knows of: a DEL or an ADD may be at work just now.
const STRAY: Duration = Duration::from_secs(2);

/// What the pool says, in one moment after the look at the node.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Who has what.
    pub assignments: Vec<Assignment>,
    /// Of the addresses that were seen, those that the pool has.
    pub known: HashSet<IpAddr>,
}

/// An attachment in the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Who, and what.
    pub holder: Holder,
    /// When its addresses were last asked for.
    pub asked: Duration,
}

/// What is to be done, and what is to be said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Those that are gone, as they were in the ledger.
    pub gone: Vec<Assignment>,
    /// Those that live without an assignment.
    pub forgotten: Vec<Holder>,
    /// Those without a sign of life whose grace period runs, and when it ends.
    pub missing: Vec<(Holder, Duration)>,
    /// How many never showed anything.
    pub unseen: usize,
    /// What cannot be, in order.
    pub conflicts: BTreeSet<Contested>,
    /// When to look again, if that is known.
    pub again: Option<Duration>,
}

/// Two claims of one address. Nobody can say whose is right; both stay.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contested {
    /// The address.
    pub address: IpAddr,
    /// Who has it, in words.
    pub claims: BTreeSet<String>,
}

impl fmt::Display for Contested {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let claims: Vec<&str> = self.claims.iter().map(String::as_str).collect();
        write!(formatter, "{} is claimed by {}", self.address, claims.join(" and "))
    }
}

/// What an attachment shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    /// It lives.
    Alive,
    /// Nothing, and there should be something.
    Missing,
    /// Nothing, as ever.
    Unseen,
}

/// What is remembered from look to look.
#[derive(Debug, Default)]
pub(super) struct Judge {
    /// Since when an attachment shows nothing.
    missing: HashMap<Key, Duration>,
    /// Since when a link without an assignment is there.
    strays: HashMap<Key, Duration>,
    /// The link by which an attachment was seen to live.
    witnesses: HashMap<Key, String>,
}

impl Judge {
    /// Judges a look.
    ///
    /// # Arguments
    /// `own`: the node's addresses; `grace`: how long an attachment may show nothing; `now`: of the same clock as the ledger.
    pub(super) fn judge(
        &mut self,
        seen: &Sightings,
        ledger: &Ledger,
        own: &[IpAddr],
        grace: Duration,
        now: Duration,
    ) -> Verdict {
        let view = View::of(seen);
        let mut verdict = Verdict::default();
        let mut missing = HashMap::new();
        let mut witnesses = HashMap::new();
        for assignment in &ledger.assignments {
            let key = assignment.holder.attachment.key();
            let witness = view.witness(&assignment.holder).map(str::to_owned);
            let witness = witness.or_else(|| self.witnesses.remove(key));
            let sign = view.sign(key, witness.as_deref());
            witnesses.extend(witness.map(|link| (key.clone(), link)));
            match sign {
                Sign::Alive => {}
                Sign::Unseen => verdict.unseen += 1,
                Sign::Missing => {
                    let youngest = view.record(key).map_or(Duration::MAX, |record| record.age);
                    let asked = assignment.asked.max(now.saturating_sub(youngest));
                    let since = self.missing.get(key).copied().unwrap_or(now);
                    let end = since.max(asked).saturating_add(grace);
                    missing.insert(key.clone(), since);
                    if end > now || since == now {
                        verdict.at(end.max(now + STRAY));
                        verdict.missing.push((assignment.holder.clone(), end));
                    } else {
                        verdict.gone.push(assignment.clone());
                    }
                }
            }
        }
        self.missing = missing;
        self.witnesses = witnesses;
        self.forgotten(&view, ledger, now, &mut verdict);
        verdict.conflicts = conflicts(seen, ledger, own);
        verdict
    }

    /// Live links whose addresses the pool has, and gives to nobody.
    fn forgotten(&mut self, view: &View<'_>, ledger: &Ledger, now: Duration, verdict: &mut Verdict) {
        let holders = || ledger.assignments.iter().map(|assignment| &assignment.holder);
        let held: HashSet<IpAddr> = holders().flat_map(|holder| holder.addresses.iter()).collect();
        let mut by_container: HashMap<&str, Vec<&Key>> = HashMap::new();
        for key in holders().map(|holder| holder.attachment.key()) {
            by_container.entry(key.container()).or_default().push(key);
        }
        let mut strays = HashMap::new();
        for link in &view.seen.links {
            let recorded = view.record(&link.key).and_then(|record| record.holder.as_ref());
            let Some(holder) = recorded.or(link.holder.as_ref()) else { continue };
            let is_free = |address: IpAddr| ledger.known.contains(&address) && !held.contains(&address);
            let mut of_container = by_container.get(link.key.container()).into_iter().flatten();
            if of_container.any(|key| key.matches(&link.key)) || !holder.addresses.iter().all(is_free) {
                continue;
            }
            let since = self.strays.get(&link.key).copied().unwrap_or(now);
            strays.insert(link.key.clone(), since);
            if now.saturating_sub(since) >= STRAY {
                verdict.forgotten.push(holder.clone());
            } else {
                verdict.at(since + STRAY);
            }
        }
        self.strays = strays;
    }
}

impl Verdict {
    fn at(&mut self, moment: Duration) {
        self.again = Some(self.again.map_or(moment, |again| again.min(moment)));
    }
}

/// A look, by container.
struct View<'a> {
    seen: &'a Sightings,
    links: HashMap<&'a str, Vec<&'a Linked>>,
    records: HashMap<&'a str, Vec<&'a Recorded>>,
}

impl<'a> View<'a> {
    fn of(seen: &'a Sightings) -> Self {
        let mut view = Self { seen, links: HashMap::new(), records: HashMap::new() };
        for link in &seen.links {
            view.links.entry(link.key.container()).or_default().push(link);
        }
        for record in &seen.records {
            view.records.entry(record.key.container()).or_default().push(record);
        }
        view
    }

    fn record(&self, key: &Key) -> Option<&'a Recorded> {
        let of_container = self.records.get(key.container()).into_iter().flatten();
        of_container.copied().find(|record| record.key.matches(key))
    }

    fn link(&self, key: &Key) -> Option<&'a Linked> {
        let of_container = self.links.get(key.container()).into_iter().flatten();
        of_container.copied().find(|link| link.key.matches(key))
    }

    /// The link that is the attachment's, or that a host route to one of its addresses leads over.
    fn witness(&self, holder: &Holder) -> Option<&'a str> {
        let own = self.link(holder.attachment.key()).map(|link| link.name.as_str());
        let route = |address| self.seen.routes.get(&address).map(String::as_str);
        own.or_else(|| holder.addresses.iter().find_map(route))
    }

    /// # Arguments
    /// `witness`: the link by which it was last seen to live.
    fn sign(&self, key: &Key, witness: Option<&str>) -> Sign {
        let record = self.record(key);
        if record.is_some_and(|record| record.has_sandbox) {
            return Sign::Alive;
        }
        match witness {
            Some(link) if self.seen.names.contains(link) => Sign::Alive,
            Some(_) => Sign::Missing,
            None if record.is_some() => Sign::Missing,
            None => Sign::Unseen,
        }
    }
}

/// Addresses of the pool that two have, or the node itself.
fn conflicts(seen: &Sightings, ledger: &Ledger, own: &[IpAddr]) -> BTreeSet<Contested> {
    let mut claims: HashMap<IpAddr, BTreeSet<String>> = HashMap::new();
    let pods = seen.links.iter().filter_map(|link| link.holder.as_ref());
    let holders = ledger.assignments.iter().map(|assignment| &assignment.holder);
    for holder in pods.chain(holders) {
        for address in holder.addresses.iter().filter(|address| ledger.known.contains(address)) {
            claims
                .entry(address)
                .or_default()
                .insert(format!("container {}", holder.attachment.key().container()));
        }
    }
    for address in own.iter().filter(|address| ledger.known.contains(address)) {
        claims.entry(*address).or_default().insert(NODE.to_owned());
    }
    let contested = claims.into_iter().filter(|(_, claims)| claims.len() > 1 || claims.contains(NODE));
    contested.map(|(address, claims)| Contested { address, claims }).collect()
}

#[cfg(test)]
mod tests;
