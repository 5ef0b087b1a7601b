//! Versions of the protocol, and which of them allow which command.
//!
//! ADD and DEL compare the configuration's version as text with the supported ones. CHECK, GC and
//! STATUS came later: they compare it as numbers with the version that brought them, and then as text.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::command::Command;
use crate::error::{ErrorObject, code};

/// A published version of the CNI specification, ordered by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// 0.1.0: results have one address a family, `ip4` and `ip6`.
    V0_1_0,
    /// 0.2.0: the VERSION command.
    V0_2_0,
    /// 0.3.0: lists of plugins; results have lists of interfaces, addresses and routes.
    V0_3_0,
    /// 0.3.1: on the wire equal to 0.3.0.
    V0_3_1,
    /// 0.4.0: the CHECK command; DEL carries the earlier result.
    V0_4_0,
    /// 1.0.0: addresses no longer carry their family.
    V1_0_0,
    /// 1.1.0: the GC and STATUS commands; MTU and more of interfaces and routes.
    V1_1_0,
}

impl Version {
    /// Every supported version, oldest first.
    pub const SUPPORTED: [Self; 7] =
        [Self::V0_1_0, Self::V0_2_0, Self::V0_3_0, Self::V0_3_1, Self::V0_4_0, Self::V1_0_0, Self::V1_1_0];

    /// The newest supported version.
    pub const LATEST: Self = Self::V1_1_0;

    /// The supported versions from `oldest` on.
    pub fn since(oldest: Self) -> &'static [Self] {
        let older = Self::SUPPORTED.iter().take_while(|version| **version < oldest).count();
        Self::SUPPORTED.get(older..).unwrap_or_default()
    }

    /// The version as `cniVersion` spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V0_1_0 => "0.1.0",
            Self::V0_2_0 => "0.2.0",
            Self::V0_3_0 => "0.3.0",
            Self::V0_3_1 => "0.3.1",
            Self::V0_4_0 => "0.4.0",
            Self::V1_0_0 => "1.0.0",
            Self::V1_1_0 => "1.1.0",
        }
    }

    /// The supported version that `text` spells exactly; the empty text means 0.1.0.
    pub fn from_name(text: &str) -> Option<Self> {
        let name = if text.is_empty() { "0.1.0" } else { text };
        Self::SUPPORTED.into_iter().find(|version| version.as_str() == name)
    }

    /// The version of a configuration that declares `cniVersion` as `declared` (empty: absent), if
    /// that version allows `command`. The order of the checks, and so of the errors, is libcni's.
    pub fn for_command(command: Command, declared: &str) -> Result<Self, VersionError> {
        let introduced = match command {
            Command::Check => Some(Self::V0_4_0),
            Command::Gc | Command::Status => Some(Self::V1_1_0),
            Command::Add | Command::Del | Command::Version => None,
        };
        if let Some(introduced) = introduced {
            let numbers = Numbers::parse(declared)?;
            if numbers < Numbers::from(introduced) {
                return Err(VersionError::ConfigTooOld { command });
            }
            if numbers > Numbers::from(Self::LATEST) {
                return Err(VersionError::PluginTooOld { command });
            }
        }
        Self::from_name(declared).ok_or_else(|| VersionError::Unsupported {
            declared: declared.to_owned(),
            supported: &Self::SUPPORTED,
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A configuration's version that the command cannot run with. The texts are libcni's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VersionError {
    /// The version is none of the supported ones.
    #[error("incompatible CNI versions")]
    Unsupported {
        /// `cniVersion` as the configuration has it.
        declared: String,
        /// Those that are, oldest first.
        supported: &'static [Version],
    },
    /// The version cannot be compared: it is not one to three numbers with dots between them.
    #[error("invalid version {declared:?}: {reason}")]
    Malformed {
        /// `cniVersion` as the configuration has it.
        declared: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// The command came with a later version of the protocol.
    #[error("config version does not allow {command}")]
    ConfigTooOld {
        /// The command that was called.
        command: Command,
    },
    /// The configuration is newer than every supported version.
    #[error("plugin version does not allow {command}")]
    PluginTooOld {
        /// The command that was called.
        command: Command,
    },
}

impl From<VersionError> for ErrorObject {
    fn from(error: VersionError) -> Self {
        let code = match error {
            VersionError::Malformed { .. } => code::DECODING_FAILURE,
            _ => code::INCOMPATIBLE_VERSION,
        };
        let object = Self::new(code, error.to_string());
        match error {
            VersionError::Unsupported { declared, supported } => {
                let supported: Vec<_> = supported.iter().map(|version| format!("\"{version}\"")).collect();
                let supported = supported.join(" ");
                object.with_details(format!("config is {declared:?}, plugin supports [{supported}]"))
            }
            _ => object,
        }
    }
}

/// A version as numbers: major, minor, patch. Parts that are left out are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Numbers(i64, i64, i64);

impl Numbers {
    /// Reads one to three whole numbers with dots between them; the empty text is 0.1.0.
    pub(crate) fn parse(text: &str) -> Result<Self, VersionError> {
        let malformed = |reason| VersionError::Malformed { declared: text.to_owned(), reason };
        if text.is_empty() {
            return Ok(Self::from(Version::V0_1_0));
        }
        let number = |part: &str| part.parse().ok();
        let parts: Option<Vec<i64>> = text.split('.').map(number).collect();
        match parts.as_deref() {
            Some(&[major]) => Ok(Self(major, 0, 0)),
            Some(&[major, minor]) => Ok(Self(major, minor, 0)),
            Some(&[major, minor, patch]) => Ok(Self(major, minor, patch)),
            Some(_) => Err(malformed("too many parts")),
            None => Err(malformed("a part is not a number")),
        }
    }
}

impl From<Version> for Numbers {
    fn from(version: Version) -> Self {
        match version {
            Version::V0_1_0 => Self(0, 1, 0),
            Version::V0_2_0 => Self(0, 2, 0),
            Version::V0_3_0 => Self(0, 3, 0),
            Version::V0_3_1 => Self(0, 3, 1),
            Version::V0_4_0 => Self(0, 4, 0),
            Version::V1_0_0 => Self(1, 0, 0),
            Version::V1_1_0 => Self(1, 1, 0),
        }
    }
}

/// The answer to VERSION (CNI specification 1.1.0, section 3, "VERSION Success"): the same whatever
/// the runtime sent, so that it can be given without reading anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionReply {
    cni_version: Version,
    supported_versions: &'static [Version],
}

impl VersionReply {
    /// The reply of a plugin that supports the versions from `oldest` on.
    pub fn since(oldest: Version) -> Self {
        Self { cni_version: Version::LATEST, supported_versions: Version::since(oldest) }
    }

    /// The reply as it is printed: one line, with its newline.
    pub fn to_json(&self) -> String {
        // Constant texts always have a JSON form.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(command: Command, declared: &str) -> (u32, String, String) {
        let error = ErrorObject::from(Version::for_command(command, declared).unwrap_err());
        (error.code, error.msg, error.details)
    }

    #[test]
    fn the_order_of_the_versions_is_that_of_their_numbers() {
        let numbers = Version::SUPPORTED.map(Numbers::from);
        assert!(numbers.is_sorted());
        assert!(Version::SUPPORTED.is_sorted());
        for version in Version::SUPPORTED {
            assert_eq!(Numbers::parse(version.as_str()), Ok(Numbers::from(version)));
        }
        assert_eq!(Version::SUPPORTED.last(), Some(&Version::LATEST));
    }

    #[test]
    fn add_and_del_take_exactly_the_supported_texts() {
        for command in [Command::Add, Command::Del] {
            for version in Version::SUPPORTED {
                assert_eq!(Version::for_command(command, version.as_str()), Ok(version));
            }
            assert_eq!(Version::for_command(command, ""), Ok(Version::V0_1_0));
            for bad in ["9.9.9", "1.1", "adsf", "1.1.0 ", "01.1.0"] {
                let (code, msg, details) = refused(command, bad);
                assert_eq!((code, msg.as_str()), (1, "incompatible CNI versions"));
                let supported = r#"["0.1.0" "0.2.0" "0.3.0" "0.3.1" "0.4.0" "1.0.0" "1.1.0"]"#;
                assert_eq!(details, format!("config is \"{bad}\", plugin supports {supported}"));
            }
        }
    }

    #[test]
    fn later_commands_compare_numbers_first() {
        let text = |command, declared| {
            let (code, msg, _) = refused(command, declared);
            (code, msg)
        };
        let one = |msg: &str| (1, msg.to_owned());
        assert_eq!(text(Command::Check, "0.3.1"), one("config version does not allow CHECK"));
        assert_eq!(text(Command::Check, ""), one("config version does not allow CHECK"));
        assert_eq!(text(Command::Check, "2.0.0"), one("plugin version does not allow CHECK"));
        assert_eq!(text(Command::Check, "1.1"), one("incompatible CNI versions"));
        assert_eq!(text(Command::Check, "0.4.1"), one("incompatible CNI versions"));
        assert_eq!(text(Command::Gc, "1.0.0"), one("config version does not allow GC"));
        assert_eq!(text(Command::Status, "1.0.0"), one("config version does not allow STATUS"));
        assert_eq!(text(Command::Status, "1.2"), one("plugin version does not allow STATUS"));
        for command in [Command::Check, Command::Gc, Command::Status] {
            for bad in ["adsf", "1.1.0.0", "1.1.0-rc1", "1..0", " 1.1.0"] {
                assert_eq!(refused(command, bad).0, 6, "{command} {bad}");
            }
            assert_eq!(Version::for_command(command, "1.1.0"), Ok(Version::V1_1_0));
        }
    }

    #[test]
    fn the_reply_is_the_reference_plugins_line() {
        let line = concat!(
            r#"{"cniVersion":"1.1.0","supportedVersions":["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}"#,
            "\n"
        );
        assert_eq!(VersionReply::since(Version::V0_1_0).to_json(), line);
    }
}
