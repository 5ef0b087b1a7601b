//! The bytes of a journal.
//!
//! ```text
//! header   "podnetip" │ version u32 │ boot id 16 bytes │ length of the snapshot u64 │ CRC-32C of all this u32
//! record   length of the body u32 │ CRC-32C of the body u32 │ CRC-32C of these 8 bytes u32 │ body: one event
//! file     header, records of the snapshot, records appended since
//! ```
//!
//! Version 1 is the same without the length of the snapshot.
//!
//! A record's head has a checksum of its own, so that a damaged length is not taken for the end of the file: what
//! is incomplete at the end was being written when the writer died, anything else is damage.

use podnet_ipam_core::Event;

use crate::boot::BootId;
use crate::codec;
use crate::crc::crc32c;
use crate::recovery::Damage;

const MAGIC: &[u8; 8] = b"podnetip";

/// The version that is written.
const VERSION: u32 = 2;

/// Length of the header, in bytes.
pub(crate) const HEADER: usize = 40;

/// The same in version 1.
const HEADER_1: usize = 32;

/// Length of a record before its body.
const RECORD_HEAD: usize = 12;

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) boot: BootId,
    /// Where the records begin.
    pub(crate) length: usize,
    /// The file was at least this long when it got its name.
    pub(crate) shortest: u64,
}

/// The header of a file whose snapshot has so many bytes.
pub(crate) fn header(boot: BootId, snapshot: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER);
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(boot.0);
    bytes.extend(snapshot.to_le_bytes());
    let checksum = crc32c(&bytes);
    bytes.extend(checksum.to_le_bytes());
    bytes
}

pub(crate) fn parse_header(bytes: &[u8]) -> Result<Header, Damage> {
    let (magic, rest) = bytes.split_first_chunk().ok_or(Damage::Header)?;
    if magic != MAGIC {
        return Err(Damage::Header);
    }
    let (version, rest) = rest.split_first_chunk().ok_or(Damage::Header)?;
    let version = u32::from_le_bytes(*version);
    let length = match version {
        1 => HEADER_1,
        VERSION => HEADER,
        _ => return Err(Damage::Version { version }),
    };
    let (summed, checksum) = bytes.get(..length).and_then(<[u8]>::split_last_chunk).ok_or(Damage::Header)?;
    if crc32c(summed) != u32::from_le_bytes(*checksum) {
        return Err(Damage::Header);
    }
    let (boot, rest) = rest.split_first_chunk().ok_or(Damage::Header)?;
    let snapshot = match (version, rest.first_chunk()) {
        (VERSION, Some(snapshot)) => u64::from_le_bytes(*snapshot),
        _ => 0,
    };
    Ok(Header { boot: BootId(*boot), length, shortest: snapshot.saturating_add(length as u64) })
}

/// Appends the record of an event.
pub(crate) fn put_record(event: &Event, to: &mut Vec<u8>) {
    let start = to.len();
    to.extend([0; RECORD_HEAD]);
    codec::encode(event, to);
    let Some((head, body)) = to.get_mut(start..).and_then(|record| record.split_at_mut_checked(RECORD_HEAD))
    else {
        return;
    };
    // An event has some hundred bytes.
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut words = [length, crc32c(body)].map(u32::to_le_bytes).concat();
    let checksum = crc32c(&words);
    words.extend(checksum.to_le_bytes());
    head.copy_from_slice(&words);
}

/// What comes next in a file.
pub(crate) enum Next<'a> {
    /// An event, and the bytes after it.
    Event(Event, &'a [u8]),
    /// The end.
    End,
    /// The beginning of a record.
    Torn,
    /// Neither.
    Damaged,
}

pub(crate) fn next_record(bytes: &[u8]) -> Next<'_> {
    if bytes.is_empty() {
        return Next::End;
    }
    let Some((head, rest)) = bytes.split_first_chunk::<RECORD_HEAD>() else { return Next::Torn };
    let [length, body_checksum, head_checksum] = [0, 4, 8]
        .map(|at| head.get(at..).and_then(<[u8]>::first_chunk).copied().map_or(0, u32::from_le_bytes));
    if head.get(..8).map(crc32c) != Some(head_checksum) {
        return Next::Damaged;
    }
    let Some((body, rest)) = rest.split_at_checked(length as usize) else { return Next::Torn };
    match codec::decode(body) {
        Some(event) if crc32c(body) == body_checksum => Next::Event(event, rest),
        _ => Next::Damaged,
    }
}
