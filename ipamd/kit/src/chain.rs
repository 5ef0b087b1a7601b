//! Errors as they are logged: with their causes.

use std::error::Error;
use std::fmt;

/// An error and all its causes, outermost first, separated by colons. No error of the project repeats its source
/// in its own text, so that nothing is said twice.
#[derive(Debug, Clone, Copy)]
pub struct Chain<'a>(pub &'a (dyn Error + 'a));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(formatter, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read {path}")]
    struct Outer {
        path: &'static str,
        source: std::io::Error,
    }

    #[test]
    fn every_cause_is_said_once() {
        let error = Outer { path: "/a", source: std::io::Error::other("gone") };
        assert_eq!(Chain(&error).to_string(), "cannot read /a: gone");
    }
}
