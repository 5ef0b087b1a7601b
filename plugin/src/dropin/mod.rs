//! The plugins of others that this program takes the place of (containernetworking/plugins 1.9.1): called by the name of
//! one of them, by way of a link in CNI_PATH, it is that plugin.
//!
//! Each takes that plugin's configuration and gives its results. What it leaves in the kernel and on disk, that plugin's
//! DEL removes, and the other way round, so that a node is switched by links alone, with its pods alive.
//! `podnet-ipam` takes the place of azure-ipam, but for podnet-ipamd.

mod bandwidth;
mod bridge;
mod fixed;
mod host_local;
mod interface;
mod loopback;
mod podnet_ipam;
mod portmap;
mod ptp;

use std::ffi::OsStr;
use std::path::Path;

pub(crate) use bridge::DEFAULT_BRIDGE;

use podnet_cni::{AddResult, Network};

use crate::error::{Error, chain};
use crate::netconf::ConfigError;
use crate::plugin::Plugin;

/// The plugins by their names.
const PLUGINS: [&dyn Plugin; 8] = [
    &interface::Plugin::<bridge::Bridge>::NEW,
    &interface::Plugin::<ptp::Ptp>::NEW,
    &loopback::Loopback,
    &host_local::HostLocal,
    &fixed::Static,
    &portmap::Portmap,
    &bandwidth::Limiter,
    &podnet_ipam::PodnetIpam,
];

/// The plugin that the program is called by the name of; none for `podnet` and every name unknown.
///
/// # Arguments
/// `program`: `argv[0]`, a path or a name.
pub(crate) fn called(program: Option<&OsStr>) -> Option<&'static dyn Plugin> {
    let name = Path::new(program?).file_name()?;
    PLUGINS.into_iter().find(|plugin| name == plugin.name())
}

/// What DEL and GC come to, when everything was tried.
fn removed(errors: Vec<Error>) -> Result<(), Error> {
    if errors.is_empty() { Ok(()) } else { Err(Error::NotRemoved(errors)) }
}

/// What STATUS says of a thing that ADD needs.
fn ready(is_ready: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    is_ready().map_err(|error| Error::NotReady(Box::new(error)))
}

/// Logs what a failed ADD could not take back: the error that led here is the one to report.
fn taken_back(undone: Result<(), Error>) {
    if let Err(error) = undone {
        tracing::warn!(error = chain(&error), "cannot take back a step");
    }
}

/// The result of the plugins before this one, without which it cannot work, as `rule` says.
fn previous(network: &Network, rule: &'static str) -> Result<AddResult, Error> {
    Ok(network.prev_result()?.ok_or(ConfigError::Missing { member: "prevResult", rule })?)
}
