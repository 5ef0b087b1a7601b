//! `static`: the configuration and the runtime say the addresses; nothing is kept of them.

use podnet_cni::{Args, Attachment, Network};

use crate::error::Error;
use crate::ipam::Fixed;
use crate::plugin::Plugin;

/// The plugin.
pub(super) struct Static;

impl Plugin for Static {
    fn name(&self) -> &'static str {
        "static"
    }

    fn add(&self, attachment: &Attachment, _netns: &str) -> Result<String, Error> {
        let network = &attachment.network;
        Ok(Fixed::called_by_name(network, &attachment.args()?)?.to_json(network.version)?)
    }

    /// Compares the gateways of those of its addresses that `prevResult` has, as the reference plugin does.
    fn check(&self, attachment: &Attachment, _netns: &str) -> Result<(), Error> {
        let wanted = Fixed::called_by_name(&attachment.network, &attachment.args()?)?;
        let found = super::previous(&attachment.network, "CHECK compares with it")?;
        let differences = wanted.ips.iter().filter_map(|ip| {
            let gateway = ip.gateway?;
            let other = found.ips.iter().find(|other| other.address.addr() == ip.address.addr())?;
            let is_other = other.gateway != Some(gateway);
            is_other.then(|| format!("gateway of {}: wanted {gateway}, prevResult differs", ip.address))
        });
        let differences: Vec<String> = differences.collect();
        if differences.is_empty() { Ok(()) } else { Err(Error::Differs(differences)) }
    }

    fn del(&self, _attachment: &Attachment, _netns: Option<&str>) -> Result<(), Error> {
        Ok(())
    }

    fn gc(&self, _network: &Network) -> Result<(), Error> {
        Ok(())
    }

    fn status(&self, network: &Network) -> Result<(), Error> {
        Fixed::called_by_name(network, &Args::default()).map(drop)
    }
}
