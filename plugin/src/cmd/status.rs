//! STATUS: whether ADD could be served now. Changes nothing and waits for nobody.

use podnet_cni::{Args, Network};
use podnet_datapath::{Feature, check_bridge, probe};

use super::warn_of_promiscuity;
use crate::error::Error;
use crate::host_ports::Translator;
use crate::mode::kubenet;
use crate::portmap;
use crate::record::Registry;
use crate::settings::Settings;

/// Fails with code 50 where ADD could not work, and as ADD would where the configuration is wrong. What ADD would mend
/// by itself (a missing directory or bridge, forwarding that is off) is fine.
pub(crate) fn status(network: &Network) -> Result<(), Error> {
    let settings = Settings::read(network, &Args::default())?;
    warn_of_promiscuity(settings.kubenet.hairpin);
    let ready = || {
        let kubenet = &settings.kubenet;
        let is_needed = |feature: &Feature| match feature {
            Feature::NfTables => kubenet.ip_masq,
            Feature::Ifb => kubenet.bandwidth.limits_egress(),
            _ => true,
        };
        let lacking = probe()?.into_iter().filter(is_needed);
        let lacking: Vec<String> = lacking.map(|feature| feature.to_string()).collect();
        if !lacking.is_empty() {
            return Err(Error::KernelLacks(lacking.join(", ")));
        }
        if kubenet.host_ports.translator == Translator::Iptables && !portmap::has_iptables() {
            return Err(Error::NoIptables);
        }
        Registry::open()?;
        check_bridge(&kubenet::bridge(&settings.kubenet, settings.ipam.next_gateways()))?;
        settings.ipam.probe()
    };
    ready().map_err(|error| Error::NotReady(Box::new(error)))
}
