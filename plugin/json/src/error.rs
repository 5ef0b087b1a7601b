//! Why a document is not what was expected, and where.

use std::fmt;

use serde::de;
use serde_json::Value;

/// The longest text of a document that an error repeats, in bytes.
const MAX_QUOTED: usize = 64;

/// A member that has another type, or a value outside its range, or that is missing.
/// Printed as `ipam.ranges[0][0].subnet: "10.0.0": invalid IP address syntax`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    path: String,
    reason: String,
}

impl DecodeError {
    /// An error at `path`, found by other means than decoding.
    pub fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into() }
    }

    /// The path of the member, as in `ipam.ranges[0][0].subnet`; empty for the document as a whole.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong with the member.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The same error, seen from a document that has the decoded one at `path`.
    #[must_use]
    pub fn within(self, path: &str) -> Self {
        Self { path: super::join(path, &self.path), ..self }
    }

    /// Notes where a reader was when the error came up, unless a reader further inside did so before,
    /// and the text that it could not read, unless the reason has it already.
    pub(super) fn at(self, path: super::Path<'_>, value: &Value) -> Self {
        if !self.path.is_empty() {
            return self;
        }
        let is_told = |text: &str| {
            [format!("{text:?}"), format!("`{text}`")].iter().any(|told| self.reason.contains(told))
        };
        let reason = match value.as_str() {
            Some(text) if text.len() <= MAX_QUOTED && !is_told(text) => format!("{text:?}: {}", self.reason),
            _ => self.reason,
        };
        Self { path: path.to_string(), reason }
    }

    /// Whether the error lies in the node at `path`.
    pub(super) fn is_within(&self, path: &str) -> bool {
        self.path.strip_prefix(path).is_some_and(|rest| path.is_empty() || rest.starts_with(['.', '[']))
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.reason),
            path => write!(f, "{path}: {}", self.reason),
        }
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self::new("", reason.to_string())
    }
}
