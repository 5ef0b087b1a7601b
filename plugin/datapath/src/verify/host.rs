//! The host's side: the bridge and the host's end.

use crate::{
    Bridge, HostEnd, Label, LinkName, PodNetwork, Promiscuity,
    difference::Differences,
    netlink::{NetlinkError, Socket},
    rtnl::{
        address,
        link::{self, Link},
        vlan::{self, Membership},
    },
};

/// Looks at whether the link of this name is a bridge that is up, and returns the link.
pub(super) fn find_bridge(
    socket: &mut Socket,
    name: &LinkName,
    differences: &mut Differences,
) -> Result<Option<Link>, NetlinkError> {
    let object = format!("bridge {name}");
    let bridge = link::by_name(socket, name)?;
    match &bridge {
        None => differences.missing(object),
        Some(link) if !link.is_bridge() => {
            differences.note(object, "a bridge", link.kind.as_deref().unwrap_or("a physical link"));
        }
        Some(link) if !link.is_up => differences.note(object, "up", "down"),
        Some(_) => {}
    }
    Ok(bridge)
}

/// Looks at the bridge and returns it.
pub(super) fn bridge(
    socket: &mut Socket,
    wanted: &Bridge,
    differences: &mut Differences,
) -> Result<Option<Link>, NetlinkError> {
    let bridge = match find_bridge(socket, &wanted.name, differences)? {
        Some(bridge) if bridge.is_bridge() => bridge,
        other => return Ok(other),
    };
    let object = format!("bridge {}", wanted.name);
    if let Some(mtu) = wanted.mtu.filter(|_| !wanted.adopts_mtu) {
        differences.compare(format!("MTU of {object}"), &mtu, &bridge.mtu);
    }
    if wanted.promiscuity != Promiscuity::Off && !bridge.is_promiscuous {
        differences.note(&object, "promiscuous", "not");
    }
    let holder = match &wanted.gateway_link {
        Some(link) => link::by_name(socket, &link.name)?.map(|link| link.index),
        None => Some(bridge.index),
    };
    let object = format!("link {}", wanted.holder());
    let addresses = holder.map(|index| address::list(socket, index)).transpose()?.unwrap_or_default();
    for gateway in wanted.gateways.iter().filter(|gateway| !addresses.contains(gateway)) {
        differences.missing(format!("address {gateway} of {object}"));
    }
    Ok(Some(bridge))
}

/// A pod's host end.
#[derive(Debug)]
pub(super) struct HostLink {
    pub(super) link: Link,
    /// Whether it says that it is the owner's; else the reference plugins made it.
    pub(super) is_owned: bool,
}

/// The owner's link, else the one of this name.
pub(super) fn find(
    socket: &mut Socket,
    wanted: &PodNetwork,
    name: Option<&LinkName>,
) -> Result<Option<HostLink>, NetlinkError> {
    if let Some(link) = owned(socket, wanted)? {
        return Ok(Some(HostLink { link, is_owned: true }));
    }
    let Some(name) = name else { return Ok(None) };
    let link = link::by_name(socket, name)?.filter(|link| link.alias.is_none());
    Ok(link.map(|link| HostLink { link, is_owned: false }))
}

/// Looks at the host's end.
pub(super) fn end(
    wanted: &PodNetwork,
    bridge: Option<&Link>,
    found: Option<&HostLink>,
    differences: &mut Differences,
) {
    let Some(HostLink { link, is_owned }) = found else {
        let [first, second] = wanted.owner.link_names(wanted.veth.prefix);
        differences.note(format!("host link {first} or {second}"), wanted.owner.alias(), "no such alias");
        return;
    };
    let object = format!("host link {}", link.name);
    if !link.is_veth() {
        differences.note(&object, "a veth link", link.kind.as_deref().unwrap_or("a physical link"));
    }
    if !link.is_up {
        differences.note(&object, "up", "down");
    }
    if *is_owned {
        compare_marks(wanted, link, &object, differences);
    }
    if let Some(mtu) = wanted.veth.mtu {
        differences.compare(format!("MTU of {object}"), &mtu, &link.mtu);
    }
    if let Some(bridge) = bridge.filter(|bridge| link.master != Some(bridge.index)) {
        let found = link.master.map_or_else(|| "none".to_owned(), |index| format!("link {index}"));
        differences.note(format!("bridge of {object}"), &bridge.name, found);
    }
    if let Some(modes) = wanted.port_modes().filter(|_| link.master.is_some()) {
        differences.compare(format!("hairpin mode of {object}"), &modes.hairpin, &link.port.hairpin);
        differences.compare(format!("isolation of {object}"), &modes.isolated, &link.port.isolated);
    }
}

/// Looks at the VLANs that the host's end is in, where any are wanted.
pub(super) fn vlans(
    socket: &mut Socket,
    wanted: &PodNetwork,
    link: &Link,
    differences: &mut Differences,
) -> Result<(), NetlinkError> {
    let HostEnd::Port(port) = &wanted.host_end else { return Ok(()) };
    let memberships = port.vlans.memberships();
    if memberships.is_empty() {
        return Ok(());
    }
    let mut found = vlan::of_port(socket, link.index)?;
    if port.vlans.keeps_default {
        found.retain(|vlan| memberships.contains(vlan));
    }
    let listed = |vlans: &[Membership]| {
        let each = vlans
            .iter()
            .map(|vlan| format!("{}{}", vlan.id, if vlan.is_untagged { " untagged" } else { "" }));
        each.collect::<Vec<_>>().join(", ")
    };
    differences.compare(format!("VLANs of host link {}", link.name), &listed(&memberships), &listed(&found));
    Ok(())
}

/// What only podnet gives a link.
fn compare_marks(wanted: &PodNetwork, link: &Link, object: &str, differences: &mut Differences) {
    if link.alias != Some(wanted.owner.alias()) {
        let alias = link.alias.as_deref().unwrap_or_default();
        differences.note(format!("alias of {object}"), wanted.owner.alias(), alias);
    }
    if link.mac != Some(wanted.owner.mac()) {
        let found = link.mac.map(|mac| mac.to_string()).unwrap_or_default();
        differences.note(format!("Ethernet address of {object}"), wanted.owner.mac(), found);
    }
    if link.makes_link_local && wanted.bridge_name().is_some() {
        differences.note(format!("IPv6 link-local address of {object}"), "none", "one from the kernel");
    }
}

/// The link that has one of the owner's names and its id.
fn owned(socket: &mut Socket, wanted: &PodNetwork) -> Result<Option<Link>, NetlinkError> {
    for name in wanted.owner.link_names(wanted.veth.prefix) {
        let is_ours = |link: &Link| {
            let label = link.alias.as_deref().and_then(Label::parse);
            label.is_some_and(|label| label.id == wanted.owner.id())
        };
        if let Some(link) = link::by_name(socket, &name)?.filter(is_ours) {
            return Ok(Some(link));
        }
    }
    Ok(None)
}
