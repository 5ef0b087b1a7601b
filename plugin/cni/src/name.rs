//! The three names that make up the key of an attachment, checked once where they enter.
//!
//! Network name and container ID become names of files: their alphabet has no `/` and no NUL, and a
//! first character that is a letter or a digit, so neither can be `..` or hide in a directory.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{ErrorObject, code};

/// The longest name of a link, in bytes (`IFNAMSIZ` of linux/if.h, less the NUL).
const MAX_IFNAME: usize = 15;

/// A name that breaks its rule. The texts are those of libcni's plugin side.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The network name is empty.
    #[error("missing network name")]
    MissingNetwork,
    /// The network name (held) has a character outside its alphabet.
    #[error("invalid characters found in network name")]
    Network(String),
    /// The container ID (held) is empty or has a character outside its alphabet.
    #[error("invalid characters in containerID")]
    ContainerId(String),
    /// The interface name is empty.
    #[error("interface name is empty")]
    EmptyIfName,
    /// The interface name (held) has more than 15 bytes.
    #[error("interface name is too long")]
    LongIfName(String),
    /// The interface name is `.` or `..`.
    #[error("interface name is . or ..")]
    DotIfName,
    /// The interface name (held) has a character that the kernel refuses.
    #[error("interface name contains / or : or whitespace characters")]
    IfNameCharacter(String),
}

impl From<NameError> for ErrorObject {
    fn from(error: NameError) -> Self {
        let (code, details) = match &error {
            NameError::MissingNetwork => (code::INVALID_NETWORK_CONFIG, String::new()),
            NameError::Network(name) => (code::INVALID_NETWORK_CONFIG, name.clone()),
            NameError::LongIfName(_) => {
                (code::INVALID_ENVIRONMENT, "interface name should be less than 16 characters".to_owned())
            }
            NameError::ContainerId(name) | NameError::IfNameCharacter(name) => {
                (code::INVALID_ENVIRONMENT, name.clone())
            }
            NameError::EmptyIfName | NameError::DotIfName => (code::INVALID_ENVIRONMENT, String::new()),
        };
        Self::new(code, error.to_string()).with_details(details)
    }
}

/// The alphabet that network names and container IDs share (CNI specification, `CNI_CONTAINERID`).
fn is_identifier(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

/// Declares a checked name: its rule is the function `$check`.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name, if it follows its rule.
            pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
                let name = name.into();
                $check(&name)?;
                Ok(Self(name))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(name: String) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// The name of a network: a letter or digit, then letters, digits, `_`, `.`, `-`.
    NetworkName, check_network
}

name! {
    /// The runtime's ID of a container: a letter or digit, then letters, digits, `_`, `.`, `-`.
    ContainerId, check_container
}

name! {
    /// The name of a link: 1 to 15 bytes, not `.` or `..`, without `/`, `:` and white space
    /// (Linux `dev_valid_name`, net/core/dev.c).
    IfName, check_ifname
}

fn check_network(name: &str) -> Result<(), NameError> {
    match name {
        "" => Err(NameError::MissingNetwork),
        name if is_identifier(name) => Ok(()),
        name => Err(NameError::Network(name.to_owned())),
    }
}

fn check_container(id: &str) -> Result<(), NameError> {
    if is_identifier(id) { Ok(()) } else { Err(NameError::ContainerId(id.to_owned())) }
}

fn check_ifname(name: &str) -> Result<(), NameError> {
    // The environment cannot carry a NUL, JSON can.
    let refused = |c: char| matches!(c, '/' | ':' | '\0') || c.is_whitespace();
    match name {
        "" => Err(NameError::EmptyIfName),
        name if name.len() > MAX_IFNAME => Err(NameError::LongIfName(name.to_owned())),
        "." | ".." => Err(NameError::DotIfName),
        name if name.contains(refused) => Err(NameError::IfNameCharacter(name.to_owned())),
        _ => Ok(()),
    }
}

/// What identifies an attachment (CNI specification, section 2: network name, `CNI_CONTAINERID`,
/// `CNI_IFNAME`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttachmentKey {
    /// The network.
    pub network: NetworkName,
    /// The container.
    pub container_id: ContainerId,
    /// The link inside the container.
    pub ifname: IfName,
}

impl fmt::Display for AttachmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.network, self.container_id, self.ifname)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_that_could_leave_their_directory_are_refused() {
        for bad in ["..", ".", ".a", "a/b", "../a", "a\0b", "a\n", "-a", "_a", "a b", "ä"] {
            assert_eq!(NetworkName::new(bad), Err(NameError::Network(bad.to_owned())));
            assert_eq!(ContainerId::new(bad), Err(NameError::ContainerId(bad.to_owned())));
        }
        for good in ["a", "0", "a..b", "A_b.c-d", &"x".repeat(300)] {
            assert_eq!(NetworkName::new(good).unwrap().as_str(), good);
            assert_eq!(ContainerId::new(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn interface_names_follow_the_kernels_rule() {
        assert_eq!(IfName::new(""), Err(NameError::EmptyIfName));
        assert_eq!(IfName::new("a".repeat(16)), Err(NameError::LongIfName("a".repeat(16))));
        assert_eq!(
            IfName::new("ä".repeat(8)),
            Err(NameError::LongIfName("ä".repeat(8))),
            "bytes, not letters"
        );
        for dots in [".", ".."] {
            assert_eq!(IfName::new(dots), Err(NameError::DotIfName));
        }
        for bad in ["a/b", "a:b", "a b", "a\t", "a\u{85}", "a\u{a0}", "a\0"] {
            assert_eq!(IfName::new(bad), Err(NameError::IfNameCharacter(bad.to_owned())));
        }
        for good in ["eth0", "...", "x@y", "ä", "aaaaaaaaaaaaaaa"] {
            assert_eq!(IfName::new(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn a_key_is_stored_as_json_and_checked_when_read() {
        let key = AttachmentKey {
            network: NetworkName::new("net").unwrap(),
            container_id: ContainerId::new("c1").unwrap(),
            ifname: IfName::new("eth0").unwrap(),
        };
        let json = serde_json::to_string(&key).unwrap();
        assert_eq!(json, r#"{"network":"net","containerId":"c1","ifname":"eth0"}"#);
        assert_eq!(serde_json::from_str::<AttachmentKey>(&json).unwrap(), key);
        assert!(serde_json::from_str::<AttachmentKey>(&json.replace("net", "..")).is_err());
    }
}
