//! Expressions: the instructions of a rule. Each loads into, changes or compares one register, or gives a
//! verdict.
//!
//! All of ours work on register 1 and, for keys, on those behind it; a comparison that fails ends the rule.
//! Names and numbers are those of Linux `include/uapi/linux/netfilter/nf_tables.h`; the attributes are in the
//! order in which `nft` sends them.

mod instructions;
mod stations;

use std::net::IpAddr;

use ipnet::IpNet;

use super::{
    attribute::{Writer, find, text},
    key::{self, Part},
};
use crate::{LinkName, LinkPrefix, MacAddr, Transport};
pub(super) use stations::{Recipient, StationField};

/// The first register (`NFT_REG_1`), sixteen bytes wide.
const REGISTER: u32 = 1;
/// `NFT_REG_VERDICT`: what is written here is carried out.
const VERDICT_REGISTER: u32 = 0;

const NFT_CMP_EQ: u32 = 0;
const NFT_CMP_NEQ: u32 = 1;
const NFT_META_IIFNAME: u32 = 6;
const NFT_META_OIFNAME: u32 = 7;
const NFT_META_L4PROTO: u32 = 16;
const NFT_PAYLOAD_LL_HEADER: u32 = 0;
const NFT_PAYLOAD_NETWORK_HEADER: u32 = 1;
const NFT_PAYLOAD_TRANSPORT_HEADER: u32 = 2;

/// Where a frame has the address that it comes from, and its length (IEEE 802.3).
const ETHERNET_SOURCE: (u32, usize) = (6, 6);
/// Where TCP, UDP and SCTP have the port that a packet goes to, and its length.
const DESTINATION_PORT: (u32, usize) = (2, 2);

/// `NFTA_LIST_ELEM`: an element of any list.
pub(super) const LIST_ELEMENT: u16 = 1;
/// `NFTA_DATA_VALUE`.
pub(super) const DATA_VALUE: u16 = 1;
/// `NFTA_DATA_VERDICT`.
const DATA_VERDICT: u16 = 2;
/// `NFTA_VERDICT_CODE`.
const VERDICT_CODE: u16 = 1;
/// `NFTA_VERDICT_CHAIN`.
const VERDICT_CHAIN: u16 = 2;
const NFT_RETURN: i32 = -5;
const NF_DROP: i32 = 0;
const NF_ACCEPT: i32 = 1;

/// What is to happen with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict<'a> {
    /// Go on in the chain of this name, and come back.
    Jump(&'a str),
    /// Go on in the chain of this name, and do not come back.
    Goto(&'a str),
    /// Go back to the calling chain.
    Return,
    /// Take the packet away.
    Drop,
    /// Let the packet through, as far as this base chain goes.
    Accept,
}

impl Verdict<'_> {
    /// Writes the verdict as data (`enum nft_verdict_attributes`).
    pub(super) fn write(self, data: &mut Writer) {
        const NFT_JUMP: i32 = -3;
        const NFT_GOTO: i32 = -4;
        let code = match self {
            Self::Jump(_) => NFT_JUMP,
            Self::Goto(_) => NFT_GOTO,
            Self::Return => NFT_RETURN,
            Self::Drop => NF_DROP,
            Self::Accept => NF_ACCEPT,
        };
        data.nested(DATA_VERDICT, |verdict| {
            verdict.number(VERDICT_CODE, code.cast_unsigned());
            if let Self::Jump(chain) | Self::Goto(chain) = self {
                verdict.text(VERDICT_CHAIN, chain);
            }
        });
    }
}

/// The verdict in `data`, the value of a data attribute; none of other kinds than ours, and no `goto`.
pub(super) fn read_verdict(data: &[u8]) -> Option<Verdict<'_>> {
    let verdict = find(data, DATA_VERDICT)?;
    if let Some(chain) = find(verdict, VERDICT_CHAIN).and_then(text) {
        return Some(Verdict::Jump(chain));
    }
    let code = find(verdict, VERDICT_CODE)?.try_into().ok().map(i32::from_be_bytes)?;
    match code {
        NFT_RETURN => Some(Verdict::Return),
        NF_DROP => Some(Verdict::Drop),
        NF_ACCEPT => Some(Verdict::Accept),
        _ => None,
    }
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    pub(super) const fn width(self) -> usize {
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

/// What a frame carries (`include/uapi/linux/if_ether.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Ethertype {
    /// IPv4.
    Ipv4 = 0x0800,
    /// Address resolution.
    Arp = 0x0806,
    /// IPv6.
    Ipv6 = 0x86dd,
}

impl Ethertype {
    /// That of a version of IP.
    pub(super) fn of(version: IpVersion) -> Self {
        match version {
            IpVersion::V4 => Self::Ipv4,
            IpVersion::V6 => Self::Ipv6,
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
    pub(super) fn destination_in(self, net: IpNet) -> Self {
        self.address_in(Field::Destination, net)
    }

    /// Go on only with a packet whose source is inside `net`.
    pub(super) fn source_in(self, net: IpNet) -> Self {
        self.address_in(Field::Source, net)
    }

    /// Go on only with a packet whose destination is outside `net`; for packets known to be of its version.
    pub(super) fn destination_not_in(mut self, net: IpNet) -> Self {
        self.compare_address(NFT_CMP_NEQ, Field::Destination, net);
        self
    }

    /// Go on only with what came in by this link.
    pub(super) fn came_in_by(mut self, link: &LinkName) -> Self {
        self.load_meta(REGISTER, NFT_META_IIFNAME);
        self.equals(&key::padded(link));
        self
    }

    /// Go on only with a frame from this Ethernet address.
    pub(super) fn sent_from(mut self, mac: MacAddr) -> Self {
        self.load_payload(REGISTER, NFT_PAYLOAD_LL_HEADER, ETHERNET_SOURCE);
        self.equals(&mac.bytes());
        self
    }

    /// Go on only with what leaves by a link whose name begins so.
    pub(super) fn leaving_by(mut self, prefix: LinkPrefix) -> Self {
        self.load_meta(REGISTER, NFT_META_OIFNAME);
        self.equals(prefix.as_str().as_bytes());
        self
    }

    /// Go on only with a frame whose IP source is inside `net`; for tables of the family `bridge`.
    pub(super) fn frame_source_in(self, net: IpNet) -> Self {
        let mut of_version = self.of_ethertype(Ethertype::of(IpVersion::of(net.addr())));
        of_version.compare_address(NFT_CMP_EQ, Field::Source, net);
        of_version
    }

    /// Go on only with a frame whose IP destination is inside `net`; for tables of the family `bridge`.
    pub(super) fn frame_destination_in(self, net: IpNet) -> Self {
        let mut of_version = self.of_ethertype(Ethertype::of(IpVersion::of(net.addr())));
        of_version.compare_address(NFT_CMP_EQ, Field::Destination, net);
        of_version
    }

    /// Go on only with a frame that carries this.
    pub(super) fn of_ethertype(mut self, ethertype: Ethertype) -> Self {
        const NFT_META_PROTOCOL: u32 = 1;
        self.load_meta(REGISTER, NFT_META_PROTOCOL);
        self.equals(&(ethertype as u16).to_be_bytes());
        self
    }

    /// Go on only with an `ICMPv6` message of this type (RFC 4443 section 2.1).
    pub(super) fn of_icmpv6(mut self, kind: u8) -> Self {
        const IPPROTO_ICMPV6: u8 = 58;
        const TYPE: (u32, usize) = (0, 1);
        self.load_meta(REGISTER, NFT_META_L4PROTO);
        self.equals(&[IPPROTO_ICMPV6]);
        self.load_payload(REGISTER, NFT_PAYLOAD_TRANSPORT_HEADER, TYPE);
        self.equals(&[kind]);
        self
    }

    /// Go on only with what goes to this port, of a packet known to be TCP, UDP or SCTP.
    pub(super) fn destination_port_is(mut self, port: u16) -> Self {
        self.load_payload(REGISTER, NFT_PAYLOAD_TRANSPORT_HEADER, DESTINATION_PORT);
        self.equals(&port.to_be_bytes());
        self
    }

    /// Count what comes so far.
    pub(super) fn count(mut self) -> Self {
        const BYTES: u16 = 1;
        const PACKETS: u16 = 2;
        self.expression("counter", |counter| {
            counter.bytes(BYTES, &[0; 8]);
            counter.bytes(PACKETS, &[0; 8]);
        });
        self
    }

    fn address_in(mut self, field: Field, net: IpNet) -> Self {
        self.is_version(IpVersion::of(net.addr()));
        self.compare_address(NFT_CMP_EQ, field, net);
        self
    }

    /// Go on only with a packet, known to be of the version, whose field is inside `net`, or outside.
    fn compare_address(&mut self, operation: u32, field: Field, net: IpNet) {
        let version = IpVersion::of(net.addr());
        let network = octets(net.network());
        let whole_bytes = usize::from(net.prefix_len() / 8);
        if net.prefix_len().is_multiple_of(8) && whole_bytes > 0 {
            self.load_address(REGISTER, version, field, whole_bytes);
            self.compare(operation, network.get(..whole_bytes).unwrap_or_default());
        } else {
            self.load_address(REGISTER, version, field, version.width());
            self.mask(&octets(net.netmask()));
            self.compare(operation, &network);
        }
    }

    /// Go on only with a packet of this version: a chain of family `inet` sees both.
    pub(super) fn of_version(mut self, version: IpVersion) -> Self {
        self.is_version(version);
        self
    }

    /// Go on only with a packet of this protocol.
    pub(super) fn of_transport(mut self, transport: Transport) -> Self {
        self.load_meta(REGISTER, NFT_META_L4PROTO);
        self.equals(&[transport.number()]);
        self
    }

    /// Go on only with a packet to an address of the node.
    pub(super) fn destination_is_local(mut self) -> Self {
        const DESTINATION_REGISTER: u16 = 1;
        const RESULT: u16 = 2;
        const FLAGS: u16 = 3;
        const NFT_FIB_RESULT_ADDRTYPE: u32 = 3;
        const NFTA_FIB_F_DADDR: u32 = 1 << 1;
        const RTN_LOCAL: u32 = 2;
        self.expression("fib", |fib| {
            fib.number(FLAGS, NFTA_FIB_F_DADDR);
            fib.number(RESULT, NFT_FIB_RESULT_ADDRTYPE);
            fib.number(DESTINATION_REGISTER, REGISTER);
        });
        self.equals(&RTN_LOCAL.to_ne_bytes());
        self
    }

    /// Go on only with a packet that did not come in by the loopback link, which is the first of every namespace.
    pub(super) fn not_by_loopback(mut self) -> Self {
        const NFT_META_IIF: u32 = 4;
        const LOOPBACK_IFINDEX: u32 = 1;
        self.load_meta(REGISTER, NFT_META_IIF);
        self.compare(NFT_CMP_NEQ, &LOOPBACK_IFINDEX.to_ne_bytes());
        self
    }

    /// Go on only with a packet of a connection whose destination was translated.
    pub(super) fn of_translated(mut self) -> Self {
        const NFT_CT_STATUS: u32 = 2;
        const IPS_DST_NAT: u32 = 1 << 5;
        self.load_connection(REGISTER, NFT_CT_STATUS, false);
        self.mask(&IPS_DST_NAT.to_ne_bytes());
        self.compare(NFT_CMP_NEQ, &[0; 4]);
        self
    }

    /// Go on only with a packet whose fields are in the set `name`.
    pub(super) fn among(mut self, parts: &[Part], name: &str) -> Self {
        self.load_key(parts);
        self.look_up(name, None);
        self
    }

    /// Take the verdict that the map `name` holds for these fields of the packet; none there, go on.
    pub(super) fn verdict_of(mut self, parts: &[Part], name: &str) -> Self {
        self.load_key(parts);
        self.look_up(name, Some(VERDICT_REGISTER));
        self
    }

    /// Send the packet's connection to the address and port that the map `name` holds for these fields of the
    /// packet; none there, go on.
    pub(super) fn destination_of(mut self, version: IpVersion, parts: &[Part], name: &str) -> Self {
        const TYPE: u16 = 1;
        const FAMILY: u16 = 2;
        const ADDRESS_REGISTER: u16 = 3;
        const PORT_REGISTER: u16 = 5;
        const NFT_NAT_DNAT: u32 = 1;
        self.load_key(parts);
        self.look_up(name, Some(REGISTER));
        self.expression("nat", |nat| {
            nat.number(TYPE, NFT_NAT_DNAT);
            nat.number(FAMILY, u32::from(version.nfproto()));
            nat.number(ADDRESS_REGISTER, REGISTER);
            nat.number(PORT_REGISTER, key::register(version.width()));
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

    /// Give the packet's connection the address of the interface it leaves by.
    pub(super) fn masquerade(mut self) -> Self {
        self.expression("masq", |_| {});
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
