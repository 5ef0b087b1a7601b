//! Short words for the tests.

use std::net::IpAddr;
use std::time::Duration;

use crate::{Attachment, Event, Family, Identity, Key, Offer, Pool, Refused, Request, Settings};

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The usual ones with another cool-down, in seconds.
pub(crate) fn settings(cool_down: u64) -> Settings {
    Settings { cool_down: secs(cool_down), ..Settings::default() }
}

pub(crate) fn offer(block: &str) -> Offer {
    Offer { container: "nc".into(), block: block.parse().unwrap(), programmed: true }
}

/// As `azure-ipam` sends it.
pub(crate) fn by_ipam<'a>(container: &'a str, interface: &'a str) -> Identity<'a> {
    Identity {
        infra_container_id: container,
        pod_interface_id: container,
        interface,
        pod: "p",
        namespace: "ns",
    }
}

/// Eth0 of a container.
pub(crate) fn key(container: &str) -> Key {
    Key::new(&by_ipam(container, "eth0")).unwrap()
}

pub(crate) fn request(container: &str, asked: Duration) -> Request {
    let attachment = Attachment::new(&by_ipam(container, "eth0")).unwrap();
    Request { attachment, desired: Vec::new(), asked }
}

/// A pool with every event it has given.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) pool: Pool,
    pub(crate) events: Vec<Event>,
}

impl Recorded {
    pub(crate) fn new(settings: Settings, blocks: &[&str]) -> Self {
        let mut recorded = Self { pool: Pool::new(settings), events: Vec::new() };
        recorded.supply(blocks, Duration::ZERO);
        recorded
    }

    pub(crate) fn supply(&mut self, blocks: &[&str], now: Duration) {
        let offers: Vec<_> = blocks.iter().map(|block| offer(block)).collect();
        self.pool.supply(&offers, now, &mut self.events).unwrap();
    }

    pub(crate) fn assign(&mut self, container: &str, now: Duration) -> Result<Vec<IpAddr>, Refused> {
        let assigned = self.pool.assign(request(container, now), now, &mut self.events)?;
        Ok(assigned.grants.into_iter().map(|grant| grant.address).collect())
    }

    pub(crate) fn release(&mut self, container: &str, now: Duration) {
        self.pool.release(&key(container), now, &mut self.events);
    }

    /// The pool that the events lead to, at a time.
    pub(crate) fn replayed(&self, now: Duration) -> Pool {
        let (mut pool, conflicts) = Pool::replay(*self.pool.settings(), self.events.iter().cloned());
        assert_eq!(conflicts, []);
        pool.tick(now);
        pool
    }

    /// The pool that its snapshot leads to, at a time.
    pub(crate) fn restored(&self, now: Duration) -> Pool {
        let (mut pool, conflicts) = Pool::replay(*self.pool.settings(), self.pool.snapshot());
        assert_eq!(conflicts, []);
        pool.tick(now);
        pool
    }

    /// Asserts that nobody could tell the other pool from this one.
    pub(crate) fn assert_same(&self, other: &Pool) {
        let addresses =
            |pool: &Pool| pool.addresses().map(|(address, slot)| (address, slot.clone())).collect::<Vec<_>>();
        assert_eq!(addresses(other), addresses(&self.pool));
        let holders = |pool: &Pool| {
            let mut holders: Vec<_> = pool.holders().map(|holder| format!("{holder:?}")).collect();
            holders.sort();
            holders
        };
        assert_eq!(holders(other), holders(&self.pool));
        for family in Family::ALL {
            assert_eq!(other.counts(family), self.pool.counts(family));
        }
        assert_eq!(other.requested(), self.pool.requested());
    }
}
