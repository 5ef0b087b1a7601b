//! `bandwidth`: limits of what the container receives and sends.
//!
//! What is made is the reference plugin's: token buckets with bursts as they stand, and an ifb whose name follows from the
//! network and the container.

use podnet_cni::json::decode;
use podnet_cni::{AddResult, Attachment, Interface, Network, Version};
use podnet_datapath::{
    Feature, OuterEnd, Shaping, check_limits, lift_limits, limit, limited_owners, outer_end, probe,
};
use serde::Deserialize;

use crate::bandwidth::{Annotations, Bandwidth, Members};
use crate::cmd::{open_sandbox, owner, pod_link};
use crate::error::Error;
use crate::netconf::ConfigError;
use crate::plugin::Plugin;

/// The plugin.
pub(super) struct Limiter;

impl Plugin for Limiter {
    fn name(&self) -> &'static str {
        "bandwidth"
    }

    fn oldest_version(&self) -> Version {
        Version::V0_3_0
    }

    fn add(&self, attachment: &Attachment, netns: &str) -> Result<String, Error> {
        let shaping = shaping(&attachment.network)?;
        let version = attachment.network.version;
        let mut result = previous(&attachment.network)?;
        if shaping == Shaping::default() {
            return Ok(result.to_json(version)?);
        }
        let host = connected(attachment, netns, &result)?;
        if let Some((ifb, mac)) = limit(&host, &shaping, &owner(attachment))? {
            let (name, mac) = (ifb.as_str().to_owned(), Some(mac.to_string()));
            result.interfaces.push(Interface { name, mac, ..Interface::default() });
        }
        Ok(result.to_json(version)?)
    }

    fn check(&self, attachment: &Attachment, netns: &str) -> Result<(), Error> {
        let shaping = shaping(&attachment.network)?;
        let result = previous(&attachment.network)?;
        let host = connected(attachment, netns, &result)?;
        let differences = check_limits(&host, &shaping, &owner(attachment))?;
        let differences: Vec<String> = differences.iter().map(ToString::to_string).collect();
        if differences.is_empty() { Ok(()) } else { Err(Error::Differs(differences)) }
    }

    fn del(&self, attachment: &Attachment, _netns: Option<&str>) -> Result<(), Error> {
        Ok(lift_limits(&owner(attachment))?)
    }

    /// Removes the ifbs that say they are of this network. The reference plugin's say nothing.
    fn gc(&self, network: &Network) -> Result<(), Error> {
        let Some(valid) = network.valid_attachments()? else { return Ok(()) };
        let mut errors = Vec::new();
        for owner in limited_owners()?.iter().filter(|owner| owner.network() == network.name.as_str()) {
            if !valid.contains(owner.container(), owner.ifname()) {
                errors.extend(lift_limits(owner).err().map(Error::from));
            }
        }
        super::removed(errors)
    }

    fn status(&self, network: &Network) -> Result<(), Error> {
        let shaping = shaping(network)?;
        super::ready(|| {
            let lacks_ifb = shaping.egress.is_some() && probe()?.contains(&Feature::Ifb);
            if lacks_ifb { Err(Error::KernelLacks(Feature::Ifb.to_string())) } else { Ok(()) }
        })
    }
}

/// The limits that the configuration says, or else the runtime.
fn shaping(network: &Network) -> Result<Shaping, Error> {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Conf {
        runtime_config: RuntimeConfig,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct RuntimeConfig {
        bandwidth: Option<Members>,
    }
    let configured: Members = decode(&network.config)?;
    let Conf { runtime_config } = decode(&network.config)?;
    let bandwidth =
        Bandwidth::check(&configured, runtime_config.bandwidth.as_ref(), &Annotations::default())?;
    Ok(bandwidth.plan_literally())
}

/// The host's end of the container's link, which an earlier plugin has to have made.
fn connected(attachment: &Attachment, netns: &str, result: &AddResult) -> Result<OuterEnd, Error> {
    let sandbox = open_sandbox(netns, attachment.netns_override)?;
    let host = outer_end(&sandbox, &pod_link(attachment)?)?;
    let is_known = |interface: &Interface| interface.sandbox.is_none() && interface.name == host.name();
    if result.interfaces.iter().any(is_known) {
        return Ok(host);
    }
    let rule = "no interface of the node is the other end of the container's";
    Err(ConfigError::invalid("prevResult.interfaces", host.name(), rule).into())
}

fn previous(network: &Network) -> Result<AddResult, Error> {
    super::previous(network, "bandwidth comes behind the plugin that makes the interface")
}
