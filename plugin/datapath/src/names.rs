//! Names of links.

use std::{fmt, str::FromStr};

/// `IFNAMSIZ` less the terminating NUL.
const LONGEST: usize = 15;

/// A link's name as the kernel takes it literally (`dev_valid_name` in `net/core/dev.c`): 1 to 15 bytes, not
/// `.` or `..`, without `/`, `:` or white space; and without `%`, which the kernel takes for a pattern to
/// fill in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkName(String);

/// Text that cannot name a link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} cannot name a network interface: {rule}")]
pub struct LinkNameError {
    name: String,
    rule: &'static str,
}

impl LinkName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for LinkName {
    type Error = LinkNameError;

    fn try_from(name: String) -> Result<Self, LinkNameError> {
        match broken_rule(&name) {
            None => Ok(Self(name)),
            Some(rule) => Err(LinkNameError { name, rule }),
        }
    }
}

fn broken_rule(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("it is empty")
    } else if name.len() > LONGEST {
        Some("it is longer than 15 bytes")
    } else if name == "." || name == ".." {
        Some("it is a directory's name")
    } else if name.contains(['/', ':', '%', '\0']) || name.contains(char::is_whitespace) {
        Some("it contains '/', ':', '%', NUL or white space")
    } else {
        None
    }
}

impl FromStr for LinkName {
    type Err = LinkNameError;

    fn from_str(name: &str) -> Result<Self, LinkNameError> {
        name.to_owned().try_into()
    }
}

impl From<LinkName> for String {
    fn from(name: LinkName) -> Self {
        name.0
    }
}

impl AsRef<str> for LinkName {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How the names of the host's ends begin. The rest of a name are digits of the owner's id, so that a
/// link is found by its owner alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkPrefix(&'static str);

impl LinkPrefix {
    /// The prefix of links that are ports of a bridge.
    pub const VETH: Self = Self("veth");

    /// The prefix of links of routed pods, Azure's: policy engines know pods' links by it.
    pub const AZV: Self = Self("azv");

    /// The prefixes of hosts' ends.
    pub(crate) const HOST_ENDS: [Self; 2] = [Self::VETH, Self::AZV];

    /// The prefix of links that what a pod sends is queued at.
    pub(crate) const IFB: Self = Self("ifb");

    /// The prefix of such links by the names of the reference bandwidth plugin.
    pub(crate) const REFERENCE_IFB: Self = Self("bwp");

    /// The digits of an owner's id that fit behind the longest prefix.
    pub(crate) const DIGITS: usize = LONGEST - Self::VETH.0.len();

    /// The prefix as text.
    pub(crate) fn as_str(self) -> &'static str {
        self.0
    }

    /// The prefix with these digits behind it.
    pub(crate) fn with(self, digits: &str) -> LinkName {
        LinkName(format!("{}{digits}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_kernels_rules() {
        for name in ["e", "eth0", "eth0.100", "123456789012345", "...", "@if!"] {
            assert_eq!(name.parse::<LinkName>().unwrap().as_str(), name);
        }
        for name in ["", "1234567890123456", ".", "..", "a/b", "a:b", "a b", "a\tb", "a\u{b}", "eth%d", "a\0"]
        {
            assert_eq!(name.parse::<LinkName>().unwrap_err().name, name);
        }
    }
}
