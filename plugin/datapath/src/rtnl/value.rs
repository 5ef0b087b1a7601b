//! Values of rtnetlink's attributes.

use std::net::IpAddr;

use crate::{MacAddr, netlink::attributes};

/// The attributes behind a fixed header of `header` bytes.
pub(super) fn after(header: usize, body: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    attributes(body.get(header..).unwrap_or_default())
}

pub(super) fn number(value: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(*value.first_chunk()?))
}

pub(super) fn text(value: &[u8]) -> Option<String> {
    let text = value.split(|byte| *byte == 0).next()?;
    String::from_utf8(text.to_vec()).ok()
}

pub(super) fn mac(value: &[u8]) -> Option<MacAddr> {
    Some(MacAddr::new(value.try_into().ok()?))
}

pub(super) fn ip(value: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(value).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(value).map(IpAddr::from)).ok()
}
