//! Word of changes to `nf_tables`, from the kernel's multicast group `NFNLGRP_NFTABLES`.
//!
//! Every change of the namespace is told, each rule for itself; only those that concern the agent's rules wake it up. What
//! was lost because too much came at once counts as a change of everything.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_NETFILTER;
use podnet_masq_rules::nft::TABLE;
use podnet_masq_rules::{ChainName, Family};
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
pub(crate) struct Monitor {
    socket: AsyncFd<Descriptor>,
    chain: ChainName,
    buffer: Vec<u8>,
}

/// `AsyncFd` asks for `AsRawFd`, which the socket has, and for nothing else.
struct Descriptor(Socket);

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Monitor {
    /// Starts to listen. Changes from now on are heard of.
    pub(crate) fn new(chain: ChainName) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        // Less room than asked for means a needless look now and then.
        socket.set_rx_buf_sz(ROOM).ok();
        socket.add_membership(GROUP)?;
        socket.set_non_blocking(true)?;
        // SAFETY: the value owns its descriptor, never replaces it, and lives as long as the `AsyncFd`.
        let socket = unsafe { AsyncFd::register_with_interest(Descriptor(socket), Interest::READABLE) }?;
        Ok(Self { socket, chain, buffer: Vec::with_capacity(32 << 10) })
    }

    /// Waits until something that concerns the agent's rules has changed, and gives the families in which.
    pub(crate) async fn changed(&mut self) -> io::Result<Vec<Family>> {
        loop {
            let mut ready = self.socket.readable().await?;
            let mut changed = Vec::new();
            // All that is there, so that a burst is one change.
            loop {
                self.buffer.clear();
                match ready.get_inner().0.recv(&mut self.buffer, 0) {
                    Ok(_) => concerned(&self.buffer, &self.chain, &mut changed),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if error.raw_os_error() == Some(OVERRUN) => changed = Family::ALL.to_vec(),
                    Err(error) => return Err(error),
                }
            }
            ready.clear_ready();
            if !changed.is_empty() {
                return Ok(changed);
            }
        }
    }
}

/// Adds the families whose rules of the agent's the messages concern.
fn concerned(mut messages: &[u8], chain: &ChainName, changed: &mut Vec<Family>) {
    while let Some((message, rest)) = next(messages) {
        if let Some(family) = concerns(message, chain)
            && !changed.contains(&family)
        {
            changed.push(family);
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

/// The family, where a message is about the agent's table, its chain, or the chain that leads to it.
fn concerns(message: &[u8], agent: &ChainName) -> Option<Family> {
    /// Numbers of attributes: `NFTA_TABLE_NAME`, and the table of everything else.
    const TABLE_NAME: u16 = 1;
    const RULE_CHAIN: u16 = 2;
    const CHAIN_NAME: u16 = 3;
    let &[kind, subsystem] = message.get(4..6)?.first_chunk::<2>()?;
    let family = match message.get(16)? {
        2 => Family::V4,
        10 => Family::V6,
        _ => return None,
    };
    let attributes = message.get(20..)?;
    let text = |number| attribute(attributes, number);
    // enum nf_tables_msg_types: the chain is told by messages about chains (3 to 5) and rules (6 to 8).
    let chain = match kind {
        3..=5 => text(CHAIN_NAME),
        6..=8 => text(RULE_CHAIN),
        _ => None,
    };
    let is_concerned = subsystem == SUBSYSTEM
        && match text(TABLE_NAME)? {
            table if table == TABLE.as_bytes() => true,
            b"nat" => chain.is_none_or(|chain| chain == agent.as_str().as_bytes() || chain == b"POSTROUTING"),
            _ => false,
        };
    is_concerned.then_some(family)
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(kind: u8, family: u8, texts: &[(u16, &str)]) -> Vec<u8> {
        let mut attributes = Vec::new();
        for (number, text) in texts {
            let length = u16::try_from(4 + text.len() + 1).unwrap();
            attributes.extend(length.to_ne_bytes());
            attributes.extend(number.to_ne_bytes());
            attributes.extend(text.as_bytes());
            attributes.push(0);
            attributes.resize(attributes.len().next_multiple_of(4), 0);
        }
        let mut bytes = u32::try_from(20 + attributes.len()).unwrap().to_ne_bytes().to_vec();
        bytes.extend([kind, SUBSYSTEM, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, family, 0, 0, 0]);
        bytes.extend(attributes);
        bytes
    }

    fn heard(bytes: &[u8]) -> Vec<Family> {
        let mut changed = Vec::new();
        concerned(bytes, &ChainName::default(), &mut changed);
        changed
    }

    #[test]
    fn only_what_concerns_the_agent_is_heard() {
        let rule = |family, chain| message(8, family, &[(1, "nat"), (2, chain)]);
        assert_eq!(heard(&rule(2, "IP-MASQ-AGENT")), [Family::V4]);
        assert_eq!(heard(&rule(10, "POSTROUTING")), [Family::V6]);
        assert_eq!(heard(&rule(2, "KUBE-SERVICES")), []);
        assert_eq!(heard(&message(5, 2, &[(1, "nat"), (3, "IP-MASQ-AGENT")])), [Family::V4]);
        assert_eq!(heard(&message(2, 2, &[(1, "nat")])), [Family::V4]);
        assert_eq!(heard(&message(2, 2, &[(1, "filter")])), []);
        assert_eq!(heard(&message(14, 10, &[(1, "podnet-masq"), (2, "ranges")])), [Family::V6]);
        assert_eq!(heard(&message(8, 1, &[(1, "podnet"), (2, "POSTROUTING")])), []);
    }

    #[test]
    fn a_burst_is_read_to_its_end() {
        let burst =
            [message(6, 2, &[(1, "nat"), (2, "X")]), message(6, 10, &[(1, "nat"), (2, "POSTROUTING")])]
                .concat();
        assert_eq!(heard(&burst), [Family::V6]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            heard(&bytes);
        }
    }
}
