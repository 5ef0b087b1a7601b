//! Host ports that are taken by a pod which is no more.

use podnet_datapath::netlink::{Protocol, Socket};
use podnet_datapath::nft::{self, NftError};
use podnet_datapath::{ApplyError, OwnerId, links};

use crate::error::Error;
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

fn is_alive(registry: &Registry, id: OwnerId) -> Result<bool, Error> {
    Ok(registry.ids()?.contains(&id) || links()?.iter().any(|link| link.label.id == id))
}
