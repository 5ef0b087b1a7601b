//! A pod's elements in podnet's own maps and sets, which the first of podnet's pods made: nfnetlink, one transaction.
//!
//! Sources: Linux `include/uapi/linux/netfilter/nfnetlink.h` and `nf_tables.h`.

use std::net::Ipv4Addr;

use nix::sys::socket::SockProtocol;

use super::Result;
use super::wire::{Batch, CREATE, Message, open};

const TABLE: &str = "podnet";
const NESTED: u16 = 0x8000;
const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEWSETELEM: u16 = SUBSYSTEM << 8 | 0x0c;
const NFPROTO_INET: u8 = 1;
/// `NF_DROP` and `NF_ACCEPT`.
const DROP: i32 = 0;
const ACCEPT: i32 = 1;

/// Bytes of a link's name in a key.
const IFNAMSIZ: usize = 16;

pub(super) fn add(host: &str, pod_mac: [u8; 6], own: Ipv4Addr) -> Result {
    let mut link = host.as_bytes().to_vec();
    link.resize(IFNAMSIZ, 0);
    let own = own.octets();
    let sender = [&link, &pod_mac[..], &[0, 0], &own].concat();
    let elements: [(&str, Vec<u8>, Option<i32>); 4] = [
        ("reflections4", [own, own].concat(), None),
        ("wireserver", own.to_vec(), Some(DROP)),
        ("guarded", link, None),
        ("senders4", sender, Some(ACCEPT)),
    ];
    let mut batch = Batch::default();
    batch.unacknowledged(BATCH_BEGIN, &header(0, SUBSYSTEM), |_| ())?;
    for (map, key, verdict) in &elements {
        batch.message(NEWSETELEM, CREATE, &header(NFPROTO_INET, 0), |m| {
            m.text(1, TABLE);
            m.text(2, map);
            m.nest(NESTED | 3, |m| m.nest(NESTED | 1, |m| element(m, key, *verdict, host)));
            Ok(())
        })?;
    }
    batch.unacknowledged(BATCH_END, &header(0, SUBSYSTEM), |_| ())?;
    batch.run(&open(SockProtocol::NetlinkNetFilter)?)
}

/// `struct nfgenmsg`.
fn header(family: u8, resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [family, 0, high, low]
}

/// Key, verdict (`None`: it is of a set) and comment.
fn element(m: &mut Message, key: &[u8], verdict: Option<i32>, host: &str) {
    m.nest(NESTED | 1, |m| m.attribute(1, key));
    if let Some(verdict) = verdict {
        m.nest(NESTED | 2, |m| m.nest(NESTED | 2, |m| m.attribute(1, &verdict.to_be_bytes())));
    }
    let comment = format!("floor {host} of a pod\0");
    let length = u8::try_from(comment.len()).unwrap_or(u8::MAX);
    m.attribute(6, &[&[0, length], comment.as_bytes()].concat());
}
