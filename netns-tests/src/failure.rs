//! How a test ends when it does not pass: it failed and says what it saw, or it could not run and says why.

use std::error::Error;
use std::fmt::Write as _;

/// What a test body returns.
pub type Outcome = Result<(), Failure>;

/// Why a test did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The program under test, or the harness, did something else than expected; the text says what was seen.
    Failed(String),
    /// The test could not run here.
    Skipped(Missing),
}

/// What a skipped test lacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// A program or privilege that a complete test machine has: in CI its absence is a failure.
    Tool(String),
    /// Something that depends on the kernel the tests happen to run on, or a behaviour that the subject does not have.
    Feature(String),
}

impl Failure {
    /// A failed test, with the text that explains it.
    pub fn failed(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }

    /// Puts `what` before the text of a failure; a skip stays as it is.
    #[must_use]
    pub fn while_doing(self, what: impl std::fmt::Display) -> Self {
        match self {
            Self::Failed(text) => Self::Failed(format!("{what}: {text}")),
            skipped @ Self::Skipped(_) => skipped,
        }
    }
}

/// Any error ends a test, with its chain of sources as the text. (`Failure` is itself no [`Error`], so this is no
/// overlap.)
impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            // Writing to a String cannot fail.
            let _infallible = write!(text, ": {cause}");
            source = cause.source();
        }
        Self::Failed(text)
    }
}

/// Names the object an operation was about, which the operating system's errors do not.
pub trait Context<T> {
    /// Puts the text before that of the error.
    fn doing(self, what: impl std::fmt::Display) -> Result<T, Failure>;
}

impl<T, E: Into<Failure>> Context<T> for Result<T, E> {
    fn doing(self, what: impl std::fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| error.into().while_doing(what))
    }
}

impl<T> Context<T> for Option<T> {
    fn doing(self, what: impl std::fmt::Display) -> Result<T, Failure> {
        self.ok_or_else(|| Failure::failed(format!("{what}: nothing there")))
    }
}

/// Ends the test with the formatted text unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err($crate::failure::Failure::failed(format!($($text)+)));
        }
    };
}

/// Ends the test unless both values are equal; prints both.
#[macro_export]
macro_rules! ensure_eq {
    ($found:expr, $wanted:expr, $($text:tt)+) => {
        match (&$found, &$wanted) {
            (found, wanted) => $crate::ensure!(
                found == wanted,
                "{}: wanted {wanted:?}, found {found:?}",
                format!($($text)+)
            ),
        }
    };
}
