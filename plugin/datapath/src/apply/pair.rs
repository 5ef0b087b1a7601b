//! The pair of links, made in one message: at no time is the pod's end in the host's namespace.

use nix::errno::Errno;

use super::{ApplyError, IPV6_MTU, Undo, vlan};
use crate::{
    HostEnd, Label, LinkName, Netns, Owner, PodNetwork,
    netlink::{Request, Socket},
    patience::wait_until,
    rtnl::{
        change::{self, End},
        link::{self, Link},
    },
    sysctl,
};

/// The new pair.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) host_name: LinkName,
    pub(super) host_index: u32,
    /// The pod end's index, in the pod's namespace.
    pub(super) pod_index: u32,
}

/// Makes the pair and marks it as the owner's.
pub(super) fn create(
    host: &mut Socket,
    wanted: &PodNetwork,
    bridge: Option<u32>,
    mtu: u32,
    netns: &Netns,
    undo: &mut Undo,
) -> Result<Pair, ApplyError> {
    let names = wanted.owner.link_names(wanted.veth.prefix);
    for name in &names {
        let ends = [
            End { name, mac: wanted.owner.mac() },
            End { name: &wanted.veth.pod_name, mac: wanted.veth.pod_mac },
        ];
        let [host_end, pod_end] = ends;
        let echoed = match host.query(&change::create_pair(host_end, bridge, pod_end, Some(netns), mtu)) {
            Ok(replies) => replies.iter().find_map(Link::parse),
            Err(error) if error.errno() == Some(Errno::EEXIST) => {
                refuse_unless_foreign(host, wanted, name, netns)?;
                continue;
            }
            Err(error) => {
                // A lost answer does not say whether the pair was made.
                undo.link(&wanted.owner, name);
                return Err(error.into());
            }
        };
        undo.link(&wanted.owner, name);
        let link = match echoed {
            Some(link) => Some(link),
            None => link::by_name(host, name)?,
        };
        let link = link.ok_or_else(|| ApplyError::Vanished { name: name.clone() })?;
        let mut changes = vec![mark(wanted, name, link.index, mtu)];
        // Not before it is marked: of a change of a link that is up, the kernel would walk over all routes of IPv6
        // (`rt6_sync_down_dev`).
        changes.extend(bridge.is_none().then(|| change::switch_on(name, link.index)));
        host.batch(&changes)?;
        if let HostEnd::Port(port) = &wanted.host_end {
            vlan::assign(host, name.as_str(), link.index, &port.vlans)?;
        }
        let pod_index = link.peer.ok_or_else(|| ApplyError::Vanished { name: name.clone() })?;
        return Ok(Pair { host_name: name.clone(), host_index: link.index, pod_index });
    }
    Err(ApplyError::NamesTaken { names })
}

fn mark(wanted: &PodNetwork, name: &LinkName, index: u32, mtu: u32) -> Request {
    let alias = wanted.owner.alias();
    // The kernel keeps IPv6 off a link that is too small for it.
    let has_ipv6 = mtu >= IPV6_MTU && sysctl::has_ipv6();
    if let Some(modes) = wanted.port_modes() {
        change::mark_port(name, index, alias, modes, has_ipv6)
    } else if wanted.is_transparent() {
        // No link-local address, unless the pod has IPv6.
        change::mark_proxy(name, index, alias, has_ipv6 && !wanted.has_ipv6())
    } else {
        // It needs its link-local address: what it forwards to the pod, it asks for the neighbour from there.
        change::mark_link(name, index, alias)
    }
}

/// Finds out which of the pair's names is taken; only a foreign link on the host leaves another name to try.
fn refuse_unless_foreign(
    host: &mut Socket,
    wanted: &PodNetwork,
    name: &LinkName,
    netns: &Netns,
) -> Result<(), ApplyError> {
    let Some(taken_by) = link::by_name(host, name)? else {
        let (name, netns) = (wanted.veth.pod_name.clone(), netns.path().to_owned());
        return Err(ApplyError::PodNameTaken { name, netns });
    };
    refuse_if_attached(&wanted.owner, name, &taken_by)
}

/// Fails if the link that has this name is the owner's.
pub(super) fn refuse_if_attached(owner: &Owner, name: &LinkName, link: &Link) -> Result<(), ApplyError> {
    let label = link.alias.as_deref().and_then(Label::parse);
    if label.is_some_and(|label| label.id == owner.id()) {
        return Err(ApplyError::Attached {
            name: name.clone(),
            network: owner.network().to_owned(),
            container: owner.container().to_owned(),
            ifname: owner.ifname().to_owned(),
        });
    }
    Ok(())
}

/// Waits until the host's end forwards to and from the pod: as a port of a bridge, or as a link of its own.
///
/// The kernel learns of a link's carrier at once but acts on it in a worker; until then the bridge drops
/// the pod's packets. Asking for the link makes it act (Linux 6.8 and later), so that one question is enough.
pub(super) fn wait_until_forwarding(host: &mut Socket, pair: &Pair) -> Result<(), ApplyError> {
    Ok(wait_until("the host's end does not forward to the pod", || {
        let link = link::by_index(host, pair.host_index)?;
        Ok(link.is_some_and(|link| link.master.is_none() || link.port.is_forwarding))
    })?)
}
