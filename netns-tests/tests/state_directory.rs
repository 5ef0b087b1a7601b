//! The pool's journal where the disk is full, and where it is read-only.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use podnet_ipam_core::Event;
use podnet_ipam_store::{BootId, Store, StoreError, Verdict};
use podnet_netns_tests::failure::{Context, Failure, Outcome};
use podnet_netns_tests::harness::Case;
use podnet_netns_tests::{ensure, ensure_eq};

pub(crate) fn cases() -> Vec<Case> {
    let case = |name: &str, body: fn() -> Outcome| Case {
        name: format!("state_directory::{name}"),
        limit: Duration::from_secs(30),
        body: Box::new(body),
    };
    vec![
        case("a_full_disk_refuses_and_loses_nothing", a_full_disk_refuses_and_loses_nothing),
        case(
            "a_read_only_directory_is_an_error_that_names_it",
            a_read_only_directory_is_an_error_that_names_it,
        ),
    ]
}

/// A disk of its own for the state.
const STATE: &str = "/run/podnet";

fn a_full_disk_refuses_and_loses_nothing() -> Outcome {
    mount_state(MsFlags::empty())?;
    let (mut store, _) = open()?;
    store.snapshot(&[])?;
    let filler = Path::new(STATE).join("filler");
    fill(&filler)?;

    let mut agreed = Vec::new();
    let refused = loop {
        let event = Event::Requested(u32::try_from(agreed.len())?);
        match store.append(std::slice::from_ref(&event)) {
            Ok(()) => agreed.push(event),
            Err(error) => break error,
        }
        ensure!(agreed.len() < 100_000, "the disk is not full");
    };
    ensure_eq!(kind(&refused), Some(ErrorKind::StorageFull), "append");
    ensure!(!store.is_ready(), "ready after a failed write");
    ensure!(
        matches!(store.append(&agreed), Err(StoreError::NeedsSnapshot { .. })),
        "appended without a snapshot"
    );
    let events: Vec<_> = (0..10_000).map(Event::Requested).collect();
    let refused = store.snapshot(&events).err().doing("a snapshot on a full disk")?;
    ensure_eq!(kind(&refused), Some(ErrorKind::StorageFull), "snapshot");
    ensure!(!Path::new(STATE).join("pool.journal.new").exists(), "the unfinished snapshot takes space");

    // Whoever is killed now finds what was agreed to.
    drop(store);
    let (mut store, recovery) = open()?;
    ensure_eq!(recovery.verdict, Verdict::Intact, "what is on the full disk");
    ensure_eq!(recovery.events, agreed, "what is on the full disk");
    fs::remove_file(&filler)?;
    store.snapshot(&recovery.events)?;
    store.append(&[Event::Requested(7)])?;
    drop(store);
    agreed.push(Event::Requested(7));
    ensure_eq!(open()?.1.events, agreed, "after space was made");
    Ok(())
}

fn a_read_only_directory_is_an_error_that_names_it() -> Outcome {
    mount_state(MsFlags::empty())?;
    let (mut store, _) = open()?;
    store.snapshot(&[Event::Requested(7)])?;
    drop(store);
    mount_state(MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY)?;
    let error = Store::open(Path::new(STATE), BootId::current()?).err().doing("open on a read-only disk")?;
    ensure_eq!(kind(&error), Some(ErrorKind::ReadOnlyFilesystem), "open");
    ensure!(error.to_string().contains(STATE), "{error}");
    mount_state(MsFlags::MS_REMOUNT)?;
    ensure_eq!(open()?.1.events, [Event::Requested(7)], "once it is writable again");
    Ok(())
}

fn mount_state(flags: MsFlags) -> Outcome {
    fs::create_dir_all(STATE)?;
    mount(Some("tmpfs"), STATE, Some("tmpfs"), flags, Some("size=64k,mode=0700"))
        .doing("mount the state's disk")
}

fn open() -> Result<(Store, podnet_ipam_store::Recovery), Failure> {
    Ok(Store::open(Path::new(STATE), BootId::current()?)?)
}

fn fill(path: &Path) -> Outcome {
    let mut file = File::create(path)?;
    match io::copy(&mut io::repeat(0), &mut file).and_then(|_| file.flush()) {
        Err(error) if error.kind() == ErrorKind::StorageFull => Ok(()),
        other => Err(Failure::failed(format!("filling the disk ended with {other:?}"))),
    }
}

fn kind(error: &StoreError) -> Option<ErrorKind> {
    match error {
        StoreError::Io { source, .. } => Some(source.kind()),
        _ => None,
    }
}
