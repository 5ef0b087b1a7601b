//! The single instructions, each on one register; the methods of the parent module put them together.

use super::{
    DATA_VALUE, DESTINATION_PORT, ETHERNET_SOURCE, Expressions, Field, IpVersion, LIST_ELEMENT, NFT_CMP_EQ,
    NFT_META_IIFNAME, NFT_META_L4PROTO, NFT_META_OIFNAME, NFT_PAYLOAD_LL_HEADER, NFT_PAYLOAD_NETWORK_HEADER,
    NFT_PAYLOAD_TRANSPORT_HEADER, REGISTER, width,
};
use crate::nft::{
    attribute::Writer,
    key::{self, Part},
};

/// A checksum in the packet that covers what is written to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checksum {
    /// Where it is, from the beginning of the header that is written to (RFC 1071).
    pub(super) offset: u32,
}

impl Expressions {
    pub(super) fn is_version(&mut self, version: IpVersion) {
        const NFT_META_NFPROTO: u32 = 15;
        self.load_meta(REGISTER, NFT_META_NFPROTO);
        self.equals(&[version.nfproto()]);
    }

    /// The fields of a key, one behind the other.
    pub(super) fn load_key(&mut self, parts: &[Part]) {
        const NFT_CT_PROTO_DST: u32 = 12;
        const ARP_STATION: (u32, usize) = (8, 6);
        const ARP_SOURCE: (u32, usize) = (14, 4);
        const ARP_TARGET: (u32, usize) = (24, 4);
        const ND_TARGET: (u32, usize) = (8, 16);
        let mut offset = 0;
        for part in parts {
            let register = key::register(offset);
            match part {
                Part::Link => self.load_meta(register, NFT_META_IIFNAME),
                Part::LeavingLink => self.load_meta(register, NFT_META_OIFNAME),
                Part::Station => self.load_payload(register, NFT_PAYLOAD_LL_HEADER, ETHERNET_SOURCE),
                Part::ArpStation => self.load_payload(register, NFT_PAYLOAD_NETWORK_HEADER, ARP_STATION),
                Part::ArpSource => self.load_payload(register, NFT_PAYLOAD_NETWORK_HEADER, ARP_SOURCE),
                Part::ArpTarget => self.load_payload(register, NFT_PAYLOAD_NETWORK_HEADER, ARP_TARGET),
                Part::NdTarget => self.load_payload(register, NFT_PAYLOAD_TRANSPORT_HEADER, ND_TARGET),
                Part::Source(version) => {
                    self.load_address(register, *version, Field::Source, version.width());
                }
                Part::Destination(version) => {
                    self.load_address(register, *version, Field::Destination, version.width());
                }
                Part::Protocol => self.load_meta(register, NFT_META_L4PROTO),
                Part::Port => self.load_payload(register, NFT_PAYLOAD_TRANSPORT_HEADER, DESTINATION_PORT),
                Part::OriginalPort => self.load_connection(register, NFT_CT_PROTO_DST, true),
            }
            offset += part.width();
        }
    }

    /// The first `length` bytes of an address field.
    pub(super) fn load_address(&mut self, register: u32, version: IpVersion, field: Field, length: usize) {
        self.load_payload(register, NFT_PAYLOAD_NETWORK_HEADER, (version.offset(field), length));
    }

    pub(super) fn load_payload(&mut self, register: u32, header: u32, (offset, length): (u32, usize)) {
        const DESTINATION_REGISTER: u16 = 1;
        const BASE: u16 = 2;
        const OFFSET: u16 = 3;
        const LENGTH: u16 = 4;
        self.expression("payload", |payload| {
            payload.number(DESTINATION_REGISTER, register);
            payload.number(BASE, header);
            payload.number(OFFSET, offset);
            payload.number(LENGTH, width(length));
        });
    }

    /// Writes the register to the packet, and brings the checksum, where there is one, up to date.
    pub(super) fn store_payload(
        &mut self,
        header: u32,
        (offset, length): (u32, usize),
        checksum: Option<Checksum>,
    ) {
        const BASE: u16 = 2;
        const OFFSET: u16 = 3;
        const LENGTH: u16 = 4;
        const SOURCE_REGISTER: u16 = 5;
        const CHECKSUM_TYPE: u16 = 6;
        const CHECKSUM_OFFSET: u16 = 7;
        const NFT_PAYLOAD_CSUM_NONE: u32 = 0;
        const NFT_PAYLOAD_CSUM_INET: u32 = 1;
        let kind = if checksum.is_some() { NFT_PAYLOAD_CSUM_INET } else { NFT_PAYLOAD_CSUM_NONE };
        self.expression("payload", |payload| {
            payload.number(SOURCE_REGISTER, REGISTER);
            payload.number(BASE, header);
            payload.number(OFFSET, offset);
            payload.number(LENGTH, width(length));
            payload.number(CHECKSUM_TYPE, kind);
            payload.number(CHECKSUM_OFFSET, checksum.map_or(0, |checksum| checksum.offset));
        });
    }

    pub(super) fn load_meta(&mut self, register: u32, key: u32) {
        const DESTINATION_REGISTER: u16 = 1;
        const KEY: u16 = 2;
        self.expression("meta", |meta| {
            meta.number(KEY, key);
            meta.number(DESTINATION_REGISTER, register);
        });
    }

    /// A fact about the packet's connection; `is_original`: of the direction that its first packet had.
    pub(super) fn load_connection(&mut self, register: u32, key: u32, is_original: bool) {
        const DESTINATION_REGISTER: u16 = 1;
        const KEY: u16 = 2;
        const DIRECTION: u16 = 3;
        const IP_CT_DIR_ORIGINAL: u8 = 0;
        self.expression("ct", |connection| {
            connection.number(KEY, key);
            connection.number(DESTINATION_REGISTER, register);
            if is_original {
                connection.bytes(DIRECTION, &[IP_CT_DIR_ORIGINAL]);
            }
        });
    }

    /// What the map `name` holds for the key, into the register; none there, the rule ends.
    /// Looks the register up: what is found goes to `to`, where there is such a register; nothing found ends the rule.
    pub(super) fn look_up(&mut self, name: &str, to: Option<u32>) {
        const SET: u16 = 1;
        const SOURCE_REGISTER: u16 = 2;
        const DESTINATION_REGISTER: u16 = 3;
        self.expression("lookup", |lookup| {
            lookup.number(SOURCE_REGISTER, REGISTER);
            if let Some(to) = to {
                lookup.number(DESTINATION_REGISTER, to);
            }
            lookup.text(SET, name);
        });
    }

    /// Keep the bits of the register that are set in `mask`.
    pub(super) fn mask(&mut self, mask: &[u8]) {
        const SOURCE_REGISTER: u16 = 1;
        const DESTINATION_REGISTER: u16 = 2;
        const LENGTH: u16 = 3;
        const MASK: u16 = 4;
        const XOR: u16 = 5;
        self.expression("bitwise", |bitwise| {
            bitwise.number(SOURCE_REGISTER, REGISTER);
            bitwise.number(DESTINATION_REGISTER, REGISTER);
            bitwise.number(LENGTH, width(mask.len()));
            bitwise.nested(MASK, |data| data.bytes(DATA_VALUE, mask));
            bitwise.nested(XOR, |data| data.bytes(DATA_VALUE, &vec![0; mask.len()]));
        });
    }

    /// Go on only if the register begins with `value`.
    pub(super) fn equals(&mut self, value: &[u8]) {
        self.compare(NFT_CMP_EQ, value);
    }

    pub(super) fn compare(&mut self, operation: u32, value: &[u8]) {
        const SOURCE_REGISTER: u16 = 1;
        const OPERATION: u16 = 2;
        const DATA: u16 = 3;
        self.expression("cmp", |compare| {
            compare.number(SOURCE_REGISTER, REGISTER);
            compare.number(OPERATION, operation);
            compare.nested(DATA, |data| data.bytes(DATA_VALUE, value));
        });
    }

    pub(super) fn expression(&mut self, name: &str, fill: impl FnOnce(&mut Writer)) {
        const NAME: u16 = 1;
        const DATA: u16 = 2;
        self.list.nested(LIST_ELEMENT, |expression| {
            expression.text(NAME, name);
            expression.nested(DATA, fill);
        });
    }
}
