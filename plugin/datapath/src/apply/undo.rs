//! Taking back what an ADD made.

use ipnet::IpNet;

use crate::{
    OwnerId,
    netlink::{NetlinkError, Protocol, Request, Socket},
    nft::{self, PodRules},
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
    Rules(OwnerId, PodRules),
}

impl Undo {
    /// A pair, by its host's end.
    pub(super) fn pair(&mut self, name: &str, index: u32) {
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

    /// A pod's rules.
    pub(super) fn rules(&mut self, owner: OwnerId, rules: PodRules) {
        self.made.push(Made::Rules(owner, rules));
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
            Self::Rules(owner, rules) => {
                let mut netfilter = Socket::open(Protocol::Netfilter)?;
                nft::remove(&mut netfilter, owner, Some(&rules))?;
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
