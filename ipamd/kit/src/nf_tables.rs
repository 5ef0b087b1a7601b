//! Word of changes to `nf_tables`, from the kernel's multicast group `NFNLGRP_NFTABLES`.
//!
//! Every change of the namespace is told, each rule for itself; whoever listens picks what concerns its own rules. What
//! was lost because too much came at once may have been anything.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_NETFILTER;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// `NFNLGRP_NFTABLES` (include/uapi/linux/netfilter/nfnetlink.h).
const GROUP: u32 = 7;
/// `NFNL_SUBSYS_NFTABLES`, the upper byte of a message's type.
const SUBSYSTEM: u8 = 10;
/// `ENOBUFS`: the kernel had more to say than the socket holds.
const OVERRUN: i32 = 105;
/// Bytes of messages that the socket holds; as many as a large transaction of kube-proxy's has.
const ROOM: i32 = 4 << 20;

/// A socket that hears of changes.
pub struct Monitor {
    socket: AsyncFd<Descriptor>,
    buffer: Vec<u8>,
}

/// What is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News<'a> {
    /// Something was made, changed or removed.
    Change(Change<'a>),
    /// The kernel had more to say than the socket holds: what it was is lost.
    Lost,
}

/// A change of a table or of something in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// The family of the table (`NFPROTO_*`, include/uapi/linux/netfilter.h).
    pub family: u8,
    /// The table's name.
    pub table: &'a [u8],
    /// The chain's name, where a chain or a rule was changed.
    pub chain: Option<&'a [u8]>,
}

/// `AsyncFd` asks for `AsRawFd`, which the socket has, and for nothing else.
struct Descriptor(Socket);

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl std::fmt::Debug for Monitor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Monitor").field(&self.socket.as_raw_fd()).finish()
    }
}

impl Monitor {
    /// Starts to listen. Changes from now on are heard of.
    pub fn new() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        // Less room than asked for means a needless look now and then.
        socket.set_rx_buf_sz(ROOM).ok();
        socket.add_membership(GROUP)?;
        socket.set_non_blocking(true)?;
        #[expect(unsafe_code, reason = "what AsyncFd asks for cannot be said in types")]
        // SAFETY: the value owns its descriptor, never replaces it, and lives as long as the `AsyncFd`.
        let socket = unsafe { AsyncFd::register_with_interest(Descriptor(socket), Interest::READABLE) }?;
        Ok(Self { socket, buffer: Vec::with_capacity(32 << 10) })
    }

    /// Waits until there is something to hear, and gives all that is there to `hear`, so that a burst is one. Nothing is
    /// lost where the wait is given up.
    pub async fn burst(&mut self, mut hear: impl FnMut(News<'_>)) -> io::Result<()> {
        let mut ready = self.socket.readable().await?;
        loop {
            self.buffer.clear();
            match ready.get_inner().0.recv(&mut self.buffer, 0) {
                Ok(_) => changes(&self.buffer, &mut hear),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.raw_os_error() == Some(OVERRUN) => hear(News::Lost),
                Err(error) => return Err(error),
            }
        }
        ready.clear_ready();
        Ok(())
    }
}

fn changes(mut messages: &[u8], hear: &mut impl FnMut(News<'_>)) {
    while let Some((message, rest)) = next(messages) {
        if let Some(change) = Change::of(message) {
            hear(News::Change(change));
        }
        messages = rest;
    }
}

/// The first message (`struct nlmsghdr` and what follows) and what is behind it.
fn next(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::try_from(u32::from_ne_bytes(*bytes.first_chunk()?)).ok()?;
    let message = bytes.get(..length).filter(|message| message.len() >= 16)?;
    Some((message, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

impl<'a> Change<'a> {
    /// Reads a message; none where it is about no table.
    fn of(message: &'a [u8]) -> Option<Self> {
        /// Numbers of attributes: `NFTA_TABLE_NAME`, and the table of everything else.
        const TABLE_NAME: u16 = 1;
        const RULE_CHAIN: u16 = 2;
        const CHAIN_NAME: u16 = 3;
        let &[kind, subsystem] = message.get(4..6)?.first_chunk::<2>()?;
        let family = *message.get(16)?;
        let attributes = message.get(20..)?;
        let text = |number| attribute(attributes, number);
        // enum nf_tables_msg_types: the chain is told by messages about chains (3 to 5) and rules (6 to 8).
        let chain = match kind {
            3..=5 => text(CHAIN_NAME),
            6..=8 => text(RULE_CHAIN),
            _ => None,
        };
        let table = text(TABLE_NAME).filter(|_| subsystem == SUBSYSTEM)?;
        Some(Self { family, table, chain })
    }
}

/// The text of an attribute, without its terminator.
fn attribute(mut attributes: &[u8], number: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16::from_ne_bytes(*attributes.first_chunk()?));
        let kind = u16::from_ne_bytes(*attributes.get(2..)?.first_chunk()?);
        let payload = attributes.get(4..length)?;
        if kind == number {
            return Some(payload.strip_suffix(b"\0").unwrap_or(payload));
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests;
