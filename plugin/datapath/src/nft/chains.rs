//! Other programs' chains: whether they let pods' packets pass. Only looked at, never changed.

use std::fmt;

use netlink_packet_core::NLM_F_DUMP;

use super::{
    NftError,
    attribute::{find, text},
    message::{self, NO_FAMILY, Operation},
};
use crate::netlink::{Protocol, Reply, Socket};

/// The family of a table, as netfilter numbers it (`NFPROTO_*` in `linux/netfilter.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TableFamily {
    /// IPv4 and IPv6.
    Inet,
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// Ethernet frames between the ports of a bridge.
    Bridge,
}

impl TableFamily {
    fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Inet),
            2 => Some(Self::Ip),
            10 => Some(Self::Ip6),
            7 => Some(Self::Bridge),
            _ => None,
        }
    }
}

impl fmt::Display for TableFamily {
    /// As `nft` writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inet => "inet",
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
            Self::Bridge => "bridge",
        })
    }
}

/// A chain that the kernel calls for packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseChain {
    /// The table's family.
    pub family: TableFamily,
    /// The table's name.
    pub table: String,
    /// The chain's name.
    pub name: String,
    /// Whether it sees what is forwarded (`NF_INET_FORWARD`, `NF_BR_FORWARD`).
    pub is_forward: bool,
    /// Whether it drops what no rule decides about.
    pub drops: bool,
    /// How many rules it has, and jumps to it.
    pub uses: u32,
}

/// The base chains of all tables of this namespace; none on a kernel without nftables.
pub fn base_chains() -> Result<Vec<BaseChain>, NftError> {
    let request = message::request("list chains", Operation::GetChain, NLM_F_DUMP, NO_FAMILY, |_| {});
    let replies = Socket::open(Protocol::Netfilter).and_then(|mut socket| socket.query(&request));
    match replies.map_err(NftError::reading) {
        Err(NftError::Unsupported { .. }) => Ok(Vec::new()),
        replies => Ok(replies?.iter().filter_map(parse).collect()),
    }
}

/// Reads `NFT_MSG_NEWCHAIN` (`enum nft_chain_attributes`); `None` for a chain that other chains jump to, and for other
/// families.
fn parse(reply: &Reply) -> Option<BaseChain> {
    const TABLE: u16 = 1;
    const NAME: u16 = 3;
    const HOOK: u16 = 4;
    const POLICY: u16 = 5;
    const USE: u16 = 6;
    const HOOK_NUMBER: u16 = 1;
    const FORWARD: u32 = 2;
    const NF_DROP: u32 = 0;
    let bytes = message::attributes(reply);
    let named = |kind| find(bytes, kind).and_then(text).map(ToOwned::to_owned);
    let hook = find(bytes, HOOK).and_then(|hook| find(hook, HOOK_NUMBER)).and_then(number)?;
    Some(BaseChain {
        family: TableFamily::from_number(*reply.body.first()?)?,
        table: named(TABLE)?,
        name: named(NAME)?,
        is_forward: hook == FORWARD,
        drops: find(bytes, POLICY).and_then(number) == Some(NF_DROP),
        uses: find(bytes, USE).and_then(number).unwrap_or_default(),
    })
}

fn number(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*value.first_chunk()?))
}
