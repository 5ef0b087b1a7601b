//! What differs between wish and kernel.

use std::fmt::{self, Debug, Display};

/// One difference that [`verify`](crate::verify()) found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What differs, for example `MTU of link veth0`.
    pub object: String,
    /// How it should be.
    pub wanted: String,
    /// How it is.
    pub found: String,
}

impl Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: wanted {}, found {}", self.object, self.wanted, self.found)
    }
}

/// Differences in the order they are found.
#[derive(Debug, Default)]
pub(crate) struct Differences(pub(crate) Vec<Difference>);

impl Differences {
    /// Notes a difference.
    pub(crate) fn note(&mut self, object: impl Into<String>, wanted: impl Display, found: impl Display) {
        self.0.push(Difference {
            object: object.into(),
            wanted: wanted.to_string(),
            found: found.to_string(),
        });
    }

    /// Notes a difference unless both are the same.
    pub(crate) fn compare<T: PartialEq + Display>(
        &mut self,
        object: impl Into<String>,
        wanted: &T,
        found: &T,
    ) {
        if wanted != found {
            self.note(object, wanted, found);
        }
    }

    /// Notes that something is not there at all.
    pub(crate) fn missing(&mut self, object: impl Into<String>) {
        self.note(object, "present", "missing");
    }
}
