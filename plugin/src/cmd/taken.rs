//! Host ports that are taken by a pod which is no more.

use podnet_datapath::netlink::{Protocol, Socket};
use podnet_datapath::nft::{self, NftError, PortTaken};
use podnet_datapath::{ApplyError, Owner, OwnerId, links};

use crate::error::Error;
use crate::host_ports::PortMappings;
use crate::record::Registry;

/// Removes the rules of the owner that stood in the way, if that is what `error` is about and the owner has neither a
/// record nor a link: then no DEL will come for them. Says whether it did.
pub(super) fn freed(registry: &Registry, error: &ApplyError) -> Result<bool, Error> {
    let ApplyError::Nft(NftError::PortTaken(taken)) = error else { return Ok(false) };
    let Some(holder) = &taken.holder else { return Ok(false) };
    if is_alive(registry, holder.id)? {
        return Ok(false);
    }
    tracing::warn!(port = taken.port, holder = %holder.id, "taking over a host port that a lost pod left");
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

fn is_alive(registry: &Registry, id: OwnerId) -> Result<bool, Error> {
    Ok(registry.ids()?.contains(&id) || links()?.iter().any(|link| link.label.id == id))
}
