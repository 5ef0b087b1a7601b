//! The commands, one a file. `run` logs; the others give text to print.

pub(crate) mod check_config;
pub(crate) mod cleanup;
pub(crate) mod run;
pub(crate) mod show;

use podnet_daemon_kit::Chain;

use crate::exit::Exit;
use crate::firewall::FirewallError;
use crate::firewall::detect::DetectError;

/// What a command prints, and how it ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) text: String,
    pub(crate) errors: Vec<String>,
    pub(crate) exit: Exit,
}

impl Outcome {
    fn no_backend(error: &DetectError) -> Self {
        Self { text: String::new(), errors: vec![Chain(error).to_string()], exit: Exit::NoBackend }
    }
}

/// How a command ends that could not do everything.
pub(crate) fn exit_of(errors: &[FirewallError]) -> Exit {
    let is_foreign = |error: &FirewallError| matches!(error, FirewallError::ForeignChain { .. });
    let is_lack = |error: &FirewallError| matches!(error, FirewallError::Exec { source, .. } if source.is_lack_of_backend());
    if errors.iter().any(is_foreign) {
        Exit::ForeignChain
    } else if errors.iter().any(is_lack) {
        Exit::NoBackend
    } else if errors.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    }
}

fn texts(errors: &[FirewallError]) -> Vec<String> {
    errors.iter().map(|error| Chain(error).to_string()).collect()
}
