//! `loopback`: the pod's own loopback link, switched on and off.

use std::path::PathBuf;

use ipnet::IpNet;
use podnet_cni::{AddResult, Attachment, Interface, IpConfig, Network};
use podnet_datapath::{Netns, loopback};

use crate::cmd::open_sandbox;
use crate::error::Error;
use crate::plugin::Plugin;

/// The plugin.
pub(super) struct Loopback;

impl Plugin for Loopback {
    fn name(&self) -> &'static str {
        "loopback"
    }

    fn add(&self, attachment: &Attachment, netns: &str) -> Result<String, Error> {
        let previous = attachment.network.prev_result()?;
        let addresses = loopback::raise(&open_sandbox(netns, attachment.netns_override)?)?;
        let result = previous.unwrap_or_else(|| result(netns, &addresses));
        Ok(result.to_json(attachment.network.version)?)
    }

    fn check(&self, attachment: &Attachment, netns: &str) -> Result<(), Error> {
        if loopback::is_up(&open_sandbox(netns, attachment.netns_override)?)? {
            return Ok(());
        }
        Err(Error::Differs(vec![format!("link {} in {netns}: wanted up, found down", loopback::NAME)]))
    }

    /// A namespace that is gone took its links with it.
    fn del(&self, attachment: &Attachment, netns: Option<&str>) -> Result<(), Error> {
        let sandbox = netns.map(PathBuf::from).and_then(|path| Netns::open(path).ok());
        match sandbox {
            Some(sandbox) if !attachment.netns_override && sandbox.is_current()? => Err(Error::OwnNetns),
            Some(sandbox) => Ok(loopback::lower(&sandbox)?),
            None => Ok(()),
        }
    }

    /// Loopback links go with their namespaces.
    fn gc(&self, network: &Network) -> Result<(), Error> {
        network.valid_attachments()?;
        Ok(())
    }

    fn status(&self, _network: &Network) -> Result<(), Error> {
        Ok(())
    }
}

/// What ADD answers where no plugin came before.
fn result(netns: &str, addresses: &[IpNet]) -> AddResult {
    let first = |ipv4: bool| addresses.iter().find(move |address| address.addr().is_ipv4() == ipv4);
    let ip = |address: &IpNet| IpConfig { address: *address, gateway: None, interface: Some(0) };
    AddResult {
        interfaces: vec![Interface {
            name: loopback::NAME.to_owned(),
            mac: Some("00:00:00:00:00:00".to_owned()),
            sandbox: Some(netns.to_owned()),
            ..Interface::default()
        }],
        ips: [true, false].into_iter().filter_map(first).map(ip).collect(),
        ..AddResult::default()
    }
}
