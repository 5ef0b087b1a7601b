//! Ethernet addresses that are written into frames.

use super::{
    ETHERNET_SOURCE, Expressions, Field, IpVersion, NFT_CMP_NEQ, NFT_PAYLOAD_LL_HEADER,
    NFT_PAYLOAD_NETWORK_HEADER, NFT_PAYLOAD_TRANSPORT_HEADER, REGISTER, instructions::Checksum,
};
use crate::nft::key::Part;

/// Bytes of a link-layer address option's head: type and length (RFC 4861 section 4.6.1).
const OPTION_HEAD: u32 = 2;

/// Where a frame has an Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::nft) enum StationField {
    /// Where it goes.
    Destination,
    /// Where it comes from.
    Source,
    /// Who an ARP message says that its sender is (RFC 826, `ar$sha`).
    ArpSender,
    /// What a message of neighbour discovery says in its first option, which is behind so many bytes.
    NdOption(u32),
}

/// For whom the node takes a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::nft) enum Recipient {
    /// For itself: `PACKET_HOST`.
    Node,
    /// For somebody else: `PACKET_OTHERHOST`.
    Other,
}

impl Expressions {
    /// Write the Ethernet address that the map `name` holds for these fields of the frame; none there, go on with the
    /// next rule.
    pub(in crate::nft) fn rewritten(mut self, field: StationField, parts: &[Part], name: &str) -> Self {
        const ETHERNET_DESTINATION: (u32, usize) = (0, 6);
        const ARP_SENDER: (u32, usize) = (8, 6);
        /// Of `ICMPv6` (RFC 4443 section 2.1).
        const CHECKSUM: Checksum = Checksum { offset: 2 };
        self.load_key(parts);
        self.look_up(name, Some(REGISTER));
        let (header, place, checksum) = match field {
            StationField::Destination => (NFT_PAYLOAD_LL_HEADER, ETHERNET_DESTINATION, None),
            StationField::Source => (NFT_PAYLOAD_LL_HEADER, ETHERNET_SOURCE, None),
            StationField::ArpSender => (NFT_PAYLOAD_NETWORK_HEADER, ARP_SENDER, None),
            StationField::NdOption(behind) => {
                (NFT_PAYLOAD_TRANSPORT_HEADER, (behind + OPTION_HEAD, 6), Some(CHECKSUM))
            }
        };
        self.store_payload(header, place, checksum);
        self
    }

    /// Go on only with a message of neighbour discovery whose first option, behind so many bytes, is an Ethernet address
    /// of this kind (RFC 4861 section 4.6.1).
    pub(in crate::nft) fn first_option_is(mut self, behind: u32, kind: u8) -> Self {
        /// In units of eight bytes.
        const LENGTH: u8 = 1;
        self.load_payload(REGISTER, NFT_PAYLOAD_TRANSPORT_HEADER, (behind, 2));
        self.equals(&[kind, LENGTH]);
        self
    }

    /// Go on only with an IPv6 packet that comes from an address, unlike a probe for duplicates (RFC 4862 section 5.4.2).
    pub(in crate::nft) fn of_known_ipv6_source(mut self) -> Self {
        self.load_address(REGISTER, IpVersion::V6, Field::Source, IpVersion::V6.width());
        self.compare(NFT_CMP_NEQ, &[0; 16]);
        self
    }

    /// Take the frame for this recipient's.
    pub(in crate::nft) fn received_for(mut self, recipient: Recipient) -> Self {
        const IMMEDIATE_REGISTER: u16 = 1;
        const IMMEDIATE_DATA: u16 = 2;
        const KEY: u16 = 2;
        const SOURCE_REGISTER: u16 = 3;
        const NFT_META_PKTTYPE: u32 = 19;
        let kind: u8 = match recipient {
            Recipient::Node => 0,
            Recipient::Other => 3,
        };
        self.expression("immediate", |immediate| {
            immediate.number(IMMEDIATE_REGISTER, REGISTER);
            immediate.nested(IMMEDIATE_DATA, |data| data.bytes(super::DATA_VALUE, &[kind]));
        });
        self.expression("meta", |meta| {
            meta.number(KEY, NFT_META_PKTTYPE);
            meta.number(SOURCE_REGISTER, REGISTER);
        });
        self
    }
}
