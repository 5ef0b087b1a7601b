//! Taking back what an ADD made.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::{
    Owner, PodNetwork,
    netlink::{NetlinkError, Protocol, Request, Socket},
    nft,
    rtnl::{address, change, link},
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
    Bridge {
        name: String,
        index: u32,
    },
    Masquerade {
        owner: Owner,
        addresses: Vec<IpAddr>,
    },
}

impl Undo {
    /// A link; of a pair the host's end.
    pub(super) fn link(&mut self, name: &str, index: u32) {
        self.made.push(Made::Reversible(change::delete(name, index)));
    }

    /// A bridge.
    pub(super) fn bridge(&mut self, name: &str, index: u32) {
        self.made.push(Made::Bridge { name: name.to_owned(), index });
    }

    /// An address that a link did not have before.
    pub(super) fn added_address(&mut self, link: &str, index: u32, address: IpNet) {
        self.made.push(Made::Reversible(address::delete(link, index, address)));
    }

    /// An address that a link had before.
    pub(super) fn deleted_address(&mut self, link: &str, index: u32, address: IpNet) {
        self.made.push(Made::Reversible(address::add(link, index, address)));
    }

    /// The masquerading of a pod's addresses.
    pub(super) fn masquerade(&mut self, wanted: &PodNetwork) {
        let addresses = wanted.addresses.iter().map(IpNet::addr).collect();
        self.made.push(Made::Masquerade { owner: wanted.owner.clone(), addresses });
    }

    /// Takes everything back, the last made first. What fails is logged and the rest still taken back: the
    /// error that led here is the one to report.
    pub(super) fn run(self, host: &mut Socket) {
        for made in self.made.into_iter().rev() {
            if let Err(error) = made.take_back(host) {
                tracing::warn!(error = &*error, "could not take back a step");
            }
        }
    }
}

impl Made {
    fn take_back(self, host: &mut Socket) -> Result<(), Box<dyn std::error::Error>> {
        match self {
            Self::Reversible(request) => host.execute(&request)?,
            Self::Bridge { name, index } => delete_unused(host, &name, index)?,
            Self::Masquerade { owner, addresses } => {
                let mut netfilter = Socket::open(Protocol::Netfilter)?;
                nft::masquerade::remove(&mut netfilter, &owner, Some(&addresses))?;
            }
        }
        Ok(())
    }
}

/// Deletes a bridge unless another process has put a port on it meanwhile.
fn delete_unused(host: &mut Socket, name: &str, index: u32) -> Result<(), NetlinkError> {
    if link::ports(host, index)?.is_empty() {
        host.execute(&change::delete(name, index))?;
    }
    Ok(())
}
