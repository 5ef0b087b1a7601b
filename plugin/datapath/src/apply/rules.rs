//! The pod's rules: masquerading and host ports.

use super::{ApplyError, Undo};
use crate::{
    PodNetwork, conntrack,
    netlink::{Protocol, Socket},
    parameters, sysctl,
};

/// Adds the rules, and what host ports need besides.
pub(super) fn add(wanted: &PodNetwork, undo: &mut Undo) -> Result<(), ApplyError> {
    let rules = wanted.rules();
    if rules.is_empty() {
        return Ok(());
    }
    let mut netfilter = Socket::open(Protocol::Netfilter)?;
    undo.rules(wanted.owner.id(), rules.clone());
    rules.add(&mut netfilter)?;
    if wanted.host_ports.needs_route_localnet() {
        // Not before the rule that makes up for it. Never undone: other pods need it too.
        let (parameter, value) = parameters::route_localnet(&wanted.bridge.name);
        sysctl::ensure(&parameter, value)?;
    }
    conntrack::forget(&rules.udp_ports());
    Ok(())
}
