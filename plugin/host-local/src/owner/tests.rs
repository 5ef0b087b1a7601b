use proptest::prelude::*;

use super::*;

#[test]
fn the_bytes_on_disk() {
    let owner = ReservationOwner::new(" \tc1\n", "eth0").unwrap();
    assert_eq!(owner.content(), "c1\r\neth0");
    assert_eq!(owner.to_string(), "container c1 interface eth0");
    assert_eq!(Holder::of(b" c1\r\neth0\n"), Holder::Owner(owner));
}

#[test]
fn what_is_no_reservation() {
    assert_eq!(Holder::of(b""), Holder::Empty);
    let long = "c".repeat(LONGEST_CONTENT);
    let foreign: [&[u8]; 9] = [
        b" ",
        b"c1\neth0",
        b"hello world",
        b"-c1\r\neth0",
        b"c1\r\n\r\neth0",
        b"c1\r\n../x",
        b"\xff",
        b"\0",
        long.as_bytes(),
    ];
    for content in foreign {
        assert_eq!(Holder::of(content), Holder::Foreign, "{content:?}");
    }
}

#[test]
fn owners_that_could_not_be_read_back_are_refused() {
    for container_id in ["", " ", "-x", "a/b", "a\r\nb", "é"] {
        assert!(matches!(ReservationOwner::new(container_id, "eth0"), Err(OwnerError::ContainerId(_))));
    }
    assert!(matches!(
        ReservationOwner::new(&"c".repeat(LONGEST_CONTENT), "eth0"),
        Err(OwnerError::ContainerId(_))
    ));
    for ifname in ["", "e th", "a/b", "a\0b", "a:1"] {
        assert!(matches!(ReservationOwner::new("c1", ifname), Err(OwnerError::IfName(_))));
    }
}

#[test]
fn a_legacy_reservation_stands_for_every_interface_of_its_container() {
    let Holder::Owner(legacy) = Holder::of(b"c1") else { panic!("no owner") };
    assert_eq!((legacy.container_id(), legacy.ifname()), ("c1", None));
    let attachment = ReservationOwner::new("c1", "eth1").unwrap();
    assert!(legacy.is("c1", "eth1") && legacy.covers(&attachment));
    assert!(!legacy.is("c2", "eth1") && !legacy.covers(&ReservationOwner::new("c2", "eth1").unwrap()));
    assert!(attachment.is("c1", "eth1") && !attachment.is("c1", "eth0") && !attachment.covers(&legacy));
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(container_id in "[a-zA-Z0-9][a-zA-Z0-9_.\\-]{0,80}", ifname in "[!-.0-9;-~]{1,15}") {
        let owner = ReservationOwner::new(&container_id, &ifname).unwrap();
        prop_assert_eq!(Holder::of(owner.content().as_bytes()), Holder::Owner(owner));
    }

    #[test]
    fn any_bytes_are_read(content in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Holder::Owner(owner) = Holder::of(&content) {
            prop_assert_eq!(owner.content().into_bytes(), content.trim_ascii());
        }
    }
}
