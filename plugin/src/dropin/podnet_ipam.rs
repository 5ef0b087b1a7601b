//! `podnet-ipam`: the IPAM plugin through which interface plugins of others use podnet-ipamd, as azure-ipam lets them
//! use a CNS.
//!
//! It asks and answers as azure-ipam does: the container's ID names the interface too, the result has addresses and gateways
//! and no routes. Beyond that it keeps a record an attachment under [`RECORDS`]: so a second ADD is refused instead of
//! answered with the addresses of a live pod, which an interface plugin that then fails would free; GC knows what is of
//! which network, and a daemon whose own memory is lost who has which address.

use std::net::IpAddr;
use std::path::Path;
use std::time::SystemTime;

use podnet_cni::{AddResult, Args, Attachment, Interface, Network};
use podnet_datapath::Owner;
use serde_json::Value;

use super::{ready, removed, taken_back};
use crate::cmd::{claim, owner, pod_of};
use crate::error::Error;
use crate::ipam::{Daemon, Offer, Offered, Style};
use crate::plugin::Plugin;
use crate::record::{Entry, Lease, Record, RecordError, Registry, Reserved};

/// Where the records lie, as podnet's own do.
const RECORDS: &str = "/run/podnet/ipam";

/// The plugin.
pub(super) struct PodnetIpam;

impl Plugin for PodnetIpam {
    fn name(&self) -> &'static str {
        "podnet-ipam"
    }

    fn add(&self, attachment: &Attachment, netns: &str) -> Result<String, Error> {
        let (args, network) = (attachment.args()?, &attachment.network);
        let daemon = daemon(&network.config, &args)?;
        let owner = owner(attachment);
        let registry = Registry::create_at(Path::new(RECORDS))?;
        let record = Record::new(&owner, netns, pod_of(&args), &network.config);
        let mut entry = claim(&registry, &owner, &record)?;
        let offer = daemon.ask(&owner).and_then(|asked| daemon.offered(&owner, asked));
        let answer = offer.map_err(Error::from).and_then(|offer| {
            let keep = || -> Result<String, Error> {
                entry.replace(record.holding(reserved(&offer)))?;
                Ok(result(&offer).to_json(network.version)?)
            };
            keep().inspect_err(|_| taken_back(daemon.release(&owner).map_err(Error::from)))
        });
        answer.inspect_err(|_| taken_back(entry.remove().map_err(Error::from)))
    }

    fn check(&self, attachment: &Attachment, _netns: &str) -> Result<(), Error> {
        let daemon = daemon(&attachment.network.config, &attachment.args()?)?;
        let previous = attachment.network.prev_result()?.unwrap_or_default();
        let addresses: Vec<IpAddr> = previous.ips.iter().map(|ip| ip.address.addr()).collect();
        let differences = daemon.check(&owner(attachment), &addresses)?;
        if differences.is_empty() { Ok(()) } else { Err(Error::Differs(differences)) }
    }

    fn del(&self, attachment: &Attachment, _netns: Option<&str>) -> Result<(), Error> {
        let owner = owner(attachment);
        let registry = Registry::open_at(Path::new(RECORDS))?;
        let entry = registry.as_ref().map(|registry| registry.lock(owner.id())).transpose()?.flatten();
        release(&owner, entry, &attachment.network.config)
    }

    fn gc(&self, network: &Network) -> Result<(), Error> {
        let started = SystemTime::now();
        let Some(valid) = network.valid_attachments()? else { return Ok(()) };
        let Some(registry) = Registry::open_at(Path::new(RECORDS))? else { return Ok(()) };
        let mut errors = Vec::new();
        for id in registry.ids()? {
            let entry = match registry.try_lock(id) {
                Ok(Some(entry)) => entry,
                Ok(None) | Err(RecordError::Busy(_)) => continue,
                Err(error) => {
                    errors.push(error.into());
                    continue;
                }
            };
            let Some(owner) = entry.record().map(Record::owner) else { continue };
            let is_new = entry.written().is_some_and(|written| written >= started);
            let is_ours = owner.network() == network.name.as_str();
            if is_ours && !is_new && !valid.contains(owner.container(), owner.ifname()) {
                errors.extend(release(&owner, Some(entry), &network.config).err());
            }
        }
        removed(errors)
    }

    fn status(&self, network: &Network) -> Result<(), Error> {
        let daemon = daemon(&network.config, &Args::default())?;
        ready(|| Ok(daemon.probe()?))
    }
}

/// The daemon that `ipam` names: a CNS where there is a URL.
fn daemon(config: &Value, args: &Args) -> Result<Daemon, Error> {
    Daemon::of_config(config, None, Style::Container, args)
}

/// Releases and forgets, by the configuration of ADD where the record has it.
fn release(owner: &Owner, entry: Option<Entry<'_>>, config: &Value) -> Result<(), Error> {
    let record = entry.as_ref().and_then(Entry::record);
    let config = record.map_or(config, |record| &record.config);
    let daemon = daemon(config, &Args::default())?.for_pod(record);
    daemon.release(owner)?;
    entry.map(Entry::remove).transpose()?;
    Ok(())
}

/// What the daemon reads where its own memory is lost.
fn reserved(offer: &Offer) -> Reserved {
    let lease = |offered: &Offered| Lease { address: offered.address, gateway: offered.gateway };
    Reserved { leases: offer.addresses.iter().map(lease).collect(), ..Reserved::default() }
}

/// As azure-ipam answers, but that an IPv6 address whose network has no gateway gets none: azure-ipam's link-local one is
/// for plugins that pass it over, and the reference bridge cannot hold it beside its own.
fn result(offer: &Offer) -> AddResult {
    let interface = |mac: &String| Interface { mac: Some(mac.clone()), ..Interface::default() };
    AddResult {
        ips: offer.addresses.iter().map(Offered::ip_config).collect(),
        interfaces: offer.mac.iter().map(interface).collect(),
        ..AddResult::default()
    }
}
