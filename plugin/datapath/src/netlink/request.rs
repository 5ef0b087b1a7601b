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
}

impl Request {
    /// A message from ready bytes.
    ///
    /// `what` is the start of every error about this request, for example `create link veth0`; `kind` is
    /// `nlmsg_type`; `NLM_F_REQUEST` is added to `flags`; `body` is what follows the netlink header.
    /// A request that is to be acknowledged has `NLM_F_ACK` among its flags.
    pub fn new(what: impl Into<Cow<'static, str>>, kind: u16, flags: u16, body: Vec<u8>) -> Self {
        Self { what: what.into(), kind, flags: flags | NLM_F_REQUEST, body }
    }

    /// An rtnetlink message, acknowledged unless `flags` ask for a dump (which ends by itself).
    pub fn route(what: impl Into<Cow<'static, str>>, flags: u16, message: &RouteNetlinkMessage) -> Self {
        let mut body = vec![0; message.buffer_len()];
        message.serialize(&mut body);
        let ack = if is_dump(flags) { 0 } else { NLM_F_ACK };
        Self::new(what, message.message_type(), flags | ack, body)
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

    /// Whether the kernel says when it is done with this request, by an acknowledgement or a dump's end.
    pub(super) fn is_answered(&self) -> bool {
        self.is_dump() || self.flags & NLM_F_ACK != 0
    }

    /// Appends the message to `datagram`, padded to the next message's alignment.
    pub(super) fn encode(&self, sequence: u32, datagram: &mut Vec<u8>) {
        let length = u32::try_from(HEADER + self.body.len()).unwrap_or(u32::MAX);
        datagram.extend_from_slice(&length.to_ne_bytes());
        datagram.extend_from_slice(&self.kind.to_ne_bytes());
        datagram.extend_from_slice(&self.flags.to_ne_bytes());
        datagram.extend_from_slice(&sequence.to_ne_bytes());
        datagram.extend_from_slice(&[0; 4]); // nlmsg_pid: the kernel fills in the sender
        datagram.extend_from_slice(&self.body);
        datagram.resize(datagram.len().next_multiple_of(4), 0);
    }
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
        Request::new("x", 0x12, NLM_F_ACK, vec![1, 2, 3, 4, 5]).encode(7, &mut datagram);
        let mut wanted = Vec::new();
        wanted.extend(21u32.to_ne_bytes());
        wanted.extend(0x12u16.to_ne_bytes());
        wanted.extend(5u16.to_ne_bytes());
        wanted.extend(7u32.to_ne_bytes());
        wanted.extend([0, 0, 0, 0, 1, 2, 3, 4, 5, 0, 0, 0]);
        assert_eq!(datagram, wanted);
    }
}
