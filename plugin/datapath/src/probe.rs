//! Asking what the kernel can do, without changing anything.

use netlink_packet_core::NLM_F_ACK;
use netlink_packet_route::link::InfoKind;
use nix::errno::Errno;

use crate::{
    netlink::{NetlinkError, Protocol, Request, Socket},
    rtnl::change,
};

/// `NFT_MSG_GETGEN` of the subsystem `NFNL_SUBSYS_NFTABLES`.
const GET_GENERATION: u16 = 10 << 8 | 16;

/// A feature of the kernel that podnet needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// Pairs of virtual Ethernet links.
    Veth,
    /// Ethernet bridges.
    Bridge,
    /// Links that what a pod sends is queued at.
    Ifb,
    /// The nftables engine.
    NfTables,
}

impl std::fmt::Display for Feature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Veth => "veth links (CONFIG_VETH)",
            Self::Bridge => "bridges (CONFIG_BRIDGE)",
            Self::Ifb => "ifb links (CONFIG_IFB)",
            Self::NfTables => "nf_tables (CONFIG_NF_TABLES)",
        })
    }
}

/// The features that the kernel lacks; it may load modules to find out.
pub fn probe() -> Result<Vec<Feature>, NetlinkError> {
    let mut lacking = Vec::new();
    let mut socket = Socket::open(Protocol::Route)?;
    let kinds =
        [(Feature::Veth, InfoKind::Veth), (Feature::Bridge, InfoKind::Bridge), (Feature::Ifb, InfoKind::Ifb)];
    for (feature, kind) in kinds {
        if !has_kind(&mut socket, kind)? {
            lacking.push(feature);
        }
    }
    if !has_nf_tables()? {
        lacking.push(Feature::NfTables);
    }
    Ok(lacking)
}

/// Asks for a link that cannot be made: the kernel looks for the kind first and refuses the address then.
fn has_kind(socket: &mut Socket, kind: InfoKind) -> Result<bool, NetlinkError> {
    match socket.execute(&change::create_impossible(kind)) {
        Err(error) if error.errno() == Some(Errno::EADDRNOTAVAIL) => Ok(true),
        Err(error) if error.errno() == Some(Errno::EOPNOTSUPP) => Ok(false),
        result => result.map(|()| true),
    }
}

/// Whether the kernel has nftables: asks for the number of the current rule set, which only the engine can answer.
pub fn has_nf_tables() -> Result<bool, NetlinkError> {
    const EMPTY: [u8; 4] = [0; 4]; // struct nfgenmsg
    let request =
        Request::new("ask whether the kernel has nf_tables", GET_GENERATION, NLM_F_ACK, EMPTY.to_vec());
    match Socket::open(Protocol::Netfilter).and_then(|mut socket| socket.execute(&request)) {
        Ok(()) => Ok(true),
        Err(NetlinkError::Open { source, .. }) if is_no_protocol(&source) => Ok(false),
        Err(error) if error.errno() == Some(Errno::EINVAL) => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_no_protocol(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(Errno::EPROTONOSUPPORT as i32)
}
