//! Expressions: the instructions of a rule. Each loads into, changes or compares one register, or gives a
//! verdict.
//!
//! All of ours work on register 1; a comparison that fails ends the rule. Names and numbers are those of
//! Linux `include/uapi/linux/netfilter/nf_tables.h`; the attributes are in the order in which `nft` sends
//! them.

use std::net::IpAddr;

use ipnet::IpNet;

use super::attribute::{Writer, find, text};

/// The one register that rules use (`NFT_REG_1`), sixteen bytes wide.
const REGISTER: u32 = 1;
/// `NFT_REG_VERDICT`: what is written here is carried out.
const VERDICT_REGISTER: u32 = 0;

/// `NFTA_LIST_ELEM`: an element of any list.
pub(super) const LIST_ELEMENT: u16 = 1;
/// `NFTA_DATA_VALUE`.
pub(super) const DATA_VALUE: u16 = 1;
/// `NFTA_DATA_VERDICT`.
const DATA_VERDICT: u16 = 2;
/// `NFTA_VERDICT_CHAIN`.
const VERDICT_CHAIN: u16 = 2;

/// What is to happen with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict<'a> {
    /// Go on in the chain of this name, and come back.
    Jump(&'a str),
    /// Go back to the calling chain.
    Return,
}

impl Verdict<'_> {
    /// Writes the verdict as data (`enum nft_verdict_attributes`).
    pub(super) fn write(self, data: &mut Writer) {
        const CODE: u16 = 1;
        const NFT_JUMP: i32 = -3;
        const NFT_RETURN: i32 = -5;
        data.nested(DATA_VERDICT, |verdict| match self {
            Self::Jump(chain) => {
                verdict.number(CODE, NFT_JUMP.cast_unsigned());
                verdict.text(VERDICT_CHAIN, chain);
            }
            Self::Return => verdict.number(CODE, NFT_RETURN.cast_unsigned()),
        });
    }
}

/// The chain that a jump in `data` (the value of a data attribute) leads to.
pub(super) fn jump_target(data: &[u8]) -> Option<&str> {
    find(find(data, DATA_VERDICT)?, VERDICT_CHAIN).and_then(text)
}

/// An IP address of the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// Where it comes from.
    Source,
    /// Where it goes.
    Destination,
}

/// The version of IP that a map, a rule or an address is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IpVersion {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl IpVersion {
    /// The version of this address.
    pub(super) fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// Bytes of an address.
    pub(super) fn width(self) -> usize {
        match self {
            Self::V4 => 4,
            Self::V6 => 16,
        }
    }

    /// The protocol family as netfilter numbers it (`NFPROTO_IPV4`, `NFPROTO_IPV6`).
    fn nfproto(self) -> u8 {
        match self {
            Self::V4 => 2,
            Self::V6 => 10,
        }
    }

    /// Where the field begins in the network header, in bytes (RFC 791 §3.1, RFC 8200 §3).
    fn offset(self, field: Field) -> u32 {
        match (self, field) {
            (Self::V4, Field::Source) => 12,
            (Self::V4, Field::Destination) => 16,
            (Self::V6, Field::Source) => 8,
            (Self::V6, Field::Destination) => 24,
        }
    }
}

/// The expressions of one rule, in order; each method appends.
#[derive(Debug, Default)]
pub(super) struct Expressions {
    list: Writer,
}

impl Expressions {
    /// Writes the expressions as the list `kind` of a rule.
    pub(super) fn write(&self, kind: u16, rule: &mut Writer) {
        rule.nested(kind, |list| list.append(&self.list));
    }

    /// Go on only with a packet whose destination is inside `net`.
    pub(super) fn destination_in(mut self, net: IpNet) -> Self {
        let version = IpVersion::of(net.addr());
        let network = octets(net.network());
        let whole_bytes = usize::from(net.prefix_len() / 8);
        self.is_version(version);
        if net.prefix_len().is_multiple_of(8) && whole_bytes > 0 {
            self.load(version, Field::Destination, whole_bytes);
            self.equals(network.get(..whole_bytes).unwrap_or_default());
        } else {
            self.load(version, Field::Destination, version.width());
            self.mask(&octets(net.netmask()));
            self.equals(&network);
        }
        self
    }

    /// Take the verdict that the map `name` holds for the packet's source address; none there, go on.
    pub(super) fn verdict_of_source(mut self, version: IpVersion, name: &str) -> Self {
        const SET: u16 = 1;
        const SOURCE_REGISTER: u16 = 2;
        const DESTINATION_REGISTER: u16 = 3;
        self.is_version(version);
        self.load(version, Field::Source, version.width());
        self.expression("lookup", |lookup| {
            lookup.number(SOURCE_REGISTER, REGISTER);
            lookup.number(DESTINATION_REGISTER, VERDICT_REGISTER);
            lookup.text(SET, name);
        });
        self
    }

    /// End with this verdict.
    pub(super) fn verdict(mut self, verdict: Verdict<'_>) -> Self {
        const DESTINATION_REGISTER: u16 = 1;
        const DATA: u16 = 2;
        self.expression("immediate", |immediate| {
            immediate.number(DESTINATION_REGISTER, VERDICT_REGISTER);
            immediate.nested(DATA, |data| verdict.write(data));
        });
        self
    }

    /// Give the packet's connection the address of the interface it leaves by, and a source port chosen at
    /// random: ports chosen in sequence by two processors at once clash, and the second packet is lost.
    pub(super) fn masquerade_fully_random(mut self) -> Self {
        const FLAGS: u16 = 1;
        const NF_NAT_RANGE_PROTO_RANDOM_FULLY: u32 = 1 << 4;
        self.expression("masq", |masquerade| masquerade.number(FLAGS, NF_NAT_RANGE_PROTO_RANDOM_FULLY));
        self
    }

    /// Go on only with a packet of this version: a chain of family `inet` sees both.
    fn is_version(&mut self, version: IpVersion) {
        const DESTINATION_REGISTER: u16 = 1;
        const KEY: u16 = 2;
        const NFT_META_NFPROTO: u32 = 15;
        self.expression("meta", |meta| {
            meta.number(KEY, NFT_META_NFPROTO);
            meta.number(DESTINATION_REGISTER, REGISTER);
        });
        self.equals(&[version.nfproto()]);
    }

    /// The first `length` bytes of an address field.
    fn load(&mut self, version: IpVersion, field: Field, length: usize) {
        const DESTINATION_REGISTER: u16 = 1;
        const BASE: u16 = 2;
        const OFFSET: u16 = 3;
        const LENGTH: u16 = 4;
        const NFT_PAYLOAD_NETWORK_HEADER: u32 = 1;
        self.expression("payload", |payload| {
            payload.number(DESTINATION_REGISTER, REGISTER);
            payload.number(BASE, NFT_PAYLOAD_NETWORK_HEADER);
            payload.number(OFFSET, version.offset(field));
            payload.number(LENGTH, width(length));
        });
    }

    /// Keep the bits of the register that are set in `mask`.
    fn mask(&mut self, mask: &[u8]) {
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
    fn equals(&mut self, value: &[u8]) {
        const SOURCE_REGISTER: u16 = 1;
        const OPERATION: u16 = 2;
        const DATA: u16 = 3;
        const NFT_CMP_EQ: u32 = 0;
        self.expression("cmp", |compare| {
            compare.number(SOURCE_REGISTER, REGISTER);
            compare.number(OPERATION, NFT_CMP_EQ);
            compare.nested(DATA, |data| data.bytes(DATA_VALUE, value));
        });
    }

    fn expression(&mut self, name: &str, fill: impl FnOnce(&mut Writer)) {
        const NAME: u16 = 1;
        const DATA: u16 = 2;
        self.list.nested(LIST_ELEMENT, |expression| {
            expression.text(NAME, name);
            expression.nested(DATA, fill);
        });
    }
}

/// An address as it lies in the packet.
pub(super) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The address that these octets are.
pub(super) fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(octets).map(IpAddr::from);
    let v6 = || <[u8; 16]>::try_from(octets).map(IpAddr::from);
    v4().or_else(|_| v6()).ok()
}

/// The width of an address or mask, at most sixteen, as the kernel takes it.
fn width(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
