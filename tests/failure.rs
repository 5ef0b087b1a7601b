//! What can go wrong between a test and the program that it runs.

use std::io;
use std::path::PathBuf;

use crate::reply::Reply;

/// Why there is no reply, or not the one that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The program is not there.
    #[error("{} is missing: run `make {target}`, or name it in {variable}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
        /// The target of the Makefile that makes it.
        target: &'static str,
        /// The variable that can name another place.
        variable: &'static str,
        /// Why it could not be opened.
        #[source]
        source: io::Error,
    },
    /// The program could not be run.
    #[error("cannot run {}", program.display())]
    Run {
        /// The program's path.
        program: PathBuf,
        /// The failing call's error.
        #[source]
        source: io::Error,
    },
    /// The program waits for something that does not come.
    #[error("{} did not end", program.display())]
    Blocked {
        /// The program's path.
        program: PathBuf,
    },
    /// The reply has another form.
    #[error("wanted {wanted}, but {reply}")]
    Reply {
        /// The form.
        wanted: &'static str,
        /// The reply.
        reply: Box<Reply>,
    },
}
