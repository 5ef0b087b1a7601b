//! Names, modes, the lock, and what a whole life of a journal looks like.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use podnet_ipam_core::Event;

use super::{Scratch, assigned, boot, every_event};
use crate::{BootId, Damage, Store, StoreError, Verdict};

#[test]
fn what_was_written_is_read() {
    let scratch = Scratch::new();
    assert_eq!(scratch.open().1.verdict, Verdict::Missing);
    scratch.write(&every_event());
    let (mut store, recovery) = scratch.open();
    assert_eq!(recovery.verdict, Verdict::Intact);
    assert_eq!(recovery.events, every_event());
    assert_eq!(store.snapshot(&recovery.events).unwrap(), None);
    assert_eq!(scratch.names(), ["pool.journal", "pool.lock"]);
}

#[test]
fn only_root_can_enter_and_read() {
    let scratch = Scratch::new();
    scratch.write(&every_event());
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(scratch.state()), 0o700);
    assert_eq!(mode(scratch.journal()), 0o600);
    assert_eq!(mode(scratch.state().join("pool.lock")), 0o600);
}

#[test]
fn a_directory_that_others_may_write_to_is_refused() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.state()).unwrap();
    fs::set_permissions(scratch.state(), fs::Permissions::from_mode(0o770)).unwrap();
    let error = Store::open(&scratch.state(), boot()).unwrap_err();
    assert!(matches!(error, StoreError::NotPrivate { mode: 0o770, .. }), "{error}");
}

#[test]
fn links_are_not_followed() {
    let scratch = Scratch::new();
    let elsewhere = Scratch::new();
    elsewhere.write(&every_event());
    let before = fs::read(elsewhere.journal()).unwrap();
    fs::create_dir(scratch.state()).unwrap();
    symlink(elsewhere.journal(), scratch.journal()).unwrap();

    let (mut store, recovery) = scratch.open();
    assert_eq!(recovery.verdict, Verdict::Unreadable(Damage::Foreign));
    assert_eq!(recovery.events, []);
    symlink(elsewhere.journal(), scratch.state().join("pool.journal.new")).unwrap();
    store.snapshot(&[]).unwrap();
    store.append(&every_event()).unwrap();
    assert_eq!(fs::read(elsewhere.journal()).unwrap(), before);

    symlink(elsewhere.state(), elsewhere.0.path().join("link")).unwrap();
    assert!(Store::open(&elsewhere.0.path().join("link"), boot()).is_err());
}

#[test]
fn one_daemon_at_a_time() {
    let scratch = Scratch::new();
    let (store, _) = scratch.open();
    let error = Store::open(&scratch.state(), boot()).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    drop(store);
    scratch.open();
}

#[test]
fn nothing_is_appended_before_a_snapshot() {
    let scratch = Scratch::new();
    scratch.write(&every_event());
    let (mut store, _) = scratch.open();
    assert!(!store.is_ready() && store.wants_snapshot());
    let error = store.append(&every_event()).unwrap_err();
    assert!(matches!(error, StoreError::NeedsSnapshot { .. }), "{error}");
    store.snapshot(&every_event()).unwrap();
    assert!(store.is_ready() && !store.wants_snapshot());
}

#[test]
fn the_journal_stays_bounded() {
    let scratch = Scratch::new();
    let (mut store, _) = scratch.open();
    let snapshot = vec![assigned("a", &["10.0.0.1"])];
    store.snapshot(&snapshot).unwrap();
    let batch: Vec<_> = (0..500).map(Event::Requested).collect();
    let mut snapshots = 0;
    for _ in 0..500 {
        store.append(&batch).unwrap();
        let size = store.size();
        assert_eq!(size.journal, fs::metadata(scratch.journal()).unwrap().len());
        assert!(size.journal < 1_100_000, "{size:?}");
        if store.wants_snapshot() {
            store.snapshot(&snapshot).unwrap();
            snapshots += 1;
        }
    }
    assert!(snapshots > 1);
}

#[test]
fn the_state_of_another_boot_is_set_aside() {
    let scratch = Scratch::new();
    scratch.write(&every_event());
    let before = fs::read(scratch.journal()).unwrap();
    let other = BootId::parse("11111111-2222-3333-4444-555555555555").unwrap();
    let (mut store, recovery) = Store::open(&scratch.state(), other).unwrap();
    assert_eq!((recovery.verdict, recovery.needs_rebuild()), (Verdict::OtherBoot, false));
    assert_eq!(recovery.events, []);
    let aside = store.snapshot(&[]).unwrap().unwrap();
    assert_eq!(fs::read(aside).unwrap(), before);
}

#[test]
fn every_unreadable_journal_is_kept_under_a_name_of_its_own_and_the_latest_eight_stay() {
    let scratch = Scratch::new();
    for round in 1..=20_u8 {
        let (mut store, _) = scratch.open();
        store.snapshot(&[]).unwrap();
        drop(store);
        fs::write(scratch.journal(), [round]).unwrap();
        let (mut store, recovery) = scratch.open();
        assert_eq!(recovery.verdict, Verdict::Unreadable(Damage::Header));
        assert!(recovery.needs_rebuild());
        let aside = store.snapshot(&[]).unwrap().unwrap();
        assert_eq!(aside, scratch.state().join(format!("pool.journal.aside.{round}")));
        assert_eq!(fs::read(aside).unwrap(), [round]);
    }
    let aside = |name: &String| name.starts_with("pool.journal.aside.");
    assert_eq!(scratch.names().iter().filter(|name| aside(name)).count(), 8);
}

#[test]
fn the_boot_of_this_machine_is_read() {
    assert_eq!(BootId::current().unwrap(), BootId::current().unwrap());
    for text in
        ["", "0f1e2d3c", "+f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", "zz1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"]
    {
        assert_eq!(BootId::parse(text), None, "{text}");
    }
}

#[test]
fn whatever_bears_the_journals_name_is_set_aside_and_what_a_kill_left_is_replaced() {
    type Make = fn(&std::path::Path);
    let empty: Make = |path| fs::write(path, "").unwrap();
    let directory: Make = |path| fs::create_dir(path).unwrap();
    let fifo: Make = |path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let huge: Make = |path| fs::File::create(path).unwrap().set_len(257 << 20).unwrap();
    let kinds = [
        (empty, Damage::Empty),
        (directory, Damage::Foreign),
        (fifo, Damage::Foreign),
        (huge, Damage::TooLarge),
    ];
    for (make, damage) in kinds {
        let scratch = Scratch::new();
        fs::create_dir(scratch.state()).unwrap();
        make(&scratch.journal());
        fs::write(scratch.state().join("pool.journal.new"), "half a snapshot").unwrap();
        let (mut store, recovery) = scratch.open();
        assert_eq!(recovery.verdict, Verdict::Unreadable(damage));
        assert!(store.snapshot(&every_event()).unwrap().unwrap().symlink_metadata().is_ok());
        drop(store);
        assert_eq!(scratch.open().1.events, every_event());
        assert_eq!(scratch.names(), ["pool.journal", "pool.journal.aside.1", "pool.lock"]);
    }
}

#[test]
fn a_contradiction_sets_the_file_aside() {
    let scratch = Scratch::new();
    scratch.write(&every_event());
    let (mut store, mut recovery) = scratch.open();
    store.distrust(&mut recovery);
    assert_eq!(recovery.verdict, Verdict::Unreadable(Damage::Contradictory));
    assert!(recovery.needs_rebuild());
    assert!(store.snapshot(&[]).unwrap().is_some());
    // Once.
    assert_eq!(store.snapshot(&[]).unwrap(), None);
}
