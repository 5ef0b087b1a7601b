//! Journals of other versions.

use std::fs;

use super::{Scratch, every_event};
use crate::crc::crc32c;
use crate::{Damage, Verdict};

/// A journal that version 1 wrote, of the boot of these tests, with one event of every kind.
const VERSION_1: &[u8] = include_bytes!("version-1.journal");

#[test]
fn the_previous_version_is_read_and_replaced_by_the_current_one() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.state()).unwrap();
    fs::write(scratch.journal(), VERSION_1).unwrap();

    let (mut store, recovery) = scratch.open();
    assert_eq!((recovery.verdict, recovery.needs_rebuild()), (Verdict::Intact, false));
    assert_eq!(recovery.events, every_event());
    assert_eq!(store.snapshot(&recovery.events).unwrap(), None);
    drop(store);

    let version = |bytes: &[u8]| bytes[8..12].to_vec();
    assert_eq!(version(VERSION_1), [1, 0, 0, 0]);
    assert_eq!(version(&fs::read(scratch.journal()).unwrap()), [2, 0, 0, 0]);
    assert_eq!(scratch.open().1.events, every_event());
}

#[test]
fn the_previous_version_cut_off_is_torn() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.state()).unwrap();
    fs::write(scratch.journal(), &VERSION_1[..VERSION_1.len() - 1]).unwrap();
    let (_, recovery) = scratch.open();
    assert!(matches!(recovery.verdict, Verdict::Torn { .. }), "{recovery:?}");
    assert_eq!(recovery.events, every_event()[..7]);
}

#[test]
fn a_later_version_is_set_aside_whole() {
    let scratch = Scratch::new();
    scratch.write(&every_event());
    let mut bytes = fs::read(scratch.journal()).unwrap();
    bytes[8] = 3;
    let checksum = crc32c(&bytes[..36]);
    bytes[36..40].copy_from_slice(&checksum.to_le_bytes());
    fs::write(scratch.journal(), &bytes).unwrap();

    let (mut store, recovery) = scratch.open();
    assert_eq!(recovery.verdict, Verdict::Unreadable(Damage::Version { version: 3 }));
    assert_eq!(recovery.events, []);
    let aside = store.snapshot(&[]).unwrap().unwrap();
    assert_eq!(fs::read(aside).unwrap(), bytes);
}
