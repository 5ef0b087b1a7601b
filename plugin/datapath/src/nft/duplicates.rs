//! Duplicates of a promiscuous bridge.
//!
//! ```text
//! table bridge podnet {
//!     chain duplicates-cbr0 { type filter hook output priority filter       one a bridge
//!         ether saddr 0a:58:0a:f4:01:01 oifname "veth*" ip saddr 10.244.1.1 return
//!         ether saddr 0a:58:0a:f4:01:01 oifname "veth*" ip saddr 10.244.1.0/24 drop } }
//! ```
//!
//! A promiscuous bridge hands the node a copy of what it forwards from pod to pod. The node routes the copy back to the
//! bridge, which sends it from its own Ethernet address with the first pod's IP address: that is how it is known.
//! What the node itself says to pods has the gateway's address. kubenet had ebtables for this, the chain KUBE-DEDUP.
//!
//! The rules' comments say whom they are about, so that others take their place when an address changes.

use ipnet::IpNet;
use nix::errno::Errno;

use super::{
    NftError,
    expression::{Expressions, Verdict},
    layout::{FRAMES, SCHEMA},
    reading,
    table::{self, Hook, Rule},
    transaction,
};
use crate::{
    LinkName, LinkPrefix, MacAddr,
    netlink::{Request, Socket},
};

/// `NF_BR_LOCAL_OUT`, at the priority that `nft` calls `filter` (`NF_BR_PRI_FILTER_BRIDGED`).
const OUTPUT: Hook = Hook { kind: "filter", number: 3, priority: -200 };

/// What tells a copy from what the node itself says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Duplicates<'a> {
    /// The bridge.
    pub(crate) bridge: &'a LinkName,
    /// The bridge's Ethernet address.
    pub(crate) mac: MacAddr,
    /// The node's addresses on the bridge, with the lengths of the pod subnets' prefixes.
    pub(crate) gateways: &'a [IpNet],
}

impl Duplicates<'_> {
    /// Has them dropped.
    pub(crate) fn drop_all(&self, socket: &mut Socket) -> Result<(), NftError> {
        if self.are_dropped(socket)? {
            return Ok(());
        }
        transaction::commit(socket, None, self.fill()).map_err(NftError::changing)
    }

    /// Makes the chain if it is not there, and its rules the only ones in it.
    pub(super) fn fill(&self) -> Vec<Request> {
        let chain = chain_name(self.bridge);
        let mut changes =
            vec![FRAMES.ensure(SCHEMA), FRAMES.ensure_chain(&chain, Some(OUTPUT)), FRAMES.flush(&chain)];
        changes.extend(self.rules().iter().map(|rule| FRAMES.append(&chain, rule)));
        changes
    }

    /// Whether they are dropped.
    pub(crate) fn are_dropped(&self, socket: &mut Socket) -> Result<bool, NftError> {
        let found = reading::read(socket, &FRAMES.rules(&chain_name(self.bridge)))?;
        let wanted = self.rules();
        Ok(found.iter().map(table::rule_comment).eq(wanted.iter().map(|rule| Some(&*rule.comment))))
    }

    /// Whether there are rules about this bridge, whatever they say.
    pub(crate) fn are_seen_at(bridge: &LinkName, socket: &mut Socket) -> Result<bool, NftError> {
        match reading::read(socket, &FRAMES.get_chain(&chain_name(bridge))) {
            Err(NftError::Unsupported { .. }) => Ok(false),
            found => Ok(!found?.is_empty()),
        }
    }

    /// Takes the rules about a bridge away, which has some.
    pub(crate) fn forget(bridge: &LinkName, socket: &mut Socket) -> Result<(), NftError> {
        match transaction::commit(socket, None, vec![FRAMES.delete_chain(&chain_name(bridge))]) {
            // Another ADD was faster.
            Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(()),
            result => result.map_err(NftError::changing),
        }
    }

    fn rules(&self) -> Vec<Rule> {
        let from = |net: IpNet| {
            Expressions::default().sent_from(self.mac).leaving_by(LinkPrefix::VETH).frame_source_in(net)
        };
        let of_gateway = |gateway: &IpNet| {
            let own = IpNet::from(gateway.addr());
            let subnet = gateway.trunc();
            [
                Rule {
                    comment: format!("from {own} at {}", self.mac).into(),
                    expressions: from(own).verdict(Verdict::Return),
                },
                Rule {
                    comment: format!("from {subnet} at {}", self.mac).into(),
                    expressions: from(subnet).verdict(Verdict::Drop),
                },
            ]
        };
        self.gateways.iter().flat_map(of_gateway).collect()
    }
}

fn chain_name(bridge: &LinkName) -> String {
    format!("duplicates-{bridge}")
}
