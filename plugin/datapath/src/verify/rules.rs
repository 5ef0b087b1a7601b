//! The pod's rules: masquerading and host ports.

use super::VerifyError;
use crate::{
    Bridge, PodNetwork,
    difference::Differences,
    netlink::{Protocol, Socket},
    nft::Duplicates,
    parameters,
    rtnl::link::Link,
    sysctl,
};

/// Looks at the rules, and at what host ports need besides.
pub(super) fn verify(
    wanted: &PodNetwork,
    bridge: Option<&Link>,
    differences: &mut Differences,
) -> Result<(), VerifyError> {
    if wanted.bridge.promiscuous {
        duplicates(wanted, bridge, differences)?;
    }
    let rules = wanted.rules();
    if rules.is_empty() {
        return Ok(());
    }
    let mut netfilter = Socket::open(Protocol::Netfilter)?;
    for difference in rules.check(&mut netfilter)? {
        differences.note(difference.object, "present", difference.found);
    }
    if wanted.host_ports.needs_route_localnet() {
        let (parameter, value) = parameters::route_localnet(&wanted.bridge.name);
        // Without the bridge, which is reported, there is no such parameter.
        if let Ok(found) = sysctl::read(&parameter) {
            differences.compare(format!("net/{parameter}"), &value.to_owned(), &found);
        }
    }
    Ok(())
}

fn duplicates(
    wanted: &PodNetwork,
    bridge: Option<&Link>,
    differences: &mut Differences,
) -> Result<(), VerifyError> {
    let Bridge { name, mac, gateways, .. } = &wanted.bridge;
    let mac = bridge.and_then(|bridge| bridge.mac).unwrap_or(*mac);
    let duplicates = Duplicates { bridge: name, mac, gateways };
    if !duplicates.are_dropped(&mut Socket::open(Protocol::Netfilter)?)? {
        differences.missing(format!("nftables rules against duplicates of bridge {name}"));
    }
    Ok(())
}
