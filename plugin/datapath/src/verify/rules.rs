//! The pod's rules: masquerading and host ports.

use super::VerifyError;
use crate::{
    PodNetwork,
    difference::Differences,
    netlink::{Protocol, Socket},
    parameters, sysctl,
};

/// Looks at the rules, and at what host ports need besides.
pub(super) fn verify(wanted: &PodNetwork, differences: &mut Differences) -> Result<(), VerifyError> {
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
