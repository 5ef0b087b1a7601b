//! `host-local`: one address from each range set, kept in files.
//!
//! There is no record: what the attachment has is what its files say, as with the reference plugin. A second ADD is
//! therefore found out by reading every reservation of the network.

use std::time::SystemTime;

use podnet_cni::{AddResult, Attachment, IpConfig, Network};
use podnet_host_local::ReservationOwner;

use crate::cmd::owner;
use crate::error::Error;
use crate::ipam::{self, Grant};
use crate::plugin::Plugin;

/// The plugin.
pub(super) struct HostLocal;

impl Plugin for HostLocal {
    fn name(&self) -> &'static str {
        "host-local"
    }

    fn add(&self, attachment: &Attachment, _netns: &str) -> Result<String, Error> {
        let source = ipam::HostLocal::called_by_name(&attachment.network, &attachment.args()?)?;
        let owner = owner(attachment);
        if !source.held(&owner)?.is_empty() {
            return Err(Error::exists(&owner));
        }
        let Grant { leases, routes, dns, .. } = source.allocate(&owner)?;
        let ips = leases.iter().map(|lease| IpConfig {
            address: lease.address,
            gateway: lease.gateway,
            interface: None,
        });
        let result = AddResult { ips: ips.collect(), routes, dns, ..AddResult::default() };
        let answer = result.to_json(attachment.network.version).map_err(Error::from);
        answer.inspect_err(|_| super::taken_back(source.release(&owner, &leases)))
    }

    fn check(&self, attachment: &Attachment, _netns: &str) -> Result<(), Error> {
        let source = ipam::HostLocal::called_by_name(&attachment.network, &attachment.args()?)?;
        if !source.held(&owner(attachment))?.is_empty() {
            return Ok(());
        }
        let (container, ifname) = (attachment.container_id.as_str(), attachment.ifname.as_str());
        let missing = format!("no address is reserved for interface {ifname} of container {container}");
        Err(Error::Differs(vec![missing]))
    }

    fn del(&self, attachment: &Attachment, _netns: Option<&str>) -> Result<(), Error> {
        super::removed(ipam::release_reservations(&owner(attachment), &attachment.network))
    }

    fn gc(&self, network: &Network) -> Result<(), Error> {
        let started = SystemTime::now();
        let Some(valid) = network.valid_attachments()? else { return Ok(()) };
        let is_valid = |owner: &ReservationOwner| match owner.ifname() {
            Some(ifname) => valid.contains(owner.container_id(), ifname),
            None => valid.contains_container(owner.container_id()),
        };
        super::removed(ipam::collect_reservations(network, &is_valid, started))
    }

    fn status(&self, network: &Network) -> Result<(), Error> {
        let source = ipam::HostLocal::called_by_name(network, &podnet_cni::Args::default())?;
        super::ready(|| source.probe())
    }
}
