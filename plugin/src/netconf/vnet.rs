//! The members of mode vnet.

use podnet_cni::Args;
use podnet_datapath::{Guard, LinkName, LinkNameError};

use super::{ConfigError, NetConf, PodOptions};

/// The configuration of mode vnet, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Vnet {
    /// The node's link to its network; `None`: the one of the default route.
    pub(crate) uplink: Option<LinkName>,
    pub(crate) pod: PodOptions,
}

/// Pods of a virtual network send from addresses that the network takes for theirs, and may be anybody's.
const GUARD: Guard = Guard { spoofing: true, wireserver: true, imds: false };

impl NetConf {
    pub(super) fn check_vnet(&self, args: &Args) -> Result<Vnet, ConfigError> {
        match self.datapath.as_deref() {
            None | Some("transparent") => {}
            Some(other @ "bridge") => return Err(ConfigError::unsupported("datapath", format!("{other:?}"))),
            Some(other) => {
                let rule = "the datapath is \"transparent\"";
                return Err(ConfigError::invalid("datapath", format!("{other:?}"), rule));
            }
        }
        let master = self.master.as_deref().filter(|name| !name.is_empty());
        let uplink = master.map(|name| {
            let invalid = |error: LinkNameError| {
                ConfigError::invalid("master", format!("{name:?}"), format!("{error}"))
            };
            name.parse().map_err(invalid)
        });
        Ok(Vnet { uplink: uplink.transpose()?, pod: self.pod_options(args, GUARD)? })
    }
}

#[cfg(test)]
mod tests {
    use podnet_cni::json::decode;
    use serde_json::{Value, json};

    use super::*;
    use crate::mode::Mode;

    fn check(config: &Value) -> Result<Vnet, String> {
        match decode::<NetConf>(config).unwrap().check(&Args::default()) {
            Ok(Mode::Vnet(vnet)) => Ok(vnet),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn a_pod_is_guarded_unless_the_configuration_says_otherwise() {
        assert_eq!(check(&json!({"mode": "vnet"})).unwrap().pod.guard, GUARD);
        let open =
            json!({"mode": "vnet", "antiSpoofing": false, "blockWireserver": false, "blockIMDS": true});
        let expected = Guard { spoofing: false, wireserver: false, imds: true };
        assert_eq!(check(&open).unwrap().pod.guard, expected);
    }

    #[test]
    fn datapaths_and_uplinks_are_checked_by_name() {
        let vnet = check(&json!({"mode": "vnet", "datapath": "transparent", "master": "eth0"})).unwrap();
        assert_eq!(vnet.uplink, Some("eth0".parse().unwrap()));
        for (member, value, words) in [
            ("datapath", "bridge", "unsupported field datapath: \"bridge\""),
            ("datapath", "tunnel", "datapath: \"tunnel\" is not valid"),
            ("master", "a/b", "master: \"a/b\" is not valid"),
        ] {
            let error = check(&json!({"mode": "vnet", member: value})).unwrap_err();
            assert!(error.starts_with(words), "{error}");
        }
    }
}
