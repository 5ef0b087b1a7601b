//! What a program answered, read without any code of the plugin's own.

use std::fmt;
use std::process::{Command, Output};

use serde::Deserialize;
use serde_json::Value;

use crate::failure::Failure;

/// How much of a stream a failed test shows, in characters.
const SHOWN: usize = 2000;

/// The end of a run.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The command with its variables, for messages.
    command: String,
    /// What it was given to read, for messages.
    stdin: String,
    /// The exit code; none where a signal ended the program.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// An error object: these members and no others (CNI specification 1.1.0, "Error", as libcni prints it).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CniError {
    /// The number of the error.
    pub code: u32,
    /// What failed on which object; never empty.
    pub msg: String,
    /// The cause; empty where the object has none.
    #[serde(default)]
    pub details: String,
}

impl CniError {
    /// Whether what a runtime shows of it, message and details, contains the text.
    pub fn names(&self, text: &str) -> bool {
        self.msg.contains(text) || self.details.contains(text)
    }
}

impl Reply {
    pub(crate) fn new(command: &Command, stdin: &[u8], output: &Output) -> Self {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Self {
            command: format!("{command:?}"),
            stdin: text(stdin),
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// Success without a word on standard output.
    pub fn silence(&self) -> Result<(), Failure> {
        if self.code == Some(0) && self.stdout.is_empty() { Ok(()) } else { Err(self.is_not("silence")) }
    }

    /// Success with one JSON document.
    pub fn document(&self) -> Result<Value, Failure> {
        let document = serde_json::from_str(&self.stdout).ok().filter(|_| self.code == Some(0));
        document.ok_or_else(|| self.is_not("one JSON document and exit code 0"))
    }

    /// Failure with one error object.
    pub fn error(&self) -> Result<CniError, Failure> {
        let error: Option<CniError> = serde_json::from_str(&self.stdout).ok();
        let error = error.filter(|error| self.code == Some(1) && !error.msg.is_empty());
        error.ok_or_else(|| self.is_not("one error object with a message and exit code 1"))
    }

    fn is_not(&self, wanted: &'static str) -> Failure {
        Failure::Reply { wanted, reply: Box::new(self.clone()) }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| text.chars().take(SHOWN).collect::<String>();
        writeln!(f, "{}", self.command)?;
        writeln!(f, "  exit code: {:?}", self.code)?;
        let streams = [("stdin", &self.stdin), ("stdout", &self.stdout), ("stderr", &self.stderr)];
        streams.iter().try_for_each(|(name, text)| writeln!(f, "  {name}: {}", shown(text)))
    }
}
