//! An event as bytes: a tag, then its members; numbers little endian, texts with their length before them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use podnet_ipam_core::{Addresses, Attachment, Event, Identity, Key};

const OFFERED: u8 = 1;
const WITHDRAWN: u8 = 2;
const USED: u8 = 3;
const ASSIGNED: u8 = 4;
const RELEASED: u8 = 5;
const RETURNED: u8 = 6;
const REQUESTED: u8 = 7;

/// Appends the event.
pub(crate) fn encode(event: &Event, to: &mut Vec<u8>) {
    match event {
        Event::Offered { container, block, programmed, at } => {
            to.push(OFFERED);
            put_text(to, container);
            put_block(to, block);
            to.push(u8::from(*programmed));
            put_time(to, *at);
        }
        Event::Withdrawn { block, at } => {
            to.push(WITHDRAWN);
            put_block(to, block);
            put_time(to, *at);
        }
        Event::Used { address, at } => {
            to.push(USED);
            put_address(to, *address);
            put_time(to, *at);
        }
        Event::Assigned { attachment, addresses, at } => {
            to.push(ASSIGNED);
            let Identity { infra_container_id, pod_interface_id, interface, pod, namespace } =
                attachment.identity();
            for text in [infra_container_id, pod_interface_id, interface, pod, namespace] {
                put_text(to, text);
            }
            to.push(addresses.iter().map(|_| 1).sum());
            addresses.iter().for_each(|address| put_address(to, address));
            put_time(to, *at);
        }
        Event::Released { key, at } => {
            to.push(RELEASED);
            put_text(to, key.container());
            put_text(to, key.interface());
            put_time(to, *at);
        }
        Event::Returned { address, at } => {
            to.push(RETURNED);
            put_address(to, *address);
            put_time(to, *at);
        }
        Event::Requested(count) => {
            to.push(REQUESTED);
            to.extend(count.to_le_bytes());
        }
    }
}

/// The event that the bytes are; none where they are not exactly one.
pub(crate) fn decode(bytes: &[u8]) -> Option<Event> {
    let mut from = Reader(bytes);
    let event = match from.byte()? {
        OFFERED => Event::Offered {
            container: from.text()?.into(),
            block: from.block()?,
            programmed: from.flag()?,
            at: from.time()?,
        },
        WITHDRAWN => Event::Withdrawn { block: from.block()?, at: from.time()? },
        USED => Event::Used { address: from.address()?, at: from.time()? },
        ASSIGNED => {
            let identity = Identity {
                infra_container_id: from.text()?,
                pod_interface_id: from.text()?,
                interface: from.text()?,
                pod: from.text()?,
                namespace: from.text()?,
            };
            let attachment = Arc::new(Attachment::new(&identity).ok()?);
            let count = from.byte()?;
            let addresses = (0..count).map(|_| from.address()).collect::<Option<Vec<_>>>()?;
            Event::Assigned { attachment, addresses: Addresses::from_list(addresses)?, at: from.time()? }
        }
        RELEASED => Event::Released { key: Key::canonical(from.text()?, from.text()?), at: from.time()? },
        RETURNED => Event::Returned { address: from.address()?, at: from.time()? },
        REQUESTED => Event::Requested(u32::from_le_bytes(from.array()?)),
        _ => return None,
    };
    from.0.is_empty().then_some(event)
}

/// No text of a pool is longer than `podnet_ipam_core::LONGEST_PART`, but a container's name, which no length is
/// set to, could be: what does not fit is cut off at a character.
fn put_text(to: &mut Vec<u8>, text: &str) {
    let text = text.get(..text.floor_char_boundary(usize::from(u16::MAX))).unwrap_or_default();
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    to.extend(length.to_le_bytes());
    to.extend(text.as_bytes());
}

fn put_address(to: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            to.push(4);
            to.extend(address.octets());
        }
        IpAddr::V6(address) => {
            to.push(6);
            to.extend(address.octets());
        }
    }
}

fn put_block(to: &mut Vec<u8>, block: &IpNet) {
    put_address(to, block.addr());
    to.push(block.prefix_len());
}

/// Nanoseconds: they reach for five centuries.
fn put_time(to: &mut Vec<u8>, time: Duration) {
    to.extend(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).to_le_bytes());
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = u16::from_le_bytes(self.array()?);
        str::from_utf8(self.take(length.into())?).ok()
    }

    fn address(&mut self) -> Option<IpAddr> {
        match self.byte()? {
            4 => self.array::<4>().map(IpAddr::from),
            6 => self.array::<16>().map(IpAddr::from),
            _ => None,
        }
    }

    fn block(&mut self) -> Option<IpNet> {
        IpNet::new(self.address()?, self.byte()?).ok()
    }

    fn time(&mut self) -> Option<Duration> {
        self.array().map(u64::from_le_bytes).map(Duration::from_nanos)
    }
}
