//! The one place that runs programs: with their input given, and their failure classified.

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::process::{Command, Output};

use nix::sys::memfd::{MFdFlags, memfd_create};

/// Why a program did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// There is no such program in PATH.
    #[error("{program} is not in PATH")]
    Missing {
        /// Its name.
        program: String,
    },
    /// It could not be started.
    #[error("cannot run {program}")]
    Start {
        /// Its name.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// Others held the xtables lock all the time that it waited.
    #[error("{program}: others hold the xtables lock: {says}")]
    Locked {
        /// Its name.
        program: String,
        /// What it printed.
        says: String,
    },
    /// The kernel lacks what it needs.
    #[error("{program}: the kernel lacks the table: {says}")]
    Unsupported {
        /// Its name.
        program: String,
        /// What it printed.
        says: String,
    },
    /// Anything else.
    #[error("{program} failed with {status}: {says}")]
    Failed {
        /// Its name.
        program: String,
        /// Its exit code or signal.
        status: String,
        /// What it printed.
        says: String,
    },
}

impl ExecError {
    /// The kind of error, for the metric.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "no-program",
            Self::Start { .. } => "start",
            Self::Locked { .. } => "lock",
            Self::Unsupported { .. } => "unsupported",
            Self::Failed { .. } => "failed",
        }
    }

    /// Whether the node has no such backend, now or later.
    pub fn is_lack_of_backend(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Unsupported { .. })
    }

    /// An error of starting the program.
    pub fn of_start(program: &str, source: io::Error) -> Self {
        let program = program.to_owned();
        if source.kind() == io::ErrorKind::NotFound {
            Self::Missing { program }
        } else {
            Self::Start { program, source }
        }
    }

    /// From how the program ended. iptables(8): 4 is a resource problem, the lock above all; 3 a table that is not there.
    pub fn of_output(program: &str, output: &Output) -> Self {
        const LACKS: [&str; 4] = [
            "Table does not exist",
            "can't initialize",
            "Failed to initialize nft",
            "Protocol not supported",
        ];
        let program = program.to_owned();
        let says = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
        if says.contains("xtables lock") {
            Self::Locked { program, says }
        } else if LACKS.iter().any(|words| says.contains(words)) && !says.contains("Permission denied") {
            Self::Unsupported { program, says }
        } else {
            Self::Failed { program, status: output.status.to_string(), says }
        }
    }
}

/// Runs a program to its end and gives what it printed; a failure holds what it complained about.
///
/// The input is complete before the program starts: whenever this process is killed, no half of a script is carried out.
pub fn run(program: &str, args: &[&str], input: &str) -> Result<String, ExecError> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the daemons' rules are written by the programs of iptables and nftables"
    )]
    let mut command = Command::new(program);
    let output = file_of(input).and_then(|file| command.args(args).stdin(file).output());
    let output = output.map_err(|error| ExecError::of_start(program, error))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(ExecError::of_output(program, &output))
    }
}

/// A file in memory, to be read from its beginning.
fn file_of(text: &str) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"rules", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_given_and_input_taken() {
        let long = "line\n".repeat(50_000);
        assert_eq!(run("cat", &[], &long).unwrap(), long);
    }

    #[test]
    fn failures_say_what_the_program_said() {
        let fail = |says: &str| run("sh", &["-c", "cat >&2; exit 4"], says).unwrap_err();
        assert_eq!(fail("Another app is currently holding the xtables lock.").kind(), "lock");
        assert!(fail("iptables: can't initialize iptables table `nat'").is_lack_of_backend());
        assert!(fail("line 3 failed").to_string().contains("line 3 failed"));
        assert!(run("no-such-program", &[], "").unwrap_err().is_lack_of_backend());
    }
}
