//! With whom a pod's traffic is limited: `shapedSubnets` and `unshapedSubnets`.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::netconf::ConfigError;

/// The lists, as written in one place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lists<'a> {
    /// What their names begin with: the path of the place.
    pub(super) place: &'a str,
    pub(super) shaped: &'a [String],
    pub(super) unshaped: &'a [String],
}

/// The lists, checked: at most one of them has entries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Peers {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shaped_subnets: Vec<IpNet>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unshaped_subnets: Vec<IpNet>,
}

impl Lists<'_> {
    /// Whether the place says nothing of peers.
    pub(super) fn are_empty(self) -> bool {
        self.shaped.is_empty() && self.unshaped.is_empty()
    }

    pub(super) fn check(self) -> Result<Peers, ConfigError> {
        let Self { place, shaped, unshaped } = self;
        let [shaped_name, unshaped_name] =
            ["shapedSubnets", "unshapedSubnets"].map(|name| format!("{place}{name}"));
        if let ([_, ..], [first, ..]) = (shaped, unshaped) {
            let rule = format!("{shaped_name} has entries too: one of both");
            return Err(ConfigError::invalid(unshaped_name, format!("{first:?}"), rule));
        }
        let subnets = |name: &str, texts: &[String]| {
            let subnet = |(index, text): (usize, &String)| {
                let net = text.parse::<IpNet>();
                net.map_err(|_syntax| {
                    let rule = "a subnet in CIDR notation, as 10.0.0.0/8";
                    ConfigError::invalid(format!("{name}[{index}]"), format!("{text:?}"), rule)
                })
            };
            texts.iter().enumerate().map(subnet).collect::<Result<Vec<_>, _>>()
        };
        Ok(Peers {
            shaped_subnets: subnets(&shaped_name, shaped)?,
            unshaped_subnets: subnets(&unshaped_name, unshaped)?,
        })
    }
}

impl Peers {
    /// As the datapath says it.
    pub(super) fn plan(&self) -> podnet_datapath::Peers {
        use podnet_datapath::Peers;
        match (self.shaped_subnets.as_slice(), self.unshaped_subnets.as_slice()) {
            ([], []) => Peers::All,
            ([], subnets) => Peers::AllBut(subnets.to_vec()),
            (subnets, _) => Peers::Only(subnets.to_vec()),
        }
    }
}
