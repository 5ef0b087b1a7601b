//! The journal that is written.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use podnet_ipam_core::Event;

use crate::boot::BootId;
use crate::directory::{Directory, Found, JOURNAL};
use crate::error::StoreError;
use crate::format;
use crate::recovery::{Damage, Recovery, Verdict};

/// A journal up to this size is not worth a snapshot.
const SMALL: u64 = 1 << 20;

/// How many times the size of its snapshot a journal may have.
const GROWTH: u64 = 4;

/// So much is collected before it is written.
const CHUNK: usize = 64 << 10;

/// The durable form of a pool: one file, written by one process.
///
/// It begins without a file to append to: the first [`snapshot`](Self::snapshot) makes that. So it is after a failed
/// [`append`](Self::append), too, since nobody knows how much of that reached the file.
#[derive(Debug)]
pub struct Store {
    directory: Directory,
    boot: BootId,
    /// Whether the file on disk has to be kept under another name.
    unreadable: bool,
    journal: Option<Journal>,
    buffer: Vec<u8>,
}

/// The file, positioned at its end.
#[derive(Debug)]
struct Journal {
    file: File,
    length: u64,
    snapshot: u64,
}

/// What is written so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Bytes of the journal, its snapshot included.
    pub journal: u64,
    /// Bytes of its snapshot.
    pub snapshot: u64,
}

impl Store {
    /// Opens and locks a state directory, made where it is missing, and reads what is there. Changes none of it.
    pub fn open(path: &Path, boot: BootId) -> Result<(Self, Recovery), StoreError> {
        let directory = Directory::open(path)?;
        let recovery = match directory.read_journal()? {
            Found::Missing => Recovery::nothing(Verdict::Missing),
            Found::Useless(damage) => Recovery::nothing(Verdict::Unreadable(damage)),
            Found::Bytes(bytes) => Recovery::read(&bytes, boot),
        };
        let unreadable = matches!(recovery.verdict, Verdict::OtherBoot | Verdict::Unreadable(_));
        Ok((Self { directory, boot, unreadable, journal: None, buffer: Vec::new() }, recovery))
    }

    /// Tells that the events of the file contradict each other, so that the next snapshot sets it aside.
    pub fn distrust(&mut self, recovery: &mut Recovery) {
        self.unreadable = true;
        recovery.verdict = Verdict::Unreadable(Damage::Contradictory);
    }

    /// Begins a new file with the events that lead to the pool as it is. It takes the place of the old one in one
    /// step; where that could not be read, it stays under the name that is returned.
    pub fn snapshot(&mut self, events: &[Event]) -> Result<Option<PathBuf>, StoreError> {
        let journal = self.write_draft(events).inspect_err(|_| self.directory.drop_draft())?;
        let aside = if self.unreadable { Some(self.directory.set_journal_aside()?) } else { None };
        self.unreadable = false;
        self.directory.publish_draft()?;
        self.journal = Some(journal);
        Ok(aside)
    }

    fn write_draft(&mut self, events: &[Event]) -> Result<Journal, StoreError> {
        let mut file = self.directory.create_draft()?;
        let failed = || StoreError::io("write", self.directory.path(JOURNAL));
        let buffer = &mut self.buffer;
        buffer.clear();
        // The header says how long the snapshot is, and so comes last.
        buffer.resize(format::HEADER, 0);
        let mut length = 0;
        for event in events {
            format::put_record(event, buffer);
            if buffer.len() >= CHUNK {
                file.write_all(buffer).map_err(failed())?;
                length += buffer.len() as u64;
                buffer.clear();
            }
        }
        file.write_all(buffer).map_err(failed())?;
        length += buffer.len() as u64;
        let snapshot = length - format::HEADER as u64;
        file.write_all_at(&format::header(self.boot, snapshot), 0).map_err(failed())?;
        Ok(Journal { file, length, snapshot })
    }

    /// Appends events, all in one write. Once this returns they outlive the process.
    pub fn append(&mut self, events: &[Event]) -> Result<(), StoreError> {
        let path = || self.directory.path(JOURNAL);
        let journal = self.journal.as_mut().ok_or_else(|| StoreError::NeedsSnapshot { path: path() })?;
        self.buffer.clear();
        self.buffer.shrink_to(CHUNK);
        for event in events {
            format::put_record(event, &mut self.buffer);
        }
        let Err(source) = journal.file.write_all(&self.buffer) else {
            journal.length += self.buffer.len() as u64;
            return Ok(());
        };
        // What was written of it would not be harmful, but it was not agreed to either.
        journal.file.set_len(journal.length).ok();
        self.journal = None;
        Err(StoreError::Io { action: "write", path: path(), source })
    }

    /// Whether [`append`](Self::append) can work. Otherwise a snapshot is needed first.
    pub fn is_ready(&self) -> bool {
        self.journal.is_some()
    }

    /// Whether it is time for a snapshot: there is none, or too much was appended since.
    pub fn wants_snapshot(&self) -> bool {
        let grown = |journal: &Journal| journal.length > SMALL.max(journal.snapshot.saturating_mul(GROWTH));
        self.journal.as_ref().is_none_or(grown)
    }

    /// How much is written.
    pub fn size(&self) -> Size {
        let size = |journal: &Journal| Size { journal: journal.length, snapshot: journal.snapshot };
        self.journal.as_ref().map(size).unwrap_or_default()
    }
}
