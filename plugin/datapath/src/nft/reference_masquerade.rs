//! Masquerading as the reference plugins write it with `ipMasqBackend: nftables`, so that either's DEL removes it.
//!
//! ```text
//! table inet cni_plugins_masquerade {
//!     chain postrouting { type nat hook postrouting priority srcnat
//!         ip daddr 224.0.0.0/4 return
//!         ip6 daddr ff00::/8 return
//!         goto masq_checks }
//!     chain masq_checks {                                         one rule an address
//!         ip saddr 10.1.0.2 ip daddr != 10.1.0.0/24 masquerade comment "HASHES, net: n, if: eth0, id: c1" } }
//! ```
//!
//! A rule is found by the hashes that its comment begins with: of the network, and of interface and container.

use std::collections::BTreeSet;

use ipnet::IpNet;
use nix::errno::Errno;

use super::{
    NftError,
    expression::{Expressions, Verdict},
    masquerade::{MULTICAST, SOURCE_NAT},
    reading,
    table::{self, INET, Rule, Table},
    transaction,
};
use crate::{
    Owner,
    netlink::{Reply, Request, Socket},
    reference,
};

const TABLE: Table = Table { family: INET, name: "cni_plugins_masquerade" };
const TABLE_COMMENT: &str = "Masquerading for plugins from github.com/containernetworking/plugins";
const BASE: &str = "postrouting";
const CHECKS: &str = "masq_checks";

/// Has what comes from these addresses of the owner leave their subnets with the node's address; what the owner had
/// before goes.
pub(crate) fn add(socket: &mut Socket, owner: &Owner, addresses: &[IpNet]) -> Result<(), NftError> {
    let added = transaction::commit_what_is_read(socket, |socket| {
        let stale = rules(socket, |comment| is_of(comment, owner))?;
        let base = base_rules();
        let base = base.iter().map(|rule| TABLE.append(BASE, rule));
        let checks: Vec<Rule> = addresses.iter().map(|address| check(owner, *address)).collect();
        let checks = checks.iter().map(|rule| TABLE.append(CHECKS, rule)).collect::<Vec<_>>();
        let mut changes = vec![
            TABLE.ensure(TABLE_COMMENT),
            TABLE.ensure_chain(CHECKS, None),
            TABLE.ensure_chain(BASE, Some(SOURCE_NAT)),
            TABLE.flush(BASE),
        ];
        changes.extend(base);
        changes.extend(deletions(&stale));
        changes.extend(checks);
        Ok(changes)
    });
    added.map(drop)
}

/// Removes the owner's rules and says how many there were.
pub(crate) fn remove(socket: &mut Socket, owner: &Owner) -> Result<usize, NftError> {
    remove_where(socket, |comment| is_of(comment, owner))
}

/// Removes the rules of the network whose owners are not among `kept`.
pub(crate) fn collect(socket: &mut Socket, network: &str, kept: &[Owner]) -> Result<usize, NftError> {
    let of_network = reference::network_hash(network);
    let kept: BTreeSet<String> = kept.iter().map(reference::attachment_hash).collect();
    remove_where(socket, |comment| {
        let id = comment.split(',').next().unwrap_or_default();
        id.strip_prefix(&*of_network).is_some_and(|rest| rest.starts_with('-')) && !kept.contains(id)
    })
}

/// How many rules the owner has.
pub(crate) fn count(socket: &mut Socket, owner: &Owner) -> Result<usize, NftError> {
    Ok(rules(socket, |comment| is_of(comment, owner))?.len())
}

fn remove_where(socket: &mut Socket, matches: impl Fn(&str) -> bool) -> Result<usize, NftError> {
    match transaction::commit_what_is_read(socket, |socket| Ok(deletions(&rules(socket, &matches)?))) {
        Err(NftError::Unsupported { .. }) => Ok(0),
        Err(NftError::Change { source }) if source.errno() == Some(Errno::ENOENT) => Ok(0),
        removed => removed,
    }
}

fn is_of(comment: &str, owner: &Owner) -> bool {
    comment.starts_with(&reference::attachment_hash(owner))
}

fn rules(socket: &mut Socket, matches: impl Fn(&str) -> bool) -> Result<Vec<Reply>, NftError> {
    let mut found = reading::read(socket, &TABLE.rules(CHECKS))?;
    found.retain(|rule| table::rule_comment(rule).is_some_and(&matches));
    Ok(found)
}

fn deletions(rules: &[Reply]) -> Vec<Request> {
    rules.iter().filter_map(table::rule_handle).map(|handle| TABLE.delete_rule(CHECKS, handle)).collect()
}

fn base_rules() -> [Rule; 3] {
    let [multicast4, multicast6] = MULTICAST;
    let back = |net| Expressions::default().destination_in(net).verdict(Verdict::Return);
    let on = Expressions::default().verdict(Verdict::Goto(CHECKS));
    [back(multicast4), back(multicast6), on].map(|expressions| Rule { comment: "".into(), expressions })
}

fn check(owner: &Owner, address: IpNet) -> Rule {
    let from = IpNet::from(address.addr());
    let expressions = Expressions::default().source_in(from).destination_not_in(address.trunc()).masquerade();
    Rule { comment: reference::attachment_comment(owner).into(), expressions }
}
