//! The name of the agent's chain, checked once: only such a name enters a rule.

use std::fmt;
use std::str::FromStr;

/// Bytes that iptables takes for the name of a chain (`XT_EXTENSION_MAXNAMELEN` less the terminator).
pub const MAX_LEN: usize = 28;

/// Names that mean something else to iptables: chains of its tables and common targets.
const RESERVED: [&str; 18] = [
    "PREROUTING",
    "INPUT",
    "FORWARD",
    "OUTPUT",
    "POSTROUTING",
    "ACCEPT",
    "DROP",
    "QUEUE",
    "RETURN",
    "REJECT",
    "MASQUERADE",
    "SNAT",
    "DNAT",
    "NETMAP",
    "REDIRECT",
    "MARK",
    "CONNMARK",
    "LOG",
];

/// A name that a chain of the agent's own can have: letters, digits, `-`, `_` and `.`, no dash in front, at most
/// [`MAX_LEN`] bytes, and no chain or target of iptables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainName(String);

/// Why a name cannot be that of the agent's chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainNameError {
    /// No byte at all.
    #[error("the name of the chain is empty")]
    Empty,
    /// iptables would refuse it.
    #[error("the chain's name {name:?} has {} bytes; iptables takes at most {MAX_LEN}", name.len())]
    TooLong {
        /// The name.
        name: String,
    },
    /// A character that could be more than a name in a rule.
    #[error("the chain's name {name:?} may hold letters, digits, '-', '_' and '.', and begins with no '-'")]
    Characters {
        /// The name.
        name: String,
    },
    /// A chain or target of iptables itself.
    #[error("{name:?} is a chain or target of iptables itself")]
    Reserved {
        /// The name.
        name: String,
    },
}

impl ChainName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ChainName {
    /// Upstream's: `IP-MASQ-AGENT`.
    fn default() -> Self {
        Self("IP-MASQ-AGENT".to_owned())
    }
}

impl FromStr for ChainName {
    type Err = ChainNameError;

    fn from_str(text: &str) -> Result<Self, ChainNameError> {
        let name = text.to_owned();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if text.is_empty() {
            Err(ChainNameError::Empty)
        } else if text.len() > MAX_LEN {
            Err(ChainNameError::TooLong { name })
        } else if text.starts_with('-') || !text.bytes().all(is_plain) {
            Err(ChainNameError::Characters { name })
        } else if RESERVED.contains(&text) {
            Err(ChainNameError::Reserved { name })
        } else {
            Ok(Self(name))
        }
    }
}

impl fmt::Display for ChainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_other_agents_are_taken() {
        for name in ["IP-MASQ-AGENT", "IP-MASQ", "masq_1.2", &"x".repeat(MAX_LEN)] {
            assert_eq!(name.parse::<ChainName>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn what_could_be_more_than_a_name_is_refused() {
        let too_long = "x".repeat(MAX_LEN + 1);
        for name in ["", "-A", "A B", "A\nCOMMIT", "A\"", "POSTROUTING", "MASQUERADE", "café", &too_long] {
            assert!(name.parse::<ChainName>().is_err(), "{name:?}");
        }
    }
}
