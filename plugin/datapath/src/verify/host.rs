//! The host's side: the bridge and the host's end.

use crate::{
    Bridge, Label, PodNetwork,
    difference::Differences,
    netlink::{NetlinkError, Socket},
    rtnl::{
        address,
        link::{self, Link},
    },
};

/// Looks at the bridge and returns it.
pub(super) fn bridge(
    socket: &mut Socket,
    wanted: &Bridge,
    differences: &mut Differences,
) -> Result<Option<Link>, NetlinkError> {
    let object = format!("bridge {}", wanted.name);
    let Some(bridge) = link::by_name(socket, &wanted.name)? else {
        differences.missing(object);
        return Ok(None);
    };
    if !bridge.is_bridge() {
        differences.note(object, "a bridge", bridge.kind.as_deref().unwrap_or("a physical link"));
        return Ok(Some(bridge));
    }
    if !bridge.is_up {
        differences.note(&object, "up", "down");
    }
    if let Some(mtu) = wanted.mtu {
        differences.compare(format!("MTU of {object}"), &mtu, &bridge.mtu);
    }
    if wanted.promiscuous && !bridge.is_promiscuous {
        differences.note(&object, "promiscuous", "not");
    }
    let addresses = address::list(socket, bridge.index)?;
    for gateway in wanted.gateways.iter().filter(|gateway| !addresses.contains(gateway)) {
        differences.missing(format!("address {gateway} of {object}"));
    }
    Ok(Some(bridge))
}

/// Looks at the host's end and returns it.
pub(super) fn end(
    socket: &mut Socket,
    wanted: &PodNetwork,
    bridge: Option<&Link>,
    differences: &mut Differences,
) -> Result<Option<Link>, NetlinkError> {
    let names = wanted.owner.link_names(wanted.veth.prefix);
    let Some(link) = owned(socket, wanted)? else {
        let [first, second] = names;
        differences.note(format!("host link {first} or {second}"), wanted.owner.alias(), "no such alias");
        return Ok(None);
    };
    let object = format!("host link {}", link.name);
    if !link.is_veth() {
        differences.note(&object, "a veth link", link.kind.as_deref().unwrap_or("a physical link"));
    }
    if !link.is_up {
        differences.note(&object, "up", "down");
    }
    if link.alias != Some(wanted.owner.alias()) {
        let alias = link.alias.as_deref().unwrap_or_default();
        differences.note(format!("alias of {object}"), wanted.owner.alias(), alias);
    }
    if link.mac != Some(wanted.owner.mac()) {
        let found = link.mac.map(|mac| mac.to_string()).unwrap_or_default();
        differences.note(format!("Ethernet address of {object}"), wanted.owner.mac(), found);
    }
    if link.makes_link_local {
        differences.note(format!("IPv6 link-local address of {object}"), "none", "one from the kernel");
    }
    if let Some(mtu) = wanted.veth.mtu {
        differences.compare(format!("MTU of {object}"), &mtu, &link.mtu);
    }
    if let Some(bridge) = bridge.filter(|bridge| link.master != Some(bridge.index)) {
        let found = link.master.map_or_else(|| "none".to_owned(), |index| format!("link {index}"));
        differences.note(format!("bridge of {object}"), &bridge.name, found);
    }
    if link.master.is_some() {
        differences.compare(format!("hairpin mode of {object}"), &wanted.hairpin, &link.port.hairpin);
    }
    Ok(Some(link))
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
