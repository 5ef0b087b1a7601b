//! Keys of maps: fields of a packet one behind the other, each padded to four bytes as registers are.
//!
//! Sources: nftables `include/datatype.h` (numbers of types, `TYPE_BITS`), Linux
//! `include/uapi/linux/netfilter/nf_tables.h` (registers).

use std::net::IpAddr;

use super::expression::{IpVersion, octets};
use crate::{LinkName, MacAddr};

/// Bytes of the smallest register.
const REGISTER_WIDTH: usize = 4;

/// Bytes of an Ethernet address.
const STATION_WIDTH: usize = 6;

/// Bytes of a link's name in the kernel (`include/uapi/linux/if.h`).
const IFNAMSIZ: usize = 16;

/// A link's name as the kernel compares it.
pub(super) fn padded(name: &LinkName) -> Vec<u8> {
    let mut bytes = name.as_str().as_bytes().to_vec();
    bytes.resize(IFNAMSIZ, 0);
    bytes
}

/// One field of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// The name of the link that the packet came in by.
    Link,
    /// The name of the link that the packet leaves by.
    LeavingLink,
    /// The Ethernet address that the frame comes from.
    Station,
    /// The Ethernet address that an ARP message says its sender has (RFC 826, `ar$sha`).
    ArpStation,
    /// The IPv4 address that an ARP message says its sender has (`ar$spa`).
    ArpSource,
    /// The IPv4 address that an ARP message is about (RFC 826, `ar$tpa`).
    ArpTarget,
    /// The address that a neighbour solicitation or advertisement is about (RFC 4861 sections 4.3 and 4.4).
    NdTarget,
    /// Where the packet comes from.
    Source(IpVersion),
    /// Where the packet goes.
    Destination(IpVersion),
    /// The protocol above IP.
    Protocol,
    /// The port that the packet goes to.
    Port,
    /// The port that the connection's first packet went to before it was translated.
    OriginalPort,
}

impl Part {
    /// Bytes in a key, padding included.
    pub(super) const fn width(self) -> usize {
        match self {
            Self::Link | Self::LeavingLink => IFNAMSIZ,
            // Six bytes, in whole registers.
            Self::Station | Self::ArpStation => 2 * REGISTER_WIDTH,
            Self::ArpSource | Self::ArpTarget => IpVersion::V4.width(),
            Self::NdTarget => IpVersion::V6.width(),
            Self::Source(version) | Self::Destination(version) => version.width(),
            Self::Protocol | Self::Port | Self::OriginalPort => REGISTER_WIDTH,
        }
    }

    /// The number that `nft` knows the type by: `ifname`, `ether_addr`, `ipv4_addr`, `ipv6_addr`, `inet_proto`,
    /// `inet_service`.
    const fn kind(self) -> u32 {
        match self {
            Self::Link | Self::LeavingLink => 41,
            Self::Station | Self::ArpStation => 9,
            Self::Source(IpVersion::V4)
            | Self::Destination(IpVersion::V4)
            | Self::ArpSource
            | Self::ArpTarget => 7,
            Self::Source(IpVersion::V6) | Self::Destination(IpVersion::V6) | Self::NdTarget => 8,
            Self::Protocol => 12,
            Self::Port | Self::OriginalPort => 13,
        }
    }
}

/// Bytes of a key.
pub(super) fn width(parts: &[Part]) -> usize {
    parts.iter().map(|part| part.width()).sum()
}

/// Bytes of a value: one that is a single field is not padded.
pub(super) fn value_width(parts: &[Part]) -> usize {
    match parts {
        [Part::Station] => STATION_WIDTH,
        parts => width(parts),
    }
}

/// The number of the type that is the concatenation of the parts: six bits each.
pub(super) fn kind(parts: &[Part]) -> u32 {
    parts.iter().fold(0, |kind, part| kind << 6 | part.kind())
}

/// The register that begins so many bytes behind the first one: those of sixteen bytes are `NFT_REG_1` to
/// `NFT_REG_4`, those of four in between `NFT_REG32_00` and on.
pub(super) fn register(offset: usize) -> u32 {
    const NFT_REG_1: usize = 1;
    const NFT_REG32_00: usize = 8;
    let number = if offset.is_multiple_of(16) {
        NFT_REG_1 + offset / 16
    } else {
        NFT_REG32_00 + offset / REGISTER_WIDTH
    };
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Writes a key part by part.
#[derive(Debug, Default)]
pub(super) struct KeyWriter(Vec<u8>);

impl KeyWriter {
    /// A link's name.
    pub(super) fn link(mut self, name: &LinkName) -> Self {
        self.0.extend(padded(name));
        self
    }

    /// An Ethernet address.
    pub(super) fn station(mut self, mac: MacAddr) -> Self {
        self.0.extend(mac.bytes());
        self.0.extend([0; 2]);
        self
    }

    /// An address.
    pub(super) fn address(mut self, address: IpAddr) -> Self {
        self.0.extend(octets(address));
        self
    }

    /// A protocol's number.
    pub(super) fn protocol(mut self, number: u8) -> Self {
        self.0.extend([number, 0, 0, 0]);
        self
    }

    /// A port.
    pub(super) fn port(mut self, port: u16) -> Self {
        let [high, low] = port.to_be_bytes();
        self.0.extend([high, low, 0, 0]);
        self
    }

    /// The key.
    pub(super) fn bytes(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_those_that_nft_uses() {
        let offsets = [0, 4, 8, 12, 16, 20, 24];
        assert_eq!(offsets.map(register), [1, 9, 10, 11, 2, 13, 14]);
    }

    #[test]
    fn a_key_is_as_wide_as_its_parts() {
        let parts = [Part::Destination(IpVersion::V6), Part::Protocol, Part::Port];
        let key = KeyWriter::default().address("fd00::1".parse().unwrap()).protocol(17).port(0x1234);
        let bytes = key.bytes();
        assert_eq!(bytes.len(), width(&parts));
        assert_eq!(bytes[15..], [1, 17, 0, 0, 0, 0x12, 0x34, 0, 0]);
        assert_eq!(kind(&parts), (8 * 64 + 12) * 64 + 13);
    }
}
