//! Allocation by example (containernetworking plugins, host-local `host_local_test.go` and
//! `allocator_test.go`, by behaviour).

use serde_json::json;

use crate::testing::{Scratch, ip, owner, sets};
use crate::{AllocateError, Holder, Request, allocate};

fn two_sets() -> Vec<crate::RangeSet> {
    sets(&json!([
        [{ "subnet": "10.1.2.0/24" }, { "subnet": "10.2.2.0/24" }],
        [{ "subnet": "2001:db8:1::/64", "gateway": "2001:db8:1::9" }],
    ]))
}

fn addresses(allocations: &[crate::Allocation]) -> Vec<(String, String, usize)> {
    let text = |a: &crate::Allocation| (a.address.to_string(), a.gateway.to_string(), a.range_set);
    allocations.iter().map(text).collect()
}

#[test]
fn one_address_of_every_set_and_the_next_one_for_the_next_pod() {
    let (scratch, sets) = (Scratch::new(), two_sets());
    let text = |a: &str, g: &str, s| (a.to_owned(), g.to_owned(), s);
    assert_eq!(
        addresses(&scratch.add(&sets, &owner("c1")).unwrap()),
        [text("10.1.2.2/24", "10.1.2.1", 0), text("2001:db8:1::1/64", "2001:db8:1::9", 1),]
    );
    assert_eq!(
        addresses(&scratch.add(&sets, &owner("c2")).unwrap()),
        [text("10.1.2.3/24", "10.1.2.1", 0), text("2001:db8:1::2/64", "2001:db8:1::9", 1),]
    );
    assert_eq!(scratch.read("last_reserved_ip.0").as_deref(), Some("10.1.2.3"));
    assert_eq!(scratch.read("last_reserved_ip.1").as_deref(), Some("2001:db8:1::2"));
}

#[test]
fn an_exhausted_set_keeps_nothing_of_the_others() {
    let scratch = Scratch::new();
    let sets = sets(&json!([[{ "subnet": "10.0.0.0/24" }], [{ "subnet": "10.1.0.0/30" }]]));
    scratch.add(&sets, &owner("c1")).unwrap();
    let error = scratch.add(&sets, &owner("c2")).unwrap_err().to_string();
    assert_eq!(
        error,
        "failed to allocate for range 1: no IP addresses available in range set: 10.1.0.1-10.1.0.2"
    );
    assert_eq!(scratch.names(), ["10.0.0.2", "10.1.0.2"]);
    assert_eq!(scratch.read("last_reserved_ip.0").as_deref(), Some("10.0.0.2"));
}

#[test]
fn files_without_an_owner_count_as_taken_and_are_named() {
    let scratch = Scratch::new();
    let sets = sets(&json!([[{ "subnet": "10.0.0.0/29" }]]));
    for name in ["10.0.0.2", "10.0.0.1"] {
        scratch.put(name, "", false);
    }
    scratch.put("10.0.0.3", "what is this", true);
    for (container, want) in [("c1", "10.0.0.4"), ("c2", "10.0.0.5"), ("c3", "10.0.0.6")] {
        assert_eq!(scratch.add_one(&sets, container).as_deref(), Ok(want));
    }
    let error = scratch.add_one(&sets, "c4").unwrap_err();
    assert!(
        error.ends_with("10.0.0.1-10.0.0.6; 2 taken by files without an owner: 10.0.0.2, 10.0.0.3"),
        "{error}"
    );
    assert_eq!(scratch.names().len(), 6);
}

#[test]
fn requested_addresses_are_given_to_their_sets() {
    let (scratch, sets) = (Scratch::new(), two_sets());
    let both = [ip("2001:db8:1::77"), ip("10.2.2.5"), ip("10.2.2.5")];
    let got = scratch.add_requested(&sets, &owner("c1"), &both).unwrap();
    assert_eq!(
        addresses(&got),
        [
            ("10.2.2.5/24".to_owned(), "10.2.2.1".to_owned(), 0),
            ("2001:db8:1::77/64".to_owned(), "2001:db8:1::9".to_owned(), 1),
        ]
    );
    assert_eq!(scratch.read("last_reserved_ip.0").as_deref(), Some("10.2.2.5"));
    let one = scratch.add_requested(&sets, &owner("c2"), &[ip("2001:db8:1::66")]).unwrap();
    assert_eq!(one[0].address.addr(), ip("10.2.2.6"));
}

#[test]
fn requested_addresses_that_cannot_be_given() {
    let (scratch, sets) = (Scratch::new(), two_sets());
    scratch.add_requested(&sets, &owner("c1"), &[ip("10.1.2.88")]).unwrap();
    let before = scratch.names();
    let cases: [(&[&str], &str); 6] = [
        (&["10.1.2.1"], "failed to allocate for range 0: requested ip 10.1.2.1 is subnet's gateway"),
        (
            &["2001:db8:1::9"],
            "failed to allocate for range 1: requested ip 2001:db8:1::9 is subnet's gateway",
        ),
        (
            &["2001:db8:1::2", "10.1.2.88"],
            "failed to allocate for range 0: requested IP address 10.1.2.88 is not available in range set \
             10.1.2.1-10.1.2.254,10.2.2.1-10.2.2.254: held by container c1 interface eth0",
        ),
        (&["10.1.2.255"], "failed to allocate all requested IPs: 10.1.2.255"),
        (&["10.1.2.0", "fd00::1"], "failed to allocate all requested IPs: 10.1.2.0, fd00::1"),
        // Two of one set.
        (&["10.1.2.7", "10.2.2.8"], "failed to allocate all requested IPs: 10.2.2.8"),
    ];
    for (requested, want) in cases {
        let requested: Vec<_> = requested.iter().map(|text| ip(text)).collect();
        let error = scratch.add_requested(&sets, &owner("c2"), &requested).unwrap_err();
        assert_eq!(error.to_string(), want);
        assert_eq!(scratch.names(), before, "{want}");
    }
}

#[test]
fn an_address_just_released_is_the_last_to_be_given_again() {
    let scratch = Scratch::new();
    let sets = sets(&json!([[{ "subnet": "10.0.0.0/29" }]]));
    assert_eq!(scratch.add_one(&sets, "c1").as_deref(), Ok("10.0.0.2"));
    crate::release(&scratch.store, &owner("c1")).unwrap();
    for want in ["10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.2"] {
        assert_eq!(scratch.add_one(&sets, want).as_deref(), Ok(want));
    }
}

#[test]
fn a_store_that_cannot_be_written_names_the_path() {
    let scratch = Scratch::new();
    std::fs::write(scratch.store.path(), "a file").unwrap();
    let liveness = crate::Liveness { boot: crate::testing::boot(), is_alive: &|_| false };
    let request = Request { owner: &owner("c1"), range_sets: &two_sets(), requested: &[], liveness };
    let error = allocate(&scratch.store, &request).unwrap_err();
    assert!(matches!(&error, AllocateError::Store(_)));
    assert_eq!(error.to_string(), format!("cannot open {}", scratch.store.path().display()));
}

#[test]
fn a_holder_can_be_told_by_its_text() {
    let scratch = Scratch::new();
    scratch.put("10.1.2.9", "", false);
    let error = scratch.add_requested(&two_sets(), &owner("c1"), &[ip("10.1.2.9")]).unwrap_err();
    assert!(matches!(&error, AllocateError::RequestedTaken { holder: Holder::Empty, .. }), "{error}");
    assert!(error.to_string().ends_with("held by nobody (the file is empty)"));
}

#[test]
fn a_long_run_of_taken_addresses_is_passed() {
    let scratch = Scratch::new();
    let sets = sets(&json!([[{ "subnet": "10.0.0.0/24" }]]));
    for octet in (2..=150).chain(152..=254) {
        scratch.put(&format!("10.0.0.{octet}"), "other\r\neth0", false);
    }
    assert_eq!(scratch.add_one(&sets, "c1").as_deref(), Ok("10.0.0.151"));
    assert!(scratch.add_one(&sets, "c2").is_err());
}
