//! rtnetlink's wire format (RFC 3549): messages, attributes, batches, answers.

use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

use super::Result;

/// `NLM_F_REQUEST`, `NLM_F_ACK`, `NLM_F_CREATE | NLM_F_EXCL`, and `IFF_UP`: libc has them in other types.
const REQUEST: u16 = 1;
const ACK: u16 = 4;
pub(crate) const CREATE: u16 = 0x600;
pub(crate) const UP: u32 = 1;

/// `struct ifinfomsg`: the link's index (0: by name) and the flags to set.
pub(crate) fn link(index: u32, flags: u32) -> Vec<u8> {
    let words = [0, index, flags, flags];
    words.into_iter().flat_map(u32::to_ne_bytes).collect()
}

/// A message under construction.
pub(crate) struct Message(pub(crate) Vec<u8>);

impl Message {
    pub(crate) fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.nest(kind, |m| m.0.extend(value));
    }

    pub(crate) fn text(&mut self, kind: u16, value: &str) {
        self.attribute(kind, &[value.as_bytes(), &[0]].concat());
    }

    pub(crate) fn number(&mut self, kind: u16, value: u32) {
        self.attribute(kind, &value.to_ne_bytes());
    }

    /// `struct rtattr`, whose length is known when its content is there, padded to four bytes.
    pub(crate) fn nest(&mut self, kind: u16, content: impl FnOnce(&mut Self)) {
        let begin = self.0.len();
        self.0.extend([0, 0]);
        self.0.extend(kind.to_ne_bytes());
        content(self);
        let length = u16::try_from(self.0.len() - begin).unwrap_or(u16::MAX);
        self.0.splice(begin..begin + 2, length.to_ne_bytes());
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }
}

/// Messages sent together, each of which the kernel acknowledges.
#[derive(Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    messages: usize,
}

impl Batch {
    /// A request that the kernel acknowledges.
    pub(crate) fn message(
        &mut self,
        kind: u16,
        flags: u16,
        header: &[u8],
        attributes: impl FnOnce(&mut Message) -> Result,
    ) -> Result {
        let mut message = Message(header.to_vec());
        attributes(&mut message)?;
        self.messages += 1;
        self.push(kind, flags | ACK, &message)
    }

    /// A request that is answered, or refused.
    pub(crate) fn unacknowledged(
        &mut self,
        kind: u16,
        header: &[u8],
        attributes: impl FnOnce(&mut Message),
    ) -> Result {
        let mut message = Message(header.to_vec());
        attributes(&mut message);
        self.push(kind, 0, &message)
    }

    /// `struct nlmsghdr` and the message.
    fn push(&mut self, kind: u16, flags: u16, message: &Message) -> Result {
        let length = u32::try_from(16 + message.0.len())?;
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend((flags | REQUEST).to_ne_bytes());
        self.bytes.extend(u32::try_from(self.messages)?.to_ne_bytes());
        self.bytes.extend([0; 4]);
        self.bytes.extend(&message.0);
        Ok(())
    }

    pub(crate) fn run(&self, socket: &OwnedFd) -> Result {
        send(socket.as_raw_fd(), &self.bytes, MsgFlags::empty())?;
        let mut acknowledged = 0;
        let mut answer = [0; 8192];
        while acknowledged < self.messages {
            let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
            let mut rest = answer.get(..length).unwrap_or_default();
            while let Some((header, after)) = rest.split_first_chunk::<20>() {
                let word = |at: usize| {
                    header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes)
                };
                let (Some(length), Some(error)) = (word(0), word(16)) else {
                    break;
                };
                if error != 0 {
                    let cause = std::io::Error::from_raw_os_error(-error);
                    return Err(format!("message {acknowledged}: {cause}").into());
                }
                acknowledged += 1;
                let body = usize::try_from(length)?.saturating_sub(20).next_multiple_of(4);
                rest = after.get(body..).unwrap_or_default();
            }
        }
        Ok(())
    }
}

/// Asks one question and gives the answer's bytes.
pub(crate) fn question(
    socket: &OwnedFd,
    kind: u16,
    header: &[u8],
    attributes: impl FnOnce(&mut Message),
) -> Result<Vec<u8>> {
    let mut batch = Batch::default();
    batch.unacknowledged(kind, header, attributes)?;
    send(socket.as_raw_fd(), &batch.bytes, MsgFlags::empty())?;
    let mut answer = vec![0; 8192];
    let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    answer.truncate(length);
    Ok(answer)
}

/// A socket of a netlink protocol, as `SockProtocol::NetlinkRoute`.
pub(crate) fn open(protocol: SockProtocol) -> Result<OwnedFd> {
    Ok(socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?)
}
