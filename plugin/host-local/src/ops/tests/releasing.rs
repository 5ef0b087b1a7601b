//! Release, lookup, check, collection and status by example.

use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::testing::{Scratch, boot, ip, owner, sets};
use crate::{
    Difference, Liveness, ReservationOwner, Store, check, exhausted, find, gc, probe, release, release_known,
};

fn eth1(container: &str) -> ReservationOwner {
    ReservationOwner::new(container, "eth1").unwrap()
}

#[test]
fn every_interface_is_released_by_itself() {
    let scratch = Scratch::new();
    scratch.put("10.0.0.2", "c1\r\neth0", false);
    scratch.put("10.0.0.3", "c1\r\neth1", false);
    scratch.put("fd00::2", " c1\r\neth1\n", false);
    assert_eq!(find(&scratch.store, &eth1("c1")).unwrap(), [ip("10.0.0.3"), ip("fd00::2")]);
    assert_eq!(release(&scratch.store, &eth1("c1")).unwrap(), [ip("10.0.0.3"), ip("fd00::2")]);
    assert_eq!(scratch.names(), ["10.0.0.2"]);
    assert!(release(&scratch.store, &eth1("c1")).unwrap().is_empty());
}

#[test]
fn a_legacy_reservation_is_released_where_there_is_no_other() {
    let scratch = Scratch::new();
    scratch.put("10.0.0.2", "c1", false);
    scratch.put("10.0.0.3", "c1\r\neth1", false);
    assert_eq!(release(&scratch.store, &eth1("c1")).unwrap(), [ip("10.0.0.3")]);
    assert_eq!(release(&scratch.store, &eth1("c1")).unwrap(), [ip("10.0.0.2")]);
}

#[test]
fn an_absent_directory_holds_nothing_and_is_not_made() {
    let scratch = Scratch::new();
    let liveness = Liveness { boot: boot(), is_alive: &|_| false };
    assert!(find(&scratch.store, &owner("c1")).unwrap().is_empty());
    assert!(release(&scratch.store, &owner("c1")).unwrap().is_empty());
    assert!(release_known(&scratch.store, &owner("c1"), &[ip("10.0.0.2")]).unwrap().is_empty());
    assert!(gc(&scratch.store, &|_| false, SystemTime::now()).unwrap().released.is_empty());
    assert_eq!(
        exhausted(&scratch.store, &sets(&json!([[{ "subnet": "10.0.0.0/24" }]])), &liveness).unwrap(),
        None
    );
    assert!(probe(&scratch.store).is_ok());
    assert!(!scratch.store.path().exists());
}

#[test]
fn known_addresses_are_released_only_when_they_are_the_owners() {
    let scratch = Scratch::new();
    scratch.put("10.0.0.2", "c1\r\neth0", false);
    scratch.put("10.0.0.3", "c2\r\neth0", false);
    scratch.put("10.0.0.4", "", false);
    scratch.put("10.0.0.6", "c1\r\neth0", false);
    let known = ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"].map(ip);
    assert_eq!(release_known(&scratch.store, &owner("c1"), &known).unwrap(), [ip("10.0.0.2")]);
    assert_eq!(scratch.names(), ["10.0.0.3", "10.0.0.4", "10.0.0.6"]);
}

#[test]
fn check_names_every_difference() {
    let scratch = Scratch::new();
    let known = ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"].map(ip);
    let missing = |address: &str| Difference::Missing { address: ip(address), owner: owner("c1") };
    assert_eq!(check(&scratch.store, &owner("c1"), &known[..1]).unwrap(), [missing("10.0.0.2")]);

    scratch.put("10.0.0.2", "c1\r\neth0", false);
    scratch.put("10.0.0.3", "c1", false);
    scratch.put("10.0.0.4", "c2\r\neth1", false);
    let texts: Vec<_> =
        check(&scratch.store, &owner("c1"), &known).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "address 10.0.0.4 is not reserved for container c1 interface eth0: \
         it is held by container c2 interface eth1",
            "address 10.0.0.5 is not reserved for container c1 interface eth0: there is no reservation",
        ]
    );
}

#[test]
fn collection_removes_what_is_not_valid_and_old_enough() {
    let scratch = Scratch::new();
    for (name, content, old) in [
        ("10.0.0.2", "dead\r\neth0", true),
        ("10.0.0.3", "live\r\neth0", true),
        ("10.0.0.4", "live\r\neth9", true),
        ("10.0.0.5", "live", true),
        ("10.0.0.6", "dead", true),
        ("10.0.0.7", "", true),
        ("10.0.0.8", "not an owner", true),
        ("10.0.0.9", "new\r\neth0", false),
        ("last_reserved_ip.0", "10.0.0.9", true),
        ("lock", "", true),
        ("notes.txt", "dead\r\neth0", true),
    ] {
        scratch.put(name, content, old);
    }
    let valid = |owner: &ReservationOwner| owner.is("live", "eth0");
    let started = SystemTime::now() - Duration::from_mins(1);
    let collected = gc(&scratch.store, &valid, started).unwrap();
    assert!(collected.errors.is_empty());
    let mut released: Vec<_> = collected.released.into_iter().map(|(address, _)| address).collect();
    released.sort();
    assert_eq!(released, ["10.0.0.2", "10.0.0.4", "10.0.0.6"].map(ip));
    assert_eq!(scratch.names(), ["10.0.0.3", "10.0.0.5", "10.0.0.7", "10.0.0.8", "10.0.0.9", "notes.txt"]);
    assert!(scratch.read("lock").is_some() && scratch.read("last_reserved_ip.0").is_some());

    let later = gc(&scratch.store, &valid, SystemTime::now() + Duration::from_mins(1)).unwrap();
    assert_eq!(later.released, [(ip("10.0.0.9"), owner("new"))]);
}

#[test]
fn status_names_the_exhausted_set() {
    let scratch = Scratch::new();
    let sets = sets(&json!([[{ "subnet": "fd00::/64" }], [{ "subnet": "10.0.0.0/30" }]]));
    let dead = Liveness { boot: boot(), is_alive: &|_| false };
    let status = |liveness: &Liveness<'_>| exhausted(&scratch.store, &sets, liveness).unwrap();
    scratch.put("10.0.0.1", "", true);
    assert_eq!(status(&dead), None);

    scratch.put("10.0.0.2", "c1\r\neth0", false);
    let full = status(&dead).map(|exhausted| exhausted.to_string());
    assert_eq!(full.as_deref(), Some("no IP addresses available in range set 1: 10.0.0.1-10.0.0.2"));

    // Where an allocation would take over, there is room; nothing is changed by asking.
    scratch.put("10.0.0.2", "c1\r\neth0", true);
    assert_eq!(status(&dead), None);
    assert!(status(&Liveness { is_alive: &|owner| owner.is("c1", "eth0"), ..dead }).is_some());
    assert_eq!(scratch.names(), ["10.0.0.1", "10.0.0.2"]);

    let none = crate::testing::sets(&json!([[{ "subnet": "10.1.0.0/30", "rangeEnd": "10.1.0.1" }]]));
    let empty = Scratch::new();
    assert!(exhausted(&empty.store, &none, &dead).unwrap().is_some());
}

#[test]
fn probe_looks_at_the_nearest_directory_that_exists() {
    let scratch = Scratch::new();
    let deep = Store::new(&scratch.dir.path().join("a/b"), "net").unwrap();
    assert!(probe(&deep).is_ok());
    std::fs::write(scratch.dir.path().join("a"), "").unwrap();
    let error = probe(&deep).unwrap_err().to_string();
    assert!(error.starts_with("cannot write to ") && error.contains("/a"), "{error}");
    assert!(probe(&Store::new("relative".as_ref(), "net").unwrap()).is_ok());
}
