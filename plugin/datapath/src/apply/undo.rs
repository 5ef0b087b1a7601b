//! Taking back what an ADD made.

use std::net::IpAddr;

use ipnet::IpNet;

use super::network_port;
use crate::{
    LinkName, MacAddr, Owner, OwnerId,
    netlink::{NetlinkError, Protocol, Request, Socket},
    nft::{self, PodRules},
    remove,
    rtnl::{
        address, change,
        link::{self, Link},
        neighbour,
    },
};

/// What was made so far, in order.
#[derive(Debug, Default)]
pub(super) struct Undo {
    made: Vec<Made>,
}

#[derive(Debug)]
enum Made {
    /// What one request takes back.
    Reversible(Request),
    Link {
        owner: Owner,
        name: LinkName,
    },
    Bridge(LinkName, MacAddr),
    /// A bridge took the place of a link, which this was before.
    Joined {
        bridge: Box<Link>,
        uplink: Box<Link>,
    },
    Rules(OwnerId, PodRules),
    ReferenceRules(Owner),
}

impl Undo {
    /// A link of the owner's, of a pair the host's end, or the try to make it.
    pub(super) fn link(&mut self, owner: &Owner, name: &LinkName) {
        self.made.push(Made::Link { owner: owner.clone(), name: name.clone() });
    }

    /// The node's own link into a VLAN.
    pub(super) fn vlan_link(&mut self, name: &str, index: u32) {
        self.made.push(Made::Reversible(change::delete(name, index)));
    }

    /// A bridge, or the try to make it.
    pub(super) fn bridge(&mut self, name: &LinkName, mac: MacAddr) {
        self.made.push(Made::Bridge(name.clone(), mac));
    }

    /// A bridge in place of a link to the network, or the try.
    pub(super) fn joined(&mut self, bridge: &Link, uplink: &Link) {
        self.made.push(Made::Joined { bridge: Box::new(bridge.clone()), uplink: Box::new(uplink.clone()) });
    }

    /// Who has an address on the link with this index.
    pub(super) fn neighbour(&mut self, index: u32, address: IpAddr) {
        self.made.push(Made::Reversible(neighbour::forget(index, address)));
    }

    /// An address that a link did not have before.
    pub(super) fn added_address(&mut self, link: &str, index: u32, address: IpNet) {
        self.made.push(Made::Reversible(address::delete(link, index, address)));
    }

    /// An address that a link had before.
    pub(super) fn deleted_address(&mut self, link: &str, index: u32, address: IpNet) {
        self.made.push(Made::Reversible(address::add(link, index, address)));
    }

    /// A pod's rules.
    pub(super) fn rules(&mut self, owner: OwnerId, rules: PodRules) {
        self.made.push(Made::Rules(owner, rules));
    }

    /// A pod's rules in the reference plugins' tables, or the try to make them.
    pub(super) fn reference_rules(&mut self, owner: &Owner) {
        self.made.push(Made::ReferenceRules(owner.clone()));
    }

    /// Takes everything back, the last made first. What fails is logged and the rest still taken back: the
    /// error that led here is the one to report.
    ///
    /// It has a socket of its own: the old one may still hold answers that the failed step did not read.
    pub(super) fn run(self) {
        for made in self.made.into_iter().rev() {
            let taken_back = Socket::open(Protocol::Route)
                .map_err(Into::into)
                .and_then(|mut host| made.take_back(&mut host));
            if let Err(error) = taken_back {
                tracing::warn!(error = &*error, "could not take back a step");
            }
        }
    }
}

impl Made {
    fn take_back(self, host: &mut Socket) -> Result<(), Box<dyn std::error::Error>> {
        match self {
            Self::Reversible(request) => host.execute(&request)?,
            Self::Link { owner, name } => remove::link(host, &owner, &name).map(drop)?,
            Self::Bridge(name, mac) => delete_unused(host, &name, mac)?,
            Self::Joined { bridge, uplink } => network_port::move_back(host, &bridge, &uplink)?,
            Self::ReferenceRules(owner) => remove::reference_rules(&owner)?,
            Self::Rules(owner, rules) => {
                let mut netfilter = Socket::open(Protocol::Netfilter)?;
                nft::remove(&mut netfilter, owner, Some(&rules))?;
            }
        }
        Ok(())
    }
}

/// Deletes a bridge of ours unless another process has put a port on it meanwhile.
fn delete_unused(host: &mut Socket, name: &LinkName, mac: MacAddr) -> Result<(), NetlinkError> {
    let ours = link::by_name(host, name)?.filter(|link| link.is_bridge() && link.mac == Some(mac));
    if let Some(bridge) = ours
        && link::ports(host, bridge.index)?.is_empty()
    {
        host.execute(&change::delete(name.as_str(), bridge.index))?;
    }
    Ok(())
}
