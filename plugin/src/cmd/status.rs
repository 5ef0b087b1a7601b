//! STATUS: whether ADD could be served now. Changes nothing and waits for nobody.

use podnet_cni::{Args, Network};
use podnet_datapath::{ApplyError, Feature, check_bridge, check_network_port, check_uplink, probe};

use super::{lost, warn_of_promiscuity};
use crate::error::Error;
use crate::host_ports::Translator;
use crate::mode::{Mode, kubenet, vnet};
use crate::netconf::Vnet;
use crate::portmap;
use crate::record::Registry;
use crate::settings::Settings;

/// Fails with code 50 where ADD could not work, and as ADD would where the configuration is wrong. What ADD would mend
/// by itself (a missing directory or bridge, forwarding that is off) is fine.
pub(crate) fn status(network: &Network) -> Result<(), Error> {
    let settings = Settings::read(network, &Args::default())?;
    warn_of_promiscuity(&settings.mode);
    let ready = || {
        let (mode, pod) = (&settings.mode, settings.mode.pod());
        let is_needed = |feature: &Feature| match feature {
            Feature::Veth => true,
            Feature::Bridge => mode.bridge().is_some(),
            Feature::NfTables => matches!(mode, Mode::Vnet(_)) || pod.ip_masq,
            Feature::Ifb => pod.bandwidth.limits_egress(),
        };
        let lacking = probe()?.into_iter().filter(is_needed);
        let lacking: Vec<String> = lacking.map(|feature| feature.to_string()).collect();
        if !lacking.is_empty() {
            return Err(Error::KernelLacks(lacking.join(", ")));
        }
        if pod.host_ports.translator == Translator::Iptables && !portmap::has_iptables() {
            return Err(Error::NoIptables);
        }
        Registry::open()?;
        match mode {
            Mode::Kubenet(kubenet) => {
                check_bridge(&kubenet::bridge(kubenet, settings.ipam.next_gateways()))?;
            }
            Mode::Vnet(vnet) => check_way_out(vnet)?,
        }
        settings.ensure_apart()?;
        match settings.ipam.probe() {
            Err(error) if lost::is_any(network, &settings.ipam, &error) => Ok(()),
            probed => probed,
        }
    };
    ready().map_err(|error| Error::NotReady(Box::new(error)))
}

/// Whether the node's link to its network is what mode vnet needs; changes nothing.
pub(crate) fn check_way_out(vnet: &Vnet) -> Result<(), ApplyError> {
    match vnet::network_port(vnet) {
        Some(port) => check_network_port(&port),
        None => vnet.uplink.iter().try_for_each(check_uplink),
    }
}
