//! The files: names, bytes, modes, and what foreign hands may have left.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::draft::Draft;
use super::*;
use crate::owner::Holder;
use crate::testing::{Scratch, ip, owner};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn reserve(directory: &Directory, container: &str, addresses: &[&str]) {
    let owner = owner(container);
    let mut reserving = directory.lock().unwrap().reserving(&owner);
    for address in addresses {
        assert!(reserving.reserve(ip(address)).unwrap(), "{address}");
    }
    reserving.keep().unwrap();
}

#[test]
fn a_network_name_is_one_component_of_a_path() {
    for name in ["", ".", "..", "a/b", "/", "a\0"] {
        let error = Store::new(Path::new("/x"), name).unwrap_err();
        assert_eq!(error.to_string(), format!("network name {name:?} cannot be used as a directory name"));
    }
    assert_eq!(Store::new(Path::new("/x"), "..a").unwrap().path(), Path::new("/x/..a"));
}

#[test]
fn names_bytes_and_modes_are_the_reference_ones() {
    let scratch = Scratch::new();
    reserve(&scratch.store.create().unwrap(), "c1", &["10.0.0.5", "fd00:0:0:0::7"]);
    let path = scratch.store.path();
    assert_eq!(scratch.names(), ["10.0.0.5", "fd00::7"]);
    for (name, content, want) in [
        ("10.0.0.5", "c1\r\neth0", 0o600),
        ("fd00::7", "c1\r\neth0", 0o600),
        ("last_reserved_ip.0", "10.0.0.5", 0o600),
        ("last_reserved_ip.1", "fd00::7", 0o600),
        ("lock", "", 0o750),
    ] {
        assert_eq!(scratch.read(name).as_deref(), Some(content), "{name}");
        assert_eq!(mode(&path.join(name)), want, "{name}");
    }
    assert_eq!(mode(path), 0o755);
}

#[test]
fn what_is_not_kept_is_undone() {
    let scratch = Scratch::new();
    let directory = scratch.store.create().unwrap();
    reserve(&directory, "c1", &["10.0.0.5"]);
    let owner = owner("c2");
    let mut reserving = directory.lock().unwrap().reserving(&owner);
    assert!(!reserving.reserve(ip("10.0.0.5")).unwrap());
    assert!(reserving.reserve(ip("10.0.0.6")).unwrap());
    drop(reserving);
    assert_eq!(scratch.names(), ["10.0.0.5"]);
    assert_eq!(directory.cursor(0).unwrap(), Some(ip("10.0.0.5")));
}

#[test]
fn a_cursor_that_cannot_be_written_undoes_the_reservation() {
    let scratch = Scratch::new();
    let directory = scratch.store.create().unwrap();
    std::fs::create_dir(scratch.store.path().join("last_reserved_ip.0")).unwrap();
    let owner = owner("c1");
    let mut reserving = directory.lock().unwrap().reserving(&owner);
    assert!(reserving.reserve(ip("10.0.0.5")).unwrap());
    let error = reserving.keep().unwrap_err().to_string();
    assert!(error.starts_with("cannot write ") && error.ends_with("/net/last_reserved_ip.0"), "{error}");
    assert!(scratch.names().is_empty());
}

#[test]
fn a_cursor_that_cannot_be_understood_is_none() {
    let scratch = Scratch::new();
    let directory = scratch.store.create().unwrap();
    assert_eq!(directory.cursor(0).unwrap(), None);
    for text in ["", "10.0.0", "\u{fffd}", &"1".repeat(100)] {
        scratch.put("last_reserved_ip.0", text, false);
        assert_eq!(directory.cursor(0).unwrap(), None, "{text}");
    }
    std::fs::write(scratch.store.path().join("last_reserved_ip.0"), b"\xff\xfe").unwrap();
    assert_eq!(directory.cursor(0).unwrap(), None);
    scratch.put("last_reserved_ip.0", "10.0.0.7\n", false);
    assert_eq!(directory.cursor(0).unwrap(), Some(ip("10.0.0.7")));
}

#[test]
fn a_long_cursor_is_replaced_whole() {
    let scratch = Scratch::new();
    let directory = scratch.store.create().unwrap();
    scratch.put("last_reserved_ip.0", "10.100.100.100", false);
    reserve(&directory, "c1", &["10.0.0.1"]);
    assert_eq!(scratch.read("last_reserved_ip.0").as_deref(), Some("10.0.0.1"));
}

#[test]
fn only_canonical_names_are_addresses() {
    let scratch = Scratch::new();
    let others = [
        "FD00::2",
        "fd00:0::2",
        "::ffff:10.0.0.9",
        "10.0.0.08",
        "10.0.0.9.tmp",
        "lock",
        "last_reserved_ip.0",
    ];
    for name in ["10.0.0.7", "fd00::2"].iter().chain(&others) {
        scratch.put(name, "", false);
    }
    std::fs::create_dir(scratch.store.path().join("10.0.0.8")).unwrap();
    let directory = scratch.store.open().unwrap().unwrap();
    let mut addresses: Vec<_> = directory.addresses().unwrap().into_iter().collect();
    addresses.sort();
    assert_eq!(addresses, [ip("10.0.0.7"), ip("10.0.0.8"), ip("fd00::2")]);
}

#[test]
fn foreign_files_are_seen_as_such_and_links_not_followed() {
    let scratch = Scratch::new();
    scratch.put("10.0.0.1", "c1\r\neth0", false);
    let path = |name: &str| scratch.store.path().join(name);
    symlink(path("10.0.0.1"), path("10.0.0.2")).unwrap();
    symlink("/nonexistent", path("10.0.0.3")).unwrap();
    std::fs::create_dir(path("10.0.0.4")).unwrap();
    mkfifo(&path("10.0.0.5"), Mode::S_IRWXU).unwrap();
    std::os::unix::net::UnixListener::bind(path("10.0.0.6")).unwrap();
    scratch.put("10.0.0.7", "something else", false);
    let directory = scratch.store.open().unwrap().unwrap();
    let holder = |address| directory.reservation(ip(address)).unwrap().map(|reservation| reservation.holder);
    assert_eq!(holder("10.0.0.1"), Some(Holder::Owner(owner("c1"))));
    for address in ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7"] {
        assert_eq!(holder(address), Some(Holder::Foreign), "{address}");
        assert!(directory.modified(ip(address)).unwrap().is_some());
        let owner = owner("c2");
        let mut reserving = directory.lock().unwrap().reserving(&owner);
        assert!(!reserving.reserve(ip(address)).unwrap(), "{address}");
    }
    assert_eq!(holder("10.0.0.8"), None);
}

#[test]
fn a_lock_or_cursor_that_is_a_link_is_refused() {
    let scratch = Scratch::new();
    let directory = scratch.store.create().unwrap();
    let target = scratch.dir.path().join("target");
    symlink(&target, scratch.store.path().join("last_reserved_ip.0")).unwrap();
    assert!(directory.cursor(0).is_err());
    symlink(&target, scratch.store.path().join("lock")).unwrap();
    assert!(directory.lock().is_err());
    assert!(!target.exists());
}

#[test]
fn a_reservation_that_changed_hands_is_not_removed() {
    let scratch = Scratch::new();
    let directory = scratch.store.create().unwrap();
    reserve(&directory, "c1", &["10.0.0.5", "10.0.0.6"]);
    let seen = |address| directory.reservation(ip(address)).unwrap().unwrap();
    let (five, six) = (seen("10.0.0.5"), seen("10.0.0.6"));
    scratch.put("10.0.0.5", "c2\r\neth0", false);
    let locked = directory.lock().unwrap();
    assert!(!locked.remove_unchanged(&five).unwrap());
    assert!(locked.remove_unchanged(&six).unwrap());
    assert!(!locked.remove_unchanged(&six).unwrap());
    assert_eq!(scratch.names(), ["10.0.0.5"]);
}

/// The way of file systems without unnamed files; the draft that a kill left is a live reservation's second
/// name.
#[test]
fn a_named_draft_spares_what_a_kill_left() {
    let scratch = Scratch::new();
    let directory = scratch.store.create().unwrap();
    let path = scratch.dir.path().join(".podnet-net");
    scratch.put("10.0.0.5", "killed\r\neth0", false);
    std::fs::hard_link(scratch.store.path().join("10.0.0.5"), &path).unwrap();

    let draft = Draft::write_named(&path, &owner("c2")).unwrap();
    assert!(!draft.link(&directory, ip("10.0.0.5")).unwrap());
    assert!(draft.link(&directory, ip("10.0.0.6")).unwrap());
    drop(draft);
    assert!(!path.exists());
    assert_eq!(scratch.read("10.0.0.5").as_deref(), Some("killed\r\neth0"));
    assert_eq!(scratch.read("10.0.0.6").as_deref(), Some("c2\r\neth0"));
    let metadata = std::fs::metadata(scratch.store.path().join("10.0.0.6")).unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.nlink()), (0o600, 1));
}

#[test]
fn a_directory_that_is_none_is_named() {
    let scratch = Scratch::new();
    assert!(scratch.store.open().unwrap().is_none());
    std::fs::write(scratch.store.path(), "").unwrap();
    let error = scratch.store.create().unwrap_err().to_string();
    assert_eq!(error, format!("cannot open {}", scratch.store.path().display()));
}
