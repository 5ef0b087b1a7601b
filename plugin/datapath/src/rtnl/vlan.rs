//! VLANs of a bridge's ports: `RTM_SETLINK`, `RTM_DELLINK` and `RTM_GETLINK` of the family `AF_BRIDGE`
//! (`br_afspec` and `br_fill_ifinfo` in the kernel's `net/bridge/br_netlink.c`).

use netlink_packet_core::NLM_F_DUMP;
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    link::{AfSpecBridge, BridgeVlanInfo, BridgeVlanInfoFlags, LinkAttribute, LinkExtentMask, LinkMessage},
};

use super::value;
use crate::{
    Vlans,
    netlink::{NetlinkError, Reply, Request, Socket, attributes},
};

/// Bytes of `struct ifinfomsg`, and where the link's index is in it.
const HEADER: usize = 16;
const INDEX: usize = 4;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_BRIDGE_VLAN_INFO: u16 = 2;

/// A VLAN that a port is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Membership {
    /// 1 to 4094.
    pub(crate) id: u16,
    /// Whether frames that arrive without tag are of it.
    pub(crate) is_untagged: bool,
}

impl Vlans {
    /// The VLANs that a port is put into.
    pub(crate) fn memberships(&self) -> Vec<Membership> {
        let untagged = self.untagged.map(|id| Membership { id, is_untagged: true });
        let tagged = self.tagged.iter().filter(|id| Some(**id) != self.untagged);
        let tagged = tagged.map(|id| Membership { id: *id, is_untagged: false });
        let mut all: Vec<_> = untagged.into_iter().chain(tagged).collect();
        all.sort_unstable();
        all
    }
}

/// Puts a port into VLANs.
pub(crate) fn join(name: &str, index: u32, vlans: &[Membership]) -> Request {
    let infos = vlans.iter().map(|vlan| info(vlan.id, vlan.is_untagged)).collect();
    let message = RouteNetlinkMessage::SetLink(message(index, infos));
    Request::route(format!("set the VLANs of {name}"), 0, &message)
}

/// Takes a port out of VLANs.
pub(crate) fn leave(name: &str, index: u32, vlans: &[Membership]) -> Request {
    let infos = vlans.iter().map(|vlan| info(vlan.id, false)).collect();
    let message = RouteNetlinkMessage::DelLink(message(index, infos));
    Request::route(format!("take {name} out of its default VLAN"), 0, &message)
}

/// The VLANs that a port is in, by their ids.
pub(crate) fn of_port(socket: &mut Socket, index: u32) -> Result<Vec<Membership>, NetlinkError> {
    let mut message = LinkMessage::default();
    message.header.interface_family = AddressFamily::Bridge;
    message.attributes = vec![LinkAttribute::ExtMask(vec![LinkExtentMask::Brvlan])];
    let request = Request::route("list VLANs of ports", NLM_F_DUMP, &RouteNetlinkMessage::GetLink(message));
    let replies = socket.query(&request)?;
    let of_port = |reply: &&Reply| reply.body.get(INDEX..).and_then(value::number) == Some(index);
    let mut vlans: Vec<_> =
        replies.iter().filter(of_port).flat_map(|reply| memberships(&reply.body)).collect();
    vlans.sort_unstable();
    Ok(vlans)
}

fn memberships(body: &[u8]) -> Vec<Membership> {
    let specs = value::after(HEADER, body).filter(|(kind, _)| *kind == IFLA_AF_SPEC);
    let infos =
        specs.flat_map(|(_, spec)| attributes(spec)).filter(|(kind, _)| *kind == IFLA_BRIDGE_VLAN_INFO);
    // struct bridge_vlan_info: flags, id.
    let membership = |info: &[u8]| {
        let [a, b, c, d] = *info.first_chunk::<4>()?;
        let flags = BridgeVlanInfoFlags::from_bits_retain(u16::from_ne_bytes([a, b]));
        let is_untagged = flags.contains(BridgeVlanInfoFlags::Pvid);
        Some(Membership { id: u16::from_ne_bytes([c, d]), is_untagged })
    };
    infos.filter_map(|(_, info)| membership(info)).collect()
}

fn info(vid: u16, is_untagged: bool) -> AfSpecBridge {
    let flags = if is_untagged {
        BridgeVlanInfoFlags::Pvid | BridgeVlanInfoFlags::Untagged
    } else {
        BridgeVlanInfoFlags::empty()
    };
    AfSpecBridge::VlanInfo(BridgeVlanInfo { flags, vid })
}

fn message(index: u32, infos: Vec<AfSpecBridge>) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.interface_family = AddressFamily::Bridge;
    message.header.index = index;
    message.attributes = vec![LinkAttribute::AfSpecBridge(infos)];
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_what_is_read() {
        let vlans = Vlans { untagged: Some(5), tagged: vec![4094, 5, 1], keeps_default: false };
        let wanted = vlans.memberships();
        let ids: Vec<_> = wanted.iter().map(|vlan| (vlan.id, vlan.is_untagged)).collect();
        assert_eq!(ids, [(1, false), (5, true), (4094, false)]);
        assert_eq!(memberships(join("veth0", 7, &wanted).body()), wanted);
    }
}
