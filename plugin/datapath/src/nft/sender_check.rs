//! Frames from a pod that do not come from its own Ethernet address are dropped, by the rules that the reference bridge
//! plugin writes (`macspoofchk`), so that either's DEL removes them.
//!
//! ```text
//! table bridge nat {
//!     chain PREROUTING { type filter hook prerouting priority dstnat
//!         iifname "veth…" jump cni-br-iface-c1-eth0 comment "macspoofchk-c1-eth0" }
//!     chain cni-br-iface-c1-eth0 { jump cni-br-iface-c1-eth0-mac comment … }
//!     chain cni-br-iface-c1-eth0-mac {
//!         ether saddr 0a:58:0a:01:00:02 return comment …
//!         drop comment … } }
//! ```

use super::{
    NftError,
    expression::{Expressions, Verdict},
    reading,
    table::{self, BRIDGE, Hook, Rule, Table},
    transaction,
};
use crate::{
    LinkName, MacAddr, Owner,
    netlink::{Request, Socket},
};

const TABLE: Table = Table { family: BRIDGE, name: "nat" };
const BASE: &str = "PREROUTING";

/// `NF_BR_PRE_ROUTING`, at the priority that `nft` calls `dstnat` (`NF_BR_PRI_NAT_DST_BRIDGED`).
const PREROUTING: Hook = Hook { kind: "filter", number: 0, priority: -300 };

/// The names of an owner's objects.
struct Names {
    comment: String,
    link_chain: String,
    address_chain: String,
}

impl Names {
    fn of(owner: &Owner) -> Self {
        let id = format!("{}-{}", owner.container(), owner.ifname());
        let link_chain = format!("cni-br-iface-{id}");
        Self { comment: format!("macspoofchk-{id}"), address_chain: format!("{link_chain}-mac"), link_chain }
    }

    fn rule(&self, expressions: Expressions) -> Rule {
        Rule { comment: self.comment.clone().into(), expressions }
    }

    /// The deletions of the rules that lead to the owner's chains.
    fn jumps(&self, socket: &mut Socket) -> Result<Vec<Request>, NftError> {
        let rules = reading::read(socket, &TABLE.rules(BASE))?;
        // The kernel has no room for more of a long comment.
        let known = self.comment.get(..self.comment.floor_char_boundary(super::comment::MAX));
        let ours = rules.iter().filter(|rule| table::rule_comment(rule) == known);
        Ok(ours.filter_map(table::rule_handle).map(|handle| TABLE.delete_rule(BASE, handle)).collect())
    }
}

/// Lets through what comes by the host's end from the pod's address alone.
pub(crate) fn add(
    socket: &mut Socket,
    owner: &Owner,
    host_end: &LinkName,
    pod: MacAddr,
) -> Result<(), NftError> {
    let names = Names::of(owner);
    let jump = |chain| Expressions::default().verdict(Verdict::Jump(chain));
    let added = transaction::commit_what_is_read(socket, |socket| {
        let mut changes = names.jumps(socket)?;
        changes.extend([TABLE.ensure(""), TABLE.ensure_chain(BASE, Some(PREROUTING))]);
        for chain in [&names.link_chain, &names.address_chain] {
            changes.extend([TABLE.ensure_chain(chain, None), TABLE.flush(chain)]);
        }
        let by_link = Expressions::default().came_in_by(host_end).verdict(Verdict::Jump(&names.link_chain));
        let own = Expressions::default().sent_from(pod).verdict(Verdict::Return);
        let other = Expressions::default().verdict(Verdict::Drop);
        for (chain, expressions) in [
            (BASE, by_link),
            (&names.link_chain, jump(&names.address_chain)),
            (&names.address_chain, own),
            (&names.address_chain, other),
        ] {
            changes.push(TABLE.append(chain, &names.rule(expressions)));
        }
        Ok(changes)
    });
    added.map(drop)
}

/// Whether the rules are there.
pub(crate) fn is_there(socket: &mut Socket, owner: &Owner) -> Result<bool, NftError> {
    let names = Names::of(owner);
    let rules = reading::read(socket, &TABLE.rules(&names.address_chain))?;
    Ok(!names.jumps(socket)?.is_empty() && rules.len() == 2)
}

/// Removes the owner's rules and chains.
pub(crate) fn remove(socket: &mut Socket, owner: &Owner) -> Result<(), NftError> {
    let names = Names::of(owner);
    let removed = transaction::commit_what_is_read(socket, |socket| {
        let mut changes = names.jumps(socket)?;
        for chain in [&names.link_chain, &names.address_chain] {
            let found = reading::read(socket, &TABLE.get_chain(chain))?;
            changes.extend(found.iter().map(|_| TABLE.delete_chain(chain)));
        }
        Ok(changes)
    });
    match removed {
        Err(NftError::Unsupported { .. }) => Ok(()),
        removed => removed.map(drop),
    }
}
