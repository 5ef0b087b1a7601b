//! A journal cut off anywhere, and with any bit wrong.

use std::fs;

use super::{Scratch, boot, damage_at, every_event};
use crate::format::HEADER;
use crate::{Damage, Recovery, Verdict};

/// Where the snapshot ends in a journal of `Scratch::write`.
fn end_of_snapshot(bytes: &[u8]) -> usize {
    let length = u64::from_le_bytes(bytes[28..36].try_into().unwrap());
    HEADER + usize::try_from(length).unwrap()
}

#[test]
fn cut_off_at_any_byte_it_gives_whole_records_and_says_what_that_is_worth() {
    let scratch = Scratch::new();
    let events = every_event();
    scratch.write(&events);
    let bytes = fs::read(scratch.journal()).unwrap();
    let snapshot = end_of_snapshot(&bytes);
    let mut seen = 0;
    for length in 0..=bytes.len() {
        let recovery = Recovery::read(&bytes[..length], boot());
        let count = recovery.events.len();
        assert_eq!(recovery.events, events[..count], "{length}");
        assert!(count >= seen, "{length}");
        seen = count;
        let expected = match length {
            0 => Verdict::Unreadable(Damage::Empty),
            _ if length < HEADER => Verdict::Unreadable(Damage::Header),
            _ if length < snapshot => Verdict::Unreadable(Damage::CutOff),
            _ => match recovery.verdict {
                Verdict::Torn { .. } | Verdict::Intact => recovery.verdict,
                other => panic!("{length}: {other:?}"),
            },
        };
        assert_eq!(recovery.verdict, expected, "{length}");
    }
    assert_eq!(seen, events.len());
}

#[test]
fn any_wrong_bit_is_noticed_and_never_believed() {
    let scratch = Scratch::new();
    let events = every_event();
    scratch.write(&events);
    let bytes = fs::read(scratch.journal()).unwrap();
    for offset in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[offset] ^= 1 << bit;
            let recovery = Recovery::read(&damaged, boot());
            assert!(matches!(recovery.verdict, Verdict::Unreadable(_)), "{offset}.{bit}: {recovery:?}");
            assert_eq!(recovery.events, events[..recovery.events.len()], "{offset}.{bit}");
        }
    }
}

#[test]
fn a_damaged_record_sets_the_file_aside_and_what_is_before_it_stays() {
    let scratch = Scratch::new();
    let events = every_event();
    scratch.write(&events);
    let end = fs::metadata(scratch.journal()).unwrap().len();
    damage_at(&scratch.journal(), usize::try_from(end - 1).unwrap(), 0);
    let damaged = fs::read(scratch.journal()).unwrap();

    let (mut store, recovery) = scratch.open();
    assert!(matches!(recovery.verdict, Verdict::Unreadable(Damage::Record { .. })), "{recovery:?}");
    assert_eq!(recovery.events, events[..events.len() - 1]);
    let aside = store.snapshot(&recovery.events).unwrap().unwrap();
    assert_eq!(fs::read(aside).unwrap(), damaged);
    drop(store);
    assert_eq!(scratch.open().1.verdict, Verdict::Intact);
}

#[test]
fn a_torn_write_is_dropped_and_the_file_goes_on() {
    let scratch = Scratch::new();
    let events = every_event();
    scratch.write(&events);
    let end = fs::metadata(scratch.journal()).unwrap().len();
    fs::File::options().write(true).open(scratch.journal()).unwrap().set_len(end - 1).unwrap();

    let (mut store, recovery) = scratch.open();
    assert!(matches!(recovery.verdict, Verdict::Torn { .. }), "{recovery:?}");
    assert!(!recovery.needs_rebuild());
    assert_eq!(store.snapshot(&recovery.events).unwrap(), None);
    store.append(&events[events.len() - 1..]).unwrap();
    drop(store);
    assert_eq!(scratch.open().1.events, events);
}
