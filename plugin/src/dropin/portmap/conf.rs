//! The configuration of portmap.

use podnet_cni::Network;
use podnet_cni::json::decode;
use serde::Deserialize;

use crate::error::Error;
use crate::host_ports::{Entry, PortMappings};
use crate::netconf::ConfigError;
use crate::portmap::{Backend, Mark, Options};

/// The members, as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Members {
    backend: Option<String>,
    snat: Option<bool>,
    masq_all: bool,
    mark_masq_bit: Option<i64>,
    external_set_mark_chain: Option<String>,
    conditions_v4: Vec<String>,
    conditions_v6: Vec<String>,
    runtime_config: RuntimeConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RuntimeConfig {
    port_mappings: Vec<Entry>,
}

/// The members, checked.
#[derive(Debug)]
pub(super) struct Conf {
    /// `None`: what the node has.
    pub(super) backend: Option<Backend>,
    pub(super) mappings: PortMappings,
    pub(super) options: Options,
}

impl Conf {
    /// Reads and checks the configuration of `network`.
    pub(super) fn read(network: &Network) -> Result<Self, Error> {
        let members: Members = decode(&network.config)?;
        Ok(members.check()?)
    }
}

impl Members {
    fn check(self) -> Result<Conf, ConfigError> {
        let backend = match self.backend.as_deref() {
            None => self.implied_backend(),
            Some("iptables") => Some(Backend::Iptables),
            Some("nftables") => Some(Backend::Nftables),
            Some(other) => {
                return Err(ConfigError::invalid(
                    "backend",
                    format!("{other:?}"),
                    "\"iptables\" or \"nftables\"",
                ));
            }
        };
        let mappings = PortMappings::check(&self.runtime_config.port_mappings, self.snat.unwrap_or(true))?;
        let mark = self.mark()?;
        if let Some(backend) = backend {
            self.refuse_other_backend(backend)?;
        }
        let conditions = [self.conditions_v4, self.conditions_v6];
        Ok(Conf { backend, mappings, options: Options { masquerade_all: self.masq_all, mark, conditions } })
    }

    fn mark(&self) -> Result<Mark, ConfigError> {
        match (self.mark_masq_bit, &self.external_set_mark_chain) {
            (Some(bit), Some(_)) => Err(ConfigError::invalid(
                "markMasqBit",
                bit.to_string(),
                "externalSetMarkChain is there: one of both",
            )),
            (None, None) => Ok(Mark::default()),
            (None, Some(chain)) if chain.is_empty() || chain.contains([' ', '\n', '\0']) => {
                Err(ConfigError::invalid(
                    "externalSetMarkChain",
                    format!("{chain:?}"),
                    "the name of a chain of iptables",
                ))
            }
            (None, Some(chain)) => Ok(Mark::Chain(chain.clone())),
            (Some(bit), None) => match u8::try_from(bit) {
                Ok(bit @ 0..=31) => Ok(Mark::Bit(bit)),
                _ => Err(ConfigError::invalid("markMasqBit", bit.to_string(), "0 to 31")),
            },
        }
    }

    /// The backend whose language the configuration speaks.
    fn implied_backend(&self) -> Option<Backend> {
        let of_conditions =
            [&self.conditions_v4, &self.conditions_v6].into_iter().find_map(|words| language(words));
        self.external_set_mark_chain.as_ref().map(|_| Backend::Iptables).or(of_conditions)
    }

    /// What is said in the language of one backend cannot be done by the other.
    fn refuse_other_backend(&self, backend: Backend) -> Result<(), ConfigError> {
        if backend == Backend::Nftables
            && let Some(chain) = &self.external_set_mark_chain
        {
            let rule = "chains are of iptables, and the backend is nftables";
            return Err(ConfigError::invalid("externalSetMarkChain", format!("{chain:?}"), rule));
        }
        for (member, conditions) in
            [("conditionsV4", &self.conditions_v4), ("conditionsV6", &self.conditions_v6)]
        {
            let invalid = |word: &String, rule| Err(ConfigError::invalid(member, format!("{word:?}"), rule));
            // iptables gets each word between quotes, nft as it stands.
            let ends: &[char] = if backend == Backend::Nftables { &['\n', '\0', ';'] } else { &['\n', '\0'] };
            if let Some(word) = conditions.iter().find(|word| word.contains(ends)) {
                return invalid(word, "no word ends a line or a command");
            }
            if let (Some(other), Some(first)) =
                (language(conditions).filter(|it| *it != backend), conditions.first())
            {
                let rule = if other == Backend::Iptables {
                    "these are words of iptables, and the backend is nftables"
                } else {
                    "the backend is iptables: its conditions begin with an option or !"
                };
                return invalid(first, rule);
            }
        }
        Ok(())
    }
}

/// The backend whose language the words are of: no first word of nftables begins as all of iptables do.
fn language(conditions: &[String]) -> Option<Backend> {
    let first = conditions.first().filter(|first| !first.is_empty())?;
    Some(if first.starts_with(['-', '!']) { Backend::Iptables } else { Backend::Nftables })
}
