//! Giving addresses back, for DEL and GC: by the record of the attachment, else by what can be made out of the
//! configuration, which may have changed since ADD or be as wrong as it likes.

use std::path::PathBuf;
use std::time::SystemTime;

use podnet_cni::json::{decode, member};
use podnet_cni::{Args, Network};
use podnet_datapath::Owner;
use podnet_host_local::{DEFAULT_DATA_DIR, ReservationOwner, Store};
use serde::Deserialize;
use serde_json::Value;
use tracing::warn;

use super::{Daemon, Delegate, Kind, MEMBER, Style, host_local};
use crate::error::{Error, chain};
use crate::record::{Record, Reserved};

/// What of `ipam` matters here.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Source {
    r#type: String,
    data_dir: String,
}

impl Source {
    /// What cannot be read is taken for host-local in its usual place.
    fn of(config: &Value) -> Self {
        let ipam = member(config, MEMBER).filter(|ipam| !ipam.is_null()).map(decode::<Self>);
        let ipam = ipam.transpose().inspect_err(|error| warn!(error = chain(error), "ipam"));
        ipam.ok().flatten().unwrap_or_default()
    }

    fn data_dir(&self) -> PathBuf {
        let dir = Some(self.data_dir.as_str()).filter(|dir| !dir.is_empty());
        dir.unwrap_or(DEFAULT_DATA_DIR).into()
    }
}

/// Gives back whatever the owner has; what it has not is no error.
pub(crate) fn release(owner: &Owner, record: Option<&Record>, network: &Network) -> Vec<Error> {
    let config = record.map_or(&network.config, |record| &record.config);
    let source = Source::of(config);
    match source.r#type.as_str() {
        "" | "host-local" => release_recorded(owner, record, &source, network),
        "static" => Vec::new(),
        name => match Kind::named(name) {
            Some(kind) => daemon_release(kind, owner, record, network).err().into_iter().collect(),
            None => delegate_del(name, owner, config, network),
        },
    }
}

/// Whether host-local, where the configuration names it, has an address for the owner: somebody's ADD came that far.
pub(crate) fn has_reservation(owner: &Owner, network: &Network) -> bool {
    let source = Source::of(&network.config);
    matches!(source.r#type.as_str(), "" | "host-local") && host_local::has_any(owner, &source.data_dir())
}

fn release_recorded(
    owner: &Owner,
    record: Option<&Record>,
    source: &Source,
    network: &Network,
) -> Vec<Error> {
    if let Some(Reserved { data_dir: Some(data_dir), leases, .. }) =
        record.and_then(|record| record.reserved.as_ref())
    {
        return host_local::release(owner, data_dir, leases).err().into_iter().collect();
    }
    let mut dirs = vec![source.data_dir(), Source::of(&network.config).data_dir()];
    dirs.dedup();
    dirs.iter().filter_map(|dir| host_local::release_found(owner, dir).err()).collect()
}

/// By the daemon's place in the configuration of ADD, or of this call where that one is not known.
fn daemon_release(
    kind: Kind,
    owner: &Owner,
    record: Option<&Record>,
    network: &Network,
) -> Result<(), Error> {
    let config = record.map_or(&network.config, |record| &record.config);
    let daemon = Daemon::of_config(config, Some(kind), Style::Interface, &Args::default())?;
    Ok(daemon.for_pod(record).release(owner)?)
}

/// DEL of an executed plugin: as ADD was called, and where that fails as the runtime calls now, for whoever mended `ipam`.
/// Where `ipam` is what it was, the runtime's call is both.
fn delegate_del(name: &str, owner: &Owner, config: &Value, network: &Network) -> Vec<Error> {
    let del = |config: &Value, text: Vec<u8>| -> Result<(), Error> {
        Ok(Delegate::named(name, config, text, network)?.del(owner)?)
    };
    let mut errors = Vec::new();
    if member(config, MEMBER) != member(&network.config, MEMBER) {
        match del(config, config.to_string().into_bytes()) {
            Ok(()) => return errors,
            Err(error) => errors.push(error),
        }
        if Source::of(&network.config).r#type != name {
            return errors;
        }
    }
    match del(&network.config, network.text.clone()) {
        Ok(()) => Vec::new(),
        Err(error) => {
            errors.push(error);
            errors
        }
    }
}

/// GC: releases what belongs to no attachment for which `is_valid` holds.
pub(crate) fn collect(
    network: &Network,
    is_valid: &dyn Fn(&ReservationOwner) -> bool,
    started: SystemTime,
) -> Vec<Error> {
    let source = Source::of(&network.config);
    match source.r#type.as_str() {
        "" | "host-local" => {}
        "static" => return Vec::new(),
        // A daemon's pool is shared by networks, and its contract does not name them: only what has a record is known
        // to be of this one.
        name if Kind::named(name).is_some() => return Vec::new(),
        name => {
            let delegate = Delegate::named(name, &network.config, network.text.clone(), network);
            let collected = delegate.map_err(Error::from).and_then(|delegate| Ok(delegate.gc()?));
            return collected.err().into_iter().collect();
        }
    }
    collect_reservations(network, is_valid, started)
}

/// DEL of the plugin `host-local`, called by its own name.
pub(crate) fn release_reservations(owner: &Owner, network: &Network) -> Vec<Error> {
    let released = host_local::release_found(owner, &Source::of(&network.config).data_dir());
    released.err().into_iter().collect()
}

/// GC of host-local's reservations.
pub(crate) fn collect_reservations(
    network: &Network,
    is_valid: &dyn Fn(&ReservationOwner) -> bool,
    started: SystemTime,
) -> Vec<Error> {
    let store = Store::new(&Source::of(&network.config).data_dir(), network.name.as_str());
    match store.and_then(|store| podnet_host_local::gc(&store, is_valid, started)) {
        Ok(collected) => collected.errors.into_iter().map(Error::from).collect(),
        Err(error) => vec![error.into()],
    }
}
