//! The harness of the behaviour tests: a program run as a runtime runs it, and what it answered.
//!
//! ```text
//!  Program ──▶ Run (variables, stdin) ──▶ Reply (exit code, stdout, stderr) ──▶ silence | document | error
//! ```
//!
//! Every program runs without privileges, whoever runs the tests: what these tests send can change nothing on the
//! machine, even if a program does not refuse what it should, and a test means the same for root and for everybody.

mod failure;
mod ipamd;
mod program;
mod reply;
mod run;

pub use failure::Failure;
pub use ipamd::Ipamd;
pub use program::{Program, in_ci, workspace};
pub use reply::{CniError, Reply};
pub use run::Run;
