//! Finding every difference between a [`PodNetwork`] and the kernel.
//!
//! What [`apply`](crate::apply()) sets is looked at here, file by file: the host's side, the pod's side, the
//! host's parameters and rules. Nothing that other pods change by coming and going is compared.

mod host;
mod network_port;
mod pod;
mod routed;
mod rules;
pub(crate) mod shaping;

use crate::{
    Difference, Forwarding, LinkName, Netns, NetnsError, PodNetwork, SysctlError,
    difference::Differences,
    netlink::{NetlinkError, Protocol, Socket},
    nft::NftError,
    sysctl,
};

/// Why the kernel's state could not be read.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A request to the kernel failed.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// The pod's namespace could not be entered.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// A kernel parameter could not be read.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    /// The rules could not be read.
    #[error(transparent)]
    Nft(#[from] NftError),
}

/// Compares; an empty list says that all is as [`apply`](crate::apply()) left it.
///
/// `host_end` names the host's end of a pod that the reference plugins may have made. Where the owner has no link of
/// podnet's, that one is looked at instead, and what they leave open is not compared.
pub fn verify(
    wanted: &PodNetwork,
    netns: &Netns,
    host_end: Option<&LinkName>,
) -> Result<Vec<Difference>, VerifyError> {
    let mut differences = Differences::default();
    let mut socket = Socket::open(Protocol::Route)?;
    let bridge = match wanted.bridge() {
        Some(bridge) => host::bridge(&mut socket, bridge, &mut differences)?,
        None => network_port::bridge(&mut socket, wanted, &mut differences)?,
    };
    let host_end = host::find(&mut socket, wanted, host_end)?;
    host::end(wanted, bridge.as_ref(), host_end.as_ref(), &mut differences);
    if let Some(host_end) = &host_end {
        routed::verify(&mut socket, wanted, &host_end.link, &mut differences)?;
        host::vlans(&mut socket, wanted, &host_end.link, &mut differences)?;
        shaping::verify(&mut socket, wanted, &host_end.link, &mut differences)?;
    }
    pod::verify(wanted, netns, host_end.as_ref(), &mut differences)?;
    forwarding(wanted.forwarding, &mut differences)?;
    rules::verify(wanted, bridge.as_ref(), host_end.as_ref(), &mut differences)?;
    Ok(differences.0)
}

fn forwarding(wanted: Forwarding, differences: &mut Differences) -> Result<(), VerifyError> {
    for (is_wanted, name) in [(wanted.ipv4, Forwarding::IPV4), (wanted.ipv6, Forwarding::IPV6)] {
        if is_wanted {
            differences.compare(format!("net/{name}"), &"1".to_owned(), &sysctl::read(name)?);
        }
    }
    Ok(())
}
