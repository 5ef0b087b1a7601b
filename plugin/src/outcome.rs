//! What a run ends in: the text for each stream and the exit code.

use std::panic::PanicHookInfo;

use podnet_cni::{Attachment, ErrorObject};

use crate::error::code;

/// The end of a run, for `main` to write.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// For a runtime: one JSON document or nothing.
    pub(crate) stdout: String,
    /// For people.
    pub(crate) stderr: String,
    /// 0, or 1 after an error, as the specification's "non-zero".
    pub(crate) code: u8,
    /// The attachment that was made, which nobody would know of if stdout could not be written.
    pub(crate) made: Option<Box<Attachment>>,
}

impl Outcome {
    /// Success with this on stdout.
    pub(crate) fn success(stdout: impl Into<String>) -> Self {
        Self { stdout: stdout.into(), ..Self::default() }
    }

    /// Success with nothing for the runtime to read, and this for a person.
    pub(crate) fn note(stderr: impl Into<String>) -> Self {
        Self { stderr: stderr.into(), ..Self::default() }
    }

    /// The CNI error object.
    pub(crate) fn failure(error: &ErrorObject) -> Self {
        Self { stdout: error.to_json(), code: 1, ..Self::default() }
    }

    /// A failure of the node's tool: its text is for people.
    pub(crate) fn complaint(stderr: impl Into<String>) -> Self {
        Self { stderr: stderr.into(), code: 1, ..Self::default() }
    }

    /// A defect of ours, as an error object: nothing else was written, since the reply comes last.
    pub(crate) fn panicked(panic: &PanicHookInfo<'_>) -> Self {
        let message = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let error = ErrorObject::new(code::INTERNAL, "podnet stopped on a defect of its own");
        Self::failure(&error.with_details(format!("{place}: {message}; please report this")))
    }
}
