//! Reservations from before the boot.

use serde_json::json;

use crate::testing::{Scratch, age, boot, ip, owner, sets};
use crate::{Liveness, RangeSet, Request, allocate};

fn pool() -> Vec<RangeSet> {
    sets(&json!([[{ "subnet": "10.0.0.0/29" }]]))
}

/// Fills 10.0.0.2 to .6 with c2 to c6, from before the boot.
fn full() -> Scratch {
    let scratch = Scratch::new();
    for octet in 2..=6 {
        scratch.put(&format!("10.0.0.{octet}"), &format!("c{octet}\r\neth0"), true);
    }
    scratch
}

fn add(
    scratch: &Scratch,
    container: &str,
    alive: &str,
    requested: &[std::net::IpAddr],
) -> Result<String, String> {
    let owner = owner(container);
    let liveness = Liveness { boot: boot(), is_alive: &|owner| owner.is(alive, "eth0") };
    let request = Request { owner: &owner, range_sets: &pool(), requested, liveness };
    match allocate(&scratch.store, &request) {
        Ok(allocations) => Ok(allocations[0].address.addr().to_string()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn they_stay_while_there_is_room() {
    let scratch = full();
    std::fs::remove_file(scratch.store.path().join("10.0.0.6")).unwrap();
    assert_eq!(add(&scratch, "new", "", &[]).as_deref(), Ok("10.0.0.6"));
    assert_eq!(scratch.names().len(), 5);
}

#[test]
fn they_are_reclaimed_before_exhaustion_is_reported() {
    let scratch = full();
    assert_eq!(add(&scratch, "new", "c2", &[]).as_deref(), Ok("10.0.0.3"));
    assert_eq!(scratch.names(), ["10.0.0.2", "10.0.0.3"]);
    assert_eq!(scratch.read("10.0.0.2").as_deref(), Some("c2\r\neth0"));
}

#[test]
fn live_young_and_foreign_files_stay() {
    let scratch = full();
    scratch.put("10.0.0.3", "c3\r\neth0", false);
    scratch.put("10.0.0.4", "# a note", true);
    scratch.put("10.0.0.5", "", false);
    scratch.put("10.0.0.6", "c2", true);
    let before = scratch.names();
    let error = add(&scratch, "new", "c2", &[]).unwrap_err();
    assert!(error.ends_with("; 2 taken by files without an owner: 10.0.0.4, 10.0.0.5"), "{error}");
    assert_eq!(scratch.names(), before);
}

#[test]
fn an_empty_file_from_before_the_boot_is_nobodys() {
    let scratch = full();
    scratch.put("10.0.0.5", "", true);
    for octet in [2, 3, 4, 6] {
        scratch.put(&format!("10.0.0.{octet}"), "c\r\neth0", false);
    }
    assert_eq!(add(&scratch, "new", "", &[]).as_deref(), Ok("10.0.0.5"));
}

#[test]
fn a_requested_address_is_reclaimed_alone() {
    let scratch = full();
    assert_eq!(add(&scratch, "new", "", &[ip("10.0.0.4")]).as_deref(), Ok("10.0.0.4"));
    assert_eq!(scratch.names().len(), 5);
    let error = add(&scratch, "other", "c5", &[ip("10.0.0.5")]).unwrap_err();
    assert!(error.ends_with("held by container c5 interface eth0"), "{error}");
}

#[test]
fn files_outside_the_range_are_left_alone() {
    let scratch = full();
    for name in ["10.0.0.1", "10.0.0.7", "10.9.9.9"] {
        scratch.put(name, "old\r\neth0", true);
    }
    scratch.put("lock", "", true);
    age(&scratch.store.path().join("lock"));
    assert_eq!(add(&scratch, "new", "", &[]).as_deref(), Ok("10.0.0.2"));
    assert_eq!(scratch.names(), ["10.0.0.1", "10.0.0.2", "10.0.0.7", "10.9.9.9"]);
}
