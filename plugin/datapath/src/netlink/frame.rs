//! Cutting a datagram into netlink messages, and an acknowledgement into errno and text.
//!
//! Sources: RFC 3549 §2.3, the kernel's `Documentation/userspace-api/netlink/intro.rst` and
//! `include/uapi/linux/netlink.h`.

use netlink_packet_core::{NLM_F_ACK_TLVS, NLM_F_CAPPED};
use nix::errno::Errno;

use super::{attribute::attributes, request::HEADER};

const NLMSGERR_ATTR_MSG: u16 = 1;

/// One message of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// `nlmsg_type`, for example `RTM_NEWROUTE`.
    pub kind: u16,
    /// `nlmsg_flags`.
    pub flags: u16,
    /// `nlmsg_seq`; 0 in what the kernel tells a multicast group.
    pub sequence: u32,
    /// What follows the netlink header.
    pub body: &'a [u8],
}

/// What `NLMSG_ERROR` or `NLMSG_DONE` reports.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Status {
    Success,
    Refused { errno: Errno, message: Option<String> },
}

/// Iterates over the messages of a datagram; a broken length ends it with an error.
pub fn messages(datagram: &[u8]) -> impl Iterator<Item = Result<Message<'_>, &'static str>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some((message, remaining)) = split(rest) else {
            rest = &[];
            return Some(Err("a message is longer than its datagram"));
        };
        rest = remaining;
        Some(Ok(message))
    })
}

fn split(datagram: &[u8]) -> Option<(Message<'_>, &[u8])> {
    let length = usize::try_from(u32_at(datagram, 0)?).ok()?;
    let message = Message {
        kind: u16_at(datagram, 4)?,
        flags: u16_at(datagram, 6)?,
        sequence: u32_at(datagram, 8)?,
        body: datagram.get(HEADER..length)?,
    };
    let next = length.next_multiple_of(4).min(datagram.len());
    Some((message, datagram.get(next..)?))
}

/// Reads the body of `NLMSG_ERROR`: a negative errno or zero, the request's header (and all of the request
/// unless `NLM_F_CAPPED`), then attributes where `NLM_F_ACK_TLVS` says so.
pub(super) fn acknowledgement(message: Message<'_>) -> Result<Status, &'static str> {
    let code = i32_at(message.body, 0).ok_or("an acknowledgement without error code")?;
    let request = message.body.get(4..).unwrap_or_default();
    let echoed = if message.flags & NLM_F_CAPPED != 0 {
        HEADER
    } else {
        u32_at(request, 0).and_then(|length| usize::try_from(length).ok()).unwrap_or(usize::MAX)
    };
    let attributes = request.get(echoed.checked_next_multiple_of(4).unwrap_or(usize::MAX)..);
    status(code, message.flags, attributes)
}

/// Reads the body of `NLMSG_DONE`: nothing, or an errno and attributes.
pub(super) fn done(message: Message<'_>) -> Result<Status, &'static str> {
    let code = i32_at(message.body, 0).unwrap_or(0);
    status(code.min(0), message.flags, message.body.get(4..))
}

fn status(code: i32, flags: u16, attributes: Option<&[u8]>) -> Result<Status, &'static str> {
    if code > 0 {
        return Err("a positive error code");
    }
    if code == 0 {
        return Ok(Status::Success);
    }
    let message = attributes.filter(|_| flags & NLM_F_ACK_TLVS != 0).and_then(extended_message);
    Ok(Status::Refused { errno: Errno::from_raw(code.saturating_neg()), message })
}

fn extended_message(bytes: &[u8]) -> Option<String> {
    let (_, text) = attributes(bytes).find(|(kind, _)| *kind == NLMSGERR_ATTR_MSG)?;
    let text = text.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(text).into_owned())
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}
