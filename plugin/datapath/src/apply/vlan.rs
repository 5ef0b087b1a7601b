//! VLANs: those of the pod's port, and the node's own link into one of them.

use nix::errno::Errno;

use super::{ApplyError, Undo};
use crate::{
    LinkName, LinkPrefix, MacAddr, VlanLink, Vlans,
    netlink::Socket,
    rtnl::{
        change::{self, End},
        link::{self, Link},
        vlan,
    },
};

/// Puts a port into its VLANs; without any, it stays in those that the bridge gives every port.
pub(super) fn assign(host: &mut Socket, name: &str, index: u32, wanted: &Vlans) -> Result<(), ApplyError> {
    let wanted_vlans = wanted.memberships();
    if wanted_vlans.is_empty() {
        return Ok(());
    }
    if !wanted.keeps_default {
        let given = vlan::of_port(host, index)?;
        if !given.is_empty() {
            host.execute(&vlan::leave(name, index, &given))?;
        }
    }
    Ok(host.execute(&vlan::join(name, index, &wanted_vlans))?)
}

/// Makes the node's link into a VLAN where it is missing: a pair of which one end is a port of the bridge. It stays when
/// the pods go, as the bridge does.
pub(super) fn ensure_link(
    host: &mut Socket,
    bridge: &Link,
    wanted: &VlanLink,
    undo: &mut Undo,
) -> Result<Link, ApplyError> {
    let VlanLink { name, vlans } = wanted;
    if let Some(link) = link::by_name(host, name)? {
        return Ok(link);
    }
    let vanished = || ApplyError::Vanished { name: name.clone() };
    let port_name = port_name(name);
    let port = End { name: &port_name, mac: MacAddr::named(port_name.as_str()) };
    let own = End { name, mac: MacAddr::named(name.as_str()) };
    match host.execute(&change::create_pair(port, Some(bridge.index), own, None, bridge.mtu)) {
        // Another process was faster, and does the rest.
        Err(error) if error.errno() == Some(Errno::EEXIST) => {
            return link::by_name(host, name)?.ok_or_else(vanished);
        }
        made => made?,
    }
    let port = link::by_name(host, &port_name)?.ok_or_else(vanished)?;
    undo.vlan_link(port_name.as_str(), port.index);
    assign(host, port_name.as_str(), port.index, vlans)?;
    let link = link::by_name(host, name)?.ok_or_else(vanished)?;
    host.execute(&change::switch_on(name, link.index))?;
    Ok(link)
}

/// The name of the end that is the bridge's port: digits that follow from the other end's name.
fn port_name(link: &LinkName) -> LinkName {
    let digits = MacAddr::named(link.as_str()).to_string().replace(':', "");
    LinkPrefix::VETH.with(digits.get(..LinkPrefix::DIGITS).unwrap_or(&digits))
}
