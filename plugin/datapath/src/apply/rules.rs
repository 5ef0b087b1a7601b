//! The pod's rules: masquerading, host ports, the check of senders.

use super::{ApplyError, Undo, network_port::Joined, pair::Pair};
use crate::{
    Masquerade, PodNetwork, conntrack,
    netlink::{Protocol, Socket},
    nft::{Seen, reference_masquerade, sender_check},
    parameters, sysctl,
};

/// Adds the rules, and what host ports need besides.
///
/// # Arguments
/// `joined`: the bridge in the place of the node's link to its network, where the pod is there; `seen`: a socket, and the
/// chains that were seen by it.
pub(super) fn add(
    wanted: &PodNetwork,
    pair: &Pair,
    joined: Option<&mut Joined>,
    seen: Option<&mut (Socket, Seen)>,
    undo: &mut Undo,
) -> Result<(), ApplyError> {
    add_own(wanted, pair, joined, seen, undo)?;
    if wanted.masquerade != Masquerade::Reference && !wanted.checks_sender {
        return Ok(());
    }
    let mut netfilter = Socket::open(Protocol::Netfilter)?;
    undo.reference_rules(&wanted.owner);
    if wanted.masquerade == Masquerade::Reference {
        reference_masquerade::add(&mut netfilter, &wanted.owner, &wanted.addresses)?;
    }
    if wanted.checks_sender {
        sender_check::add(&mut netfilter, &wanted.owner, &pair.host_name, wanted.veth.pod_mac)?;
    }
    Ok(())
}

fn add_own(
    wanted: &PodNetwork,
    pair: &Pair,
    joined: Option<&mut Joined>,
    seen: Option<&mut (Socket, Seen)>,
    undo: &mut Undo,
) -> Result<(), ApplyError> {
    let node = joined.as_ref().map(|joined| joined.mac);
    let rules = wanted.rules(Some(&pair.host_name), node);
    if rules.is_empty() {
        return Ok(());
    }
    undo.rules(wanted.owner.id(), rules.clone());
    match (joined, seen) {
        (Some(joined), _) => rules.add(&mut joined.netfilter)?,
        (None, Some((netfilter, seen))) => rules.add_to(netfilter, seen)?,
        (None, None) => rules.add(&mut Socket::open(Protocol::Netfilter)?)?,
    }
    if wanted.host_ports.needs_route_localnet() {
        // Not before the rule that makes up for it. Never undone: other pods need it too.
        let facing = wanted.bridge_name().unwrap_or(&pair.host_name);
        let (parameter, value) = parameters::route_localnet(facing.as_str());
        sysctl::ensure(&parameter, value)?;
    }
    conntrack::forget(&rules.udp_ports());
    Ok(())
}
