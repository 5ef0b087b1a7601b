//! The durable form of the pool: a journal of its events that begins with a snapshot.
//!
//! ```text
//! open ──▶ Recovery { events, verdict } ──▶ Pool::replay ──▶ Pool ──▶ snapshot ──▶ append, append, append, …
//!                                                              ▲                                │
//!                                                              └───────── snapshot ◀────────────┘  when it has grown,
//!                                                                                                  or a write failed
//! ```
//!
//! **Durable** means: what was answered survives the death of the daemon at any point. Each batch of events is given
//! to the kernel in one write(2) before anybody is answered; there is no fsync, for nothing here is of use after the
//! node's own death: the header names the boot, and the state of another boot is set aside.
//!
//! Snapshot and journal are one file, so that they cannot belong to different times: a new file is written beside
//! the old one and takes its name by rename(2).
//!
//! # Recovery
//!
//! | found | events | afterwards |
//! |---|---|---|
//! | no file | none | [`Missing`](Verdict::Missing): ask the kernel and the plugin's records |
//! | a good file of this or the previous version | all | [`Intact`](Verdict::Intact) |
//! | a record at the end that is cut off, after the snapshot | all before it | [`Torn`](Verdict::Torn): it was never answered, nothing is lost |
//! | a file of another boot | none | [`OtherBoot`](Verdict::OtherBoot): set aside; its pods are gone |
//! | an empty file, another header, an unknown version, no regular file of ours, too large | none | [`Unreadable`](Verdict::Unreadable): set aside; ask the kernel and the plugin's records |
//! | a wrong checksum anywhere, a snapshot cut off | those before it | the same |
//! | two owners of one address | all; the earlier one keeps it (`Pool::replay` names both) | [`Store::distrust`], then the same |
//! | a directory that is read-only, full, locked, not ours | | an error that names it; nothing is changed, opening again later is safe |
//!
//! To set aside is to rename to `pool.journal.aside.N`, with a new N each time; the latest eight are kept. It happens
//! when the first snapshot takes the file's place, not before: until then the state on disk is what it was.
//!
//! # Use
//!
//! ```
//! use podnet_ipam_core::{Attachment, Identity, Pool, Request, Settings};
//! use podnet_ipam_store::{BootId, Store};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path();
//! # let now = std::time::Duration::from_secs(1);
//!
//! let (mut store, mut recovery) = Store::open(path, BootId::current()?)?;
//! let (mut pool, conflicts) = Pool::replay(Settings::default(), std::mem::take(&mut recovery.events));
//! if !conflicts.is_empty() {
//!     store.distrust(&mut recovery);
//! }
//! if recovery.needs_rebuild() {
//!     // Pool::adopt what the kernel and the plugin's records show.
//! }
//! store.snapshot(&pool.snapshot())?;
//!
//! // Many requests may share one append; the answers come after it.
//! let mut events = Vec::new();
//! # let offer = podnet_ipam_core::Offer { container: "nc".into(), block: "10.0.0.0/28".parse()?, programmed: true };
//! pool.supply(&[offer], now, &mut events)?;
//! let identity = Identity { infra_container_id: "c1", pod_interface_id: "c1-eth0", ..Identity::default() };
//! let request = Request { attachment: Attachment::new(&identity)?, desired: Vec::new(), asked: now };
//! let answer = pool.assign(request, now, &mut events)?;
//! store.append(&events)?;
//! if store.wants_snapshot() {
//!     store.snapshot(&pool.snapshot())?;
//! }
//! # assert_eq!(answer.grants.len(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! # Failing writes
//!
//! After an append that failed nobody may be told what it was about, and the store takes no other before a
//! [snapshot](Store::snapshot) of the pool has worked. Until then the file on disk is the state before the failure.

#![forbid(unsafe_code)]

mod boot;
mod codec;
mod crc;
mod directory;
mod error;
mod format;
mod recovery;
mod store;

pub use boot::BootId;
pub use error::StoreError;
pub use recovery::{Damage, Recovery, Verdict};
pub use store::{Size, Store};

#[cfg(test)]
mod tests;
