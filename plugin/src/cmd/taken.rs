//! Host ports and places on the network that are taken, by a pod which is no more or by another.

use podnet_datapath::netlink::{Protocol, Socket};
use podnet_datapath::nft::{self, NftError, PortTaken};
use podnet_datapath::{ApplyError, Owner, links};

use crate::error::Error;
use crate::host_ports::PortMappings;
use crate::record::Registry;

/// Removes the rules of the owner that stood in the way, if that is what `error` is about and the owner is no more.
/// Says whether it did.
///
/// A port is the owner's as long as it has a record or a link: with neither, no DEL will come for it. An address is its
/// as long as it has a link: who hands addresses out may know that it is gone, where its DEL is still to come.
pub(super) fn freed(registry: &Registry, error: &ApplyError) -> Result<bool, Error> {
    let holder = match error {
        ApplyError::Nft(NftError::PortTaken(taken)) => match &taken.holder {
            Some(holder) if !registry.ids()?.contains(&holder.id) => holder,
            _ => return Ok(false),
        },
        ApplyError::Nft(NftError::AddressTaken { holder, .. }) => holder,
        _ => return Ok(false),
    };
    if links()?.iter().any(|link| link.label.id == holder.id) {
        return Ok(false);
    }
    tracing::warn!(%error, "taking over what a lost pod left");
    nft::remove_all(&mut Socket::open(Protocol::Netfilter)?, holder.id)?;
    Ok(true)
}

/// Fails if the record of another attachment has one of the ports: iptables itself would give it to both. To be called
/// when the own record has them: of two ADDs at once, at least one then sees the other.
pub(super) fn refuse(registry: &Registry, owner: &Owner, ports: &PortMappings) -> Result<(), Error> {
    for id in registry.ids()?.into_iter().filter(|&id| id != owner.id()) {
        let Some(record) = registry.read(id)? else { continue };
        let theirs = record.reserved.as_ref().map(|reserved| &reserved.host_ports);
        if let Some(port) = theirs.and_then(|theirs| ports.conflict(theirs)) {
            let (wanted_by, holder) = (owner.label(), Some(record.owner().label()));
            let taken = PortTaken { port: port.to_string(), wanted_by, holder };
            return Err(ApplyError::Nft(NftError::PortTaken(Box::new(taken))).into());
        }
    }
    Ok(())
}
