//! One request: a netlink message before it gets its sequence number.

use std::borrow::Cow;

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkSerializable};
use netlink_packet_route::RouteNetlinkMessage;

/// Bytes of `struct nlmsghdr`.
pub(super) const HEADER: usize = 16;

/// One netlink message to the kernel.
#[derive(Debug, Clone)]
pub struct Request {
    what: Cow<'static, str>,
    kind: u16,
    flags: u16,
    body: Vec<u8>,
    is_question: bool,
}

/// What the kernel says about a request that it carries out. One that it refuses it always answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// An acknowledgement, or a dump's end.
    Word,
    /// The object that was asked for.
    Object,
    Nothing,
}

impl Request {
    /// A message from ready bytes.
    ///
    /// `what` is the start of every error about this request, for example `create link veth0`; `kind` is
    /// `nlmsg_type`; `NLM_F_REQUEST` is added to `flags`; `body` is what follows the netlink header.
    /// A request that is to be acknowledged has `NLM_F_ACK` among its flags.
    pub fn new(what: impl Into<Cow<'static, str>>, kind: u16, flags: u16, body: Vec<u8>) -> Self {
        Self { what: what.into(), kind, flags: flags | NLM_F_REQUEST, body, is_question: false }
    }

    /// As [`Request::new`], for one object, which is the whole answer.
    pub fn question(what: impl Into<Cow<'static, str>>, kind: u16, body: Vec<u8>) -> Self {
        Self { is_question: true, ..Self::new(what, kind, 0, body) }
    }

    /// An rtnetlink message, acknowledged unless `flags` ask for a dump (which ends by itself).
    pub fn route(what: impl Into<Cow<'static, str>>, flags: u16, message: &RouteNetlinkMessage) -> Self {
        let ack = if is_dump(flags) { 0 } else { NLM_F_ACK };
        Self::new(what, message.message_type(), flags | ack, bytes(message))
    }

    /// An rtnetlink message that asks for one object.
    pub fn route_question(what: impl Into<Cow<'static, str>>, message: &RouteNetlinkMessage) -> Self {
        Self::question(what, message.message_type(), bytes(message))
    }

    /// What the request is about.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What follows the netlink header.
    #[cfg(test)]
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    pub(super) fn is_dump(&self) -> bool {
        is_dump(self.flags)
    }

    /// What the kernel says when it is done with this request.
    pub(super) fn answer(&self) -> Answer {
        if self.is_question {
            Answer::Object
        } else if self.is_dump() || self.flags & NLM_F_ACK != 0 {
            Answer::Word
        } else {
            Answer::Nothing
        }
    }

    /// Appends the message to `datagram`, padded to the next message's alignment; acknowledged only if an answer is awaited.
    pub(super) fn encode(&self, sequence: u32, awaited: Answer, datagram: &mut Vec<u8>) {
        let flags = if awaited == Answer::Nothing { self.flags & !NLM_F_ACK } else { self.flags };
        let length = u32::try_from(HEADER + self.body.len()).unwrap_or(u32::MAX);
        datagram.extend_from_slice(&length.to_ne_bytes());
        datagram.extend_from_slice(&self.kind.to_ne_bytes());
        datagram.extend_from_slice(&flags.to_ne_bytes());
        datagram.extend_from_slice(&sequence.to_ne_bytes());
        datagram.extend_from_slice(&[0; 4]); // nlmsg_pid: the kernel fills in the sender
        datagram.extend_from_slice(&self.body);
        datagram.resize(datagram.len().next_multiple_of(4), 0);
    }
}

fn bytes(message: &RouteNetlinkMessage) -> Vec<u8> {
    let mut body = vec![0; message.buffer_len()];
    message.serialize(&mut body);
    body
}

fn is_dump(flags: u16) -> bool {
    flags & NLM_F_DUMP == NLM_F_DUMP
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_is_header_body_padding() {
        let mut datagram = Vec::new();
        let request = Request::new("x", 0x12, NLM_F_ACK, vec![1, 2, 3, 4, 5]);
        request.encode(7, Answer::Word, &mut datagram);
        let mut wanted = Vec::new();
        wanted.extend(21u32.to_ne_bytes());
        wanted.extend(0x12u16.to_ne_bytes());
        wanted.extend(5u16.to_ne_bytes());
        wanted.extend(7u32.to_ne_bytes());
        wanted.extend([0, 0, 0, 0, 1, 2, 3, 4, 5, 0, 0, 0]);
        assert_eq!(datagram, wanted);

        let mut datagram = Vec::new();
        request.encode(7, Answer::Nothing, &mut datagram);
        assert_eq!(datagram.get(6), Some(&1), "no acknowledgement is asked for");
    }
}
