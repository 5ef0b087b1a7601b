//! The pod's rules: masquerading, host ports, what it is kept from.

use super::{VerifyError, host::HostLink};
use crate::{
    Bridge, LinkName, Masquerade, PodNetwork, Promiscuity,
    difference::Differences,
    netlink::{Protocol, Socket},
    nft::{Duplicates, reference_masquerade, sender_check},
    parameters,
    rtnl::link::Link,
    sysctl,
};

/// Looks at the rules, and at what host ports need besides.
pub(super) fn verify(
    wanted: &PodNetwork,
    bridge: Option<&Link>,
    host_end: Option<&HostLink>,
    differences: &mut Differences,
) -> Result<(), VerifyError> {
    if let Some(wanted) = wanted.bridge().filter(|bridge| bridge.promiscuity == Promiscuity::Deduplicated) {
        duplicates(wanted, bridge, differences)?;
    }
    of_reference(wanted, differences)?;
    let host_name = host_end.and_then(|host_end| LinkName::try_from(host_end.link.name.clone()).ok());
    // The bridge has the address of the node's link.
    let node = bridge.and_then(|bridge| bridge.mac);
    let rules = wanted.rules(host_name.as_ref(), node);
    if rules.is_empty() {
        return Ok(());
    }
    let mut netfilter = Socket::open(Protocol::Netfilter)?;
    for difference in rules.check(&mut netfilter)? {
        differences.note(difference.object, "present", difference.found);
    }
    if wanted.host_ports.needs_route_localnet() {
        let facing = wanted.bridge_name().map(LinkName::as_str);
        let facing = facing.or(host_end.map(|host_end| host_end.link.name.as_str()));
        let parameter = facing.map(parameters::route_localnet);
        // Without the link, which is reported, there is no such parameter.
        if let Some((parameter, value)) = parameter
            && let Ok(found) = sysctl::read(&parameter)
        {
            differences.compare(format!("net/{parameter}"), &value.to_owned(), &found);
        }
    }
    Ok(())
}

/// Looks at the rules in the reference plugins' tables.
fn of_reference(wanted: &PodNetwork, differences: &mut Differences) -> Result<(), VerifyError> {
    let PodNetwork { owner, addresses, .. } = wanted;
    if wanted.masquerade == Masquerade::Reference {
        let found = reference_masquerade::count(&mut Socket::open(Protocol::Netfilter)?, owner)?;
        differences.compare("masquerading rules of the pod's addresses", &addresses.len(), &found);
    }
    if wanted.checks_sender && !sender_check::is_there(&mut Socket::open(Protocol::Netfilter)?, owner)? {
        differences.missing("nftables rules that check the sender of the pod's frames");
    }
    Ok(())
}

fn duplicates(
    wanted: &Bridge,
    bridge: Option<&Link>,
    differences: &mut Differences,
) -> Result<(), VerifyError> {
    let Bridge { name, mac, gateways, .. } = wanted;
    let mac = bridge.and_then(|bridge| bridge.mac).unwrap_or(*mac);
    let duplicates = Duplicates { bridge: name, mac, gateways };
    if !duplicates.are_dropped(&mut Socket::open(Protocol::Netfilter)?)? {
        differences.missing(format!("nftables rules against duplicates of bridge {name}"));
    }
    Ok(())
}
