//! The error object, the only thing a failing plugin prints.
//!
//! Runtimes show a person `msg` and, after a semicolon, `details`; they drop what the plugin wrote to
//! its standard error. So `msg` says what failed on which object, and `details` why.

use std::error::Error;

use serde::Serialize;

use crate::json::{self, DecodeError};

/// The codes of the error object (CNI specification 1.1.0, "Error"; libcni `pkg/types`).
pub mod code {
    /// The plugin does not know the configuration's version of the protocol.
    pub const INCOMPATIBLE_VERSION: u32 = 1;
    /// A member of the configuration has a value that the plugin cannot honour; `msg` has both.
    pub const UNSUPPORTED_FIELD: u32 = 2;
    /// The container does not exist: the runtime need not clean up.
    pub const UNKNOWN_CONTAINER: u32 = 3;
    /// A `CNI_*` variable is missing or malformed; `msg` names it.
    pub const INVALID_ENVIRONMENT: u32 = 4;
    /// Standard input could not be read.
    pub const IO_FAILURE: u32 = 5;
    /// The configuration is no JSON object, or a member has another JSON type than it must have.
    pub const DECODING_FAILURE: u32 = 6;
    /// The configuration was decoded, but asks for something that cannot be.
    pub const INVALID_NETWORK_CONFIG: u32 = 7;
    /// `CNI_NETNS` names the plugin's own network namespace (libcni; not in the specification).
    pub const INVALID_NETNS: u32 = 8;
    /// The failure is expected to pass.
    pub const TRY_AGAIN_LATER: u32 = 11;
    /// STATUS: ADD cannot be served.
    pub const PLUGIN_NOT_AVAILABLE: u32 = 50;
    /// STATUS: ADD cannot be served, and attached containers may have lost connectivity.
    pub const LIMITED_CONNECTIVITY: u32 = 51;
    /// The first of the codes that a plugin gives a meaning of its own.
    pub const PLUGIN_SPECIFIC: u32 = 100;
}

/// An error as the runtime reads it from standard output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ErrorObject {
    /// One of [`code`], or a plugin's own from [`code::PLUGIN_SPECIFIC`] on.
    pub code: u32,
    /// What failed, and on which object. Never empty: a runtime would show nothing.
    pub msg: String,
    /// The cause, and what to do; empty when `msg` says it all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub details: String,
}

impl ErrorObject {
    /// An error without details. An empty `msg` is replaced by one that tells the code; what is too long for
    /// a person to read, since it repeats the request, is cut.
    pub fn new(code: u32, msg: impl Into<String>) -> Self {
        let msg = Some(readable(msg.into())).filter(|msg| !msg.is_empty());
        Self { code, msg: msg.unwrap_or_else(|| format!("error {code}")), details: String::new() }
    }

    /// The same error with `details` in place of those it had.
    #[must_use]
    pub fn with_details(self, details: impl Into<String>) -> Self {
        Self { details: readable(details.into()), ..self }
    }

    /// `error` as `msg`, its chain of sources, outermost first, as `details`.
    pub fn from_error(code: u32, error: &dyn Error) -> Self {
        let sources = std::iter::successors(error.source(), |&cause| cause.source());
        let details: Vec<String> = sources.map(ToString::to_string).collect();
        Self::new(code, error.to_string()).with_details(details.join(": "))
    }

    /// The object as it is printed: indented by four spaces, no newline at its end, as libcni's own.
    pub fn to_json(&self) -> String {
        // A number and two strings always have a JSON form.
        json::pretty(self).unwrap_or_default()
    }
}

impl From<DecodeError> for ErrorObject {
    fn from(error: DecodeError) -> Self {
        Self::new(code::DECODING_FAILURE, format!("cannot decode network configuration: {error}"))
    }
}

/// The text up to a length in bytes that a person may still read.
fn readable(mut text: String) -> String {
    const LONGEST: usize = 4096;
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot create link veth0")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn is_printed_as_libcni_prints_it() {
        let error = ErrorObject::new(code::INVALID_NETWORK_CONFIG, "bad mtu").with_details("got 5");
        assert_eq!(
            error.to_json(),
            "{\n    \"code\": 7,\n    \"msg\": \"bad mtu\",\n    \"details\": \"got 5\"\n}"
        );
    }

    #[test]
    fn empty_details_are_omitted_and_an_empty_msg_is_filled() {
        let error = ErrorObject::new(104, "");
        assert_eq!(error.to_json(), "{\n    \"code\": 104,\n    \"msg\": \"error 104\"\n}");
    }

    #[test]
    fn what_nobody_can_read_is_cut_between_characters() {
        let object = ErrorObject::new(7, "é".repeat(1 << 20)).with_details("x".repeat(1 << 20));
        assert_eq!(object.msg, format!("{}…", "é".repeat(2048)));
        assert_eq!(object.details, format!("{}…", "x".repeat(4096)));
    }

    #[test]
    fn sources_become_details() {
        let error = Outer(std::io::Error::other("no memory"));
        let object = ErrorObject::from_error(100, &error);
        assert_eq!((object.msg.as_str(), object.details.as_str()), ("cannot create link veth0", "no memory"));
    }
}
